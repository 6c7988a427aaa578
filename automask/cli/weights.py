"""The commands for pretrained weights: which are here, whether they fit, and the others fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from automask.cli.json_output import Json, print_json
from automask.cli.options import Space, Weights, terminal

if TYPE_CHECKING:
    from rich.console import Console

    from automask.api import weights

app = typer.Typer(
    name="weights", help="Look over and fetch pretrained weights.", no_args_is_help=True
)


@app.command("list")
def list_weights(space: Space = None, weights: Weights = None, json: Json = False) -> None:
    """List the space's models: where their weights are, sizes, licences.

    Nothing is fetched; the hub is asked where it answers.
    """
    from automask.api import weights as api
    from automask.api.projects import Project
    from automask.cli.notes import printed

    console = terminal(json)
    with printed(console):
        listed = api.list_weights(Project(), space=space, weights=weights)
    if json:
        print_json(_plain(listed))
    else:
        _show(listed, console)


@app.command()
def get(space: Space = None) -> None:
    """Fetch what a search would fetch, before going offline."""
    from automask.api import weights as api
    from automask.api.projects import Project
    from automask.cli.notes import printed

    console = terminal()
    with printed(console):
        listed = api.get_weights(Project(), space=space)
    _show(listed, console)


@app.command()
def check(space: Space = None, weights: Weights = None) -> None:
    """Read the weights that are here: can a search go offline?

    Ends with code 2 where some are missing or don't fit.
    """
    from automask.api import weights as api
    from automask.api.projects import Project
    from automask.cli.notes import printed

    console = terminal()
    with printed(console):
        listed, mistakes = api.check_weights(Project(), space=space, weights=weights)
    _show(listed, console)
    for sentence in mistakes:
        console.print(sentence, markup=False, soft_wrap=True)
    if listed.missing or mistakes:
        raise typer.Exit(2)
    if listed.models:
        console.print("all of them were read and fit: a search needs no hub")


def _plain(listed: weights.Weights) -> dict[str, object]:
    return {
        "space": listed.space,
        "folder": listed.folder,
        "models": listed.models,
        "left_out": listed.left_out,
        "hub_silence": listed.silence or None,
        "bytes_to_fetch": listed.to_fetch,
    }


def _show(listed: weights.Weights, console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    from automask.units import format_bytes

    if not listed.pretrained:
        console.print(f"space '{listed.space}' trains from nothing: a search needs no weights")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("model", "library", "where", "size", "licence"):
        table.add_column(name, justify="right" if name == "size" else "left", no_wrap=True)
    for one in listed.models:
        size = "not known offline" if one.size is None else format_bytes(one.size)
        where = Text(one.place if one.is_here else "to fetch", "" if one.is_here else "yellow")
        table.add_row(Text(one.model), one.library, where, size, Text(one.licence))
    console.print(table)
    for sentence in _sentences(listed):
        console.print(sentence, markup=False, soft_wrap=True)


def _sentences(listed: weights.Weights) -> list[str]:
    from automask.units import format_bytes

    lines = []
    if listed.silence:
        lines.append(f"{listed.silence}: sizes and licences are what timm and the caches tell")
    if listed.folder is not None:
        lines.append(f"a search takes the weights in {listed.folder} alone, and fetches nothing")
        if listed.left_out:
            lines.append(f"left out, as it has none for them: {', '.join(listed.left_out)}")
    elif not listed.missing:
        lines.append("a search would fetch nothing")
    else:
        size = "" if listed.to_fetch is None else f", {format_bytes(listed.to_fetch)}"
        count = f"{len(listed.missing)} of {len(listed.models)}"
        here = ", where there is internet," if listed.silence else ""
        lines.append(
            f"a search would fetch {count}{size}: automask weights get{here} does it before"
        )
    return lines
