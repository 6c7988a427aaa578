"""What is said of a plugin: by itself, and as a row of the table in docs/plugin-list.md.

``python -m automask.space.plugin_descriptions docs/plugin-list.md`` writes the latter anew.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automask.errors import UserError, did_you_mean
from automask.space import registry, rules
from automask.space.kinds import KINDS, Kind, Plugin
from automask.space.ranges import Text

BEGIN, END = "<!-- plugins: begin -->", "<!-- plugins: end -->"


@dataclass(frozen=True)
class PluginDescription:
    """A plugin as people read of it; `str` gives all that is said of it."""

    plugin: Plugin

    @property
    def kind(self) -> str:
        return self.plugin.kind

    @property
    def name(self) -> str:
        return self.plugin.name

    @property
    def contract(self) -> tuple[str, ...]:
        """The names of the parameters that every plugin of its kind has."""
        return KINDS[self.kind].contract

    @property
    def summary(self) -> str:
        """A sentence."""
        return self.plugin.summary

    @property
    def hyperparameters(self) -> list[str]:
        """The range and default of each."""
        plugin = self.plugin
        return [f"{key} {r}, default {plugin.defaults[key]}" for key, r in plugin.ranges.items()]

    @property
    def origin(self) -> str:
        """Its file or package, and what it stands in for."""
        replaces = self.plugin.replaces
        return self.plugin.origin + (f", instead of {replaces.origin}" if replaces else "")

    def to_dict(self) -> dict[str, Any]:
        """The same for programs: ranges as texts, a step of a training by its name."""
        plugin = self.plugin
        return {
            "kind": self.kind,
            "name": self.name,
            "summary": self.summary,
            "hyperparameters": {
                key: {"range": str(plugin.ranges[key]), "default": default}
                for key, default in plugin.defaults.items()
            },
            "abilities": {
                name: getattr(value, "__name__", value) for name, value in plugin.abilities.items()
            },
            "origin": self.origin,
            "file": plugin.file,
        }

    @property
    def spaces(self) -> list[str]:
        """The spaces that ship with it."""
        # Imports numpy, which a list of plugins need not wait for.
        from automask.space import space_file

        plugin = self.plugin
        return [
            space
            for space in space_file.shipped()
            if plugin.name in space_file.load(space).competitors[plugin.kind]
        ]

    def __str__(self) -> str:
        plugin, kind = self.plugin, KINDS[self.kind]
        lines = [
            f"{plugin.kind} {plugin.name}({', '.join(self.contract)})",
            self.origin if self.origin.startswith(plugin.file) else f"{self.origin}, {plugin.file}",
            "",
            inspect.getdoc(plugin.function) or "",
        ]
        if plugin.ranges:
            lines += ["", "hyperparameters:", *(f"  {text}" for text in self.hyperparameters)]
        abilities = [
            f"{key}={getattr(value, '__name__', repr(value))}"
            for key, value in plugin.abilities.items()
            if value is not None
        ]
        if abilities:
            lines += ["", f"abilities: {', '.join(abilities)}"]
        if kind.default:
            lines += ["", f"in the spaces that ship: {', '.join(self.spaces) or 'none'}"]
        if sentences := rules.rules_about(plugin.kind, plugin.name):
            lines += ["", "rules:", *(f"  {rule}" for rule in sentences)]
        return "\n".join([*lines, "", *_promise(kind)])


def describe_all(kind: str | None = None) -> list[PluginDescription]:
    """All plugins, or those of a kind; an unknown one is a `UserError` with a suggestion."""
    if kind is not None and kind not in KINDS:
        raise UserError(f"unknown kind '{kind}'{did_you_mean(kind, KINDS)}")
    kinds = KINDS if kind is None else [kind]
    return [PluginDescription(p) for name in kinds for p in registry.plugins(name).values()]


def describe_named(name: str) -> list[PluginDescription]:
    """The plugins of that name, such as `focal` or `loss.focal`.

    Raises `UserError` with a suggestion where there is none.
    """
    plugins = describe_all()
    if named := [p for p in plugins if name in (p.name, f"{p.kind}.{p.name}")]:
        return named
    names = {f"{p.kind}.{p.name}" if "." in name else p.name for p in plugins}
    raise UserError(f"unknown plugin '{name}'{did_you_mean(name, names)}")


def _promise(kind: Kind[Any]) -> list[str]:
    """Lines of text on what every plugin of a kind takes, gives and promises."""
    signature = inspect.signature(kind.protocol.__call__)
    own = signature.replace(parameters=list(signature.parameters.values())[1:])
    unquoted = str(own).replace("'", "")
    promise = (inspect.getdoc(kind.protocol) or "").splitlines()
    return [f"every {kind.name}:", *(f"  {line}".rstrip() for line in (unquoted, "", *promise))]


def markdown_table() -> str:
    """The built-in plugins as a table for docs/plugin-list.md."""
    lines = ["| kind | plugin | what it does | hyperparameters |", "|---|---|---|---|"]
    for kind in KINDS:
        built_in = [p for p in registry.plugins(kind).values() if p.origin == "built in"]
        for first, plugin in zip([kind, *[""] * len(built_in)], built_in, strict=False):
            cells = (first, f"`{plugin.name}`", plugin.summary, ", ".join(_ranges(plugin)))
            lines.append(f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |")
    return "\n".join(lines)


def _ranges(plugin: Plugin) -> Iterable[str]:
    for key, range_ in plugin.ranges.items():
        yield key if isinstance(range_, Text) else f"{key}: {range_}"


def renewed_page(page: str) -> str:
    """The text of docs/plugin-list.md with the table as it is to be, between its two marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{markdown_table()}\n\n{END}{after}"


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(renewed_page(file.read_text("utf-8")), encoding="utf-8")
