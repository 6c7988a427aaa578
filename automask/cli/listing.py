"""The table of plugins, one plugin with all that is said of it, and the table in README.md.

``python -m automask.listing README.md`` writes the latter anew.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from automask.errors import UserError, did_you_mean
from automask.space import registry, rules
from automask.space.kinds import KINDS, Kind, Plugin
from automask.space.ranges import Text

BEGIN, END = "<!-- plugins: begin -->", "<!-- plugins: end -->"


def show_plugins(console: Console, kind: str | None) -> None:
    """Print every plugin by kind: name, ranges, one line, where it comes from."""
    registry.load()
    if kind is not None and kind not in KINDS:
        raise UserError(f"unknown kind '{kind}'{did_you_mean(kind, KINDS)}")
    for name in [kind] if kind else KINDS:
        contract = ", ".join(KINDS[name].contract)
        table = Table(
            title=f"[bold]{name}[/bold] ({contract})",
            title_justify="left",
            title_style="",
            box=None,
            pad_edge=False,
            show_header=False,
            expand=True,
        )
        table.add_column(style="cyan", no_wrap=True)
        table.add_column(ratio=3)
        table.add_column(ratio=2, style="dim")
        table.add_column(no_wrap=True, style="dim", justify="right")
        for plugin in KINDS[name].plugins.values():
            ranges = "\n".join(_ranges(plugin))
            table.add_row(plugin.name, *map(escape, (plugin.summary, ranges, _origin(plugin))))
        console.print(table)
        console.print()


def show_plugin(console: Console, name: str) -> None:
    """Print everything that is said of the plugins of that name, such as `focal` or `loss.focal`."""
    registry.load()
    found = {f"{p.kind}.{p.name}": p for kind in KINDS.values() for p in kind.plugins.values()}
    named = [p for full, p in found.items() if name in (full, p.name)]
    if not named:
        known = found if "." in name else {p.name for p in found.values()}
        raise UserError(f"unknown plugin '{name}'{did_you_mean(name, known)}")
    for plugin in named:
        console.print("\n".join(_page(plugin)), markup=False, soft_wrap=True)
        console.print()


def _page(plugin: Plugin) -> list[str]:
    """Lines of text on one plugin."""
    from automask.space import space_file

    origin, file, kind = _origin(plugin), plugin.file, KINDS[plugin.kind]
    lines = [
        f"{plugin.kind} {plugin.name}({', '.join(kind.contract)})",
        origin if origin.startswith(file) else f"{origin}, {file}",
        "",
        inspect.getdoc(plugin.function) or "",
    ]
    if plugin.ranges:
        lines += ["", "hyperparameters:", *(f"  {text}" for text in _ranges(plugin))]
    if plugin.abilities:
        shown = ", ".join(f"{key}={value!r}" for key, value in plugin.abilities.items())
        lines += ["", f"abilities: {shown}"]
    if kind.default:
        spaces = [
            s
            for s in space_file.shipped()
            if plugin.name in space_file.load(s).competitors[plugin.kind]
        ]
        lines += ["", f"in the spaces that ship: {', '.join(spaces) or 'none'}"]
    if ruled := rules.rules_about(plugin.kind, plugin.name):
        lines += ["", "rules:", *(f"  {rule}" for rule in ruled)]
    return [*lines, "", *_promise(kind)]


def _promise(kind: Kind[Any]) -> list[str]:
    """Lines of text on what every plugin of a kind takes, gives and promises."""
    signature = inspect.signature(kind.protocol.__call__)
    shown = signature.replace(parameters=list(signature.parameters.values())[1:])
    unquoted = str(shown).replace("'", "")
    promise = (inspect.getdoc(kind.protocol) or "").splitlines()
    return [f"every {kind.name}:", *(f"  {line}".rstrip() for line in (unquoted, "", *promise))]


def _ranges(plugin: Plugin) -> list[str]:
    return [f"{key} {r}, default {plugin.defaults[key]}" for key, r in plugin.ranges.items()]


def _origin(plugin: Plugin) -> str:
    return plugin.origin + (f", instead of {plugin.replaces.origin}" if plugin.replaces else "")


def markdown_table() -> str:
    """The built-in plugins as a table for README.md."""
    registry.load()
    lines = ["| kind | plugin | what it does | hyperparameters |", "|---|---|---|---|"]
    for kind in KINDS.values():
        shown = kind.name
        for plugin in kind.plugins.values():
            if plugin.origin == "built in":
                ranges = ", ".join(
                    key if isinstance(r, Text) else f"{key}: {r}"
                    for key, r in plugin.ranges.items()
                )
                cells = (shown, f"`{plugin.name}`", plugin.summary, ranges)
                lines.append(f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |")
                shown = ""
    return "\n".join(lines)


def renewed_readme(readme: str) -> str:
    """The text of README.md with the table as it is to be, between its two marks."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{markdown_table()}\n\n{END}{after}"


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(renewed_readme(file.read_text("utf-8")), encoding="utf-8")
