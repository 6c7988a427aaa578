"""The table of plugins."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from automask import registry
from automask.errors import UserError, did_you_mean
from automask.registry import KINDS


def show(console: Console, kind: str | None) -> None:
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
            ranges = "\n".join(
                f"{key} {range_}, default {plugin.defaults[key]}"
                for key, range_ in plugin.ranges.items()
            )
            origin = plugin.origin + (f", instead of {plugin.replaces}" * bool(plugin.replaces))
            table.add_row(plugin.name, *map(escape, (plugin.summary, ranges, origin)))
        console.print(table)
        console.print()
