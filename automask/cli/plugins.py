"""The `plugins` command: what there is, all of one, and a plugin file checked."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

from automask.cli.options import terminal
from automask.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from automask.space.plugin_descriptions import PluginDescription


def plugins(
    kind: Annotated[str | None, typer.Argument(help="One kind only, 'show' or 'check'.")] = None,
    what: Annotated[
        str | None, typer.Argument(help="With 'show': a plugin; with 'check': a plugin file.")
    ] = None,
) -> None:
    """List all plugins; `show NAME` tells all of one.

    `plugins check FILE` probes those of a file.
    """
    from automask.api import plugins
    from automask.api.projects import Project

    console, project = terminal(), Project()
    if kind == "check":
        if what is None:
            raise UserError("automask plugins check FILE: which file?")
        for plugin in plugins.check_plugins(what, project):
            console.print(f"{plugin.kind} {plugin.name}: keeps its contract", markup=False)
    elif kind == "show":
        if what is None:
            raise UserError(
                "automask plugins show NAME: which plugin, such as focal or loss.focal?"
            )
        for plugin in plugins.show_plugin(what, project):
            console.print(str(plugin), markup=False, soft_wrap=True)
            console.print()
    else:
        show_plugins(plugins.list_plugins(kind, project), console)


def show_plugins(plugins: Sequence[PluginDescription], console: Console) -> None:
    """Print plugins by kind: name, one line, ranges, where it comes from."""
    from rich.markup import escape
    from rich.table import Table

    for kind, of_kind in groupby(plugins, lambda plugin: plugin.kind):
        members = list(of_kind)
        table = Table(
            title=f"[bold]{kind}[/bold] ({', '.join(members[0].contract)})",
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
        for plugin in members:
            ranges = "\n".join(plugin.hyperparameters)
            table.add_row(plugin.name, *map(escape, (plugin.summary, ranges, plugin.origin)))
        console.print(table)
        console.print()
