"""The commands about what is installed here: doctor and licences."""

from __future__ import annotations

import typer

from automask.cli.json_output import Json, print_json
from automask.cli.options import Device, terminal

app = typer.Typer()
STYLES = {"ok": "green", "note": "yellow", "mend": "bold red"}


@app.command()
def doctor(device: Device = "auto", json: Json = False) -> None:
    """Look this machine over: what a search has here, what to mend.

    Versions, processor, GPU, disk and hub, decoding, and ten seconds of training. Ends with code 2 where
    something is to be mended.
    """
    from rich.table import Table
    from rich.text import Text

    from automask.api import doctor as api
    from automask.api.projects import Project
    from automask.cli.notes import printed

    console = terminal(json)
    with printed(console):
        checks = api.doctor(Project(), device=device)
    to_mend = sum(check.verdict == "mend" for check in checks)
    if json:
        print_json(checks)
    else:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("what", "", "here", "to do"):
            table.add_column(name, overflow="fold", no_wrap=name in ("what", ""))
        for check in checks:
            verdict = Text(check.verdict, STYLES[check.verdict])
            table.add_row(check.name, verdict, Text(check.value), Text(check.advice))
        console.print(table)
        console.print(f"{to_mend} to mend" if to_mend else "nothing to mend")
    if to_mend:
        raise typer.Exit(2)


@app.command("licences")
def list_licences(json: Json = False) -> None:
    """List the licence of every package that automask brings along."""
    from rich.table import Table
    from rich.text import Text

    from automask.api.doctor import licences

    listed = licences()
    if json:
        print_json(listed)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("package", "version", "licence", "required by"):
        table.add_column(name)
    for one in listed:
        by = "automask" if one.direct else "another package"
        table.add_row(Text(one.package), one.version, Text(one.licence), Text(by))
    terminal().print(table)
