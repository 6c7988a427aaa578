"""The commands for labels that may be wrong: list suspects, take corrections, decide in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from automask.cli.json_output import Json, print_json
from automask.cli.options import Port, Storage, Study, terminal

app = typer.Typer()


@app.command()
def suspects(
    study: Study = "main",
    storage: Storage = None,
    csv: Annotated[
        Path | None, typer.Option(help="Write all, to edit and give to automask relabel.")
    ] = None,
    json: Json = False,
) -> None:
    """List train rows whose label may be wrong, by a study.

    Confident learning on the out-of-fold probabilities of the best trials; nothing is trained.
    """
    from automask.api import labels
    from automask.api.projects import Project
    from automask.cli.notes import printed
    from automask.cli.suspects import show_suspects

    console = terminal(json)
    with printed(console):
        result = labels.suspects(Project(), study, storage=storage, csv=csv)
    if json:
        print_json({"flagged": result.flagged, "wrong": result.wrong, "rows": result.rows})
    else:
        show_suspects(result, console)
    if csv is not None:
        targets = " and ".join(f"'{name}'" for name in result.data.attributes.names)
        console.print(
            f"wrote {csv}: {len(result.table):,} rows, the most suspect first; put right what is wrong "
            f"in {targets}, then run: automask relabel {csv}",
            markup=False,
            soft_wrap=True,
        )


@app.command()
def relabel(
    file: Annotated[
        Path, typer.Argument(help="A CSV: a column of ids, and one for each target it corrects.")
    ],
) -> None:
    """Take corrected labels; the next new study uses them.

    They are kept in corrections.csv beside automask.toml, and the data stay as they are. Giving a row
    its first label again takes its correction back.
    """
    from automask.api import labels
    from automask.api.projects import Project

    console, project = terminal(), Project()
    outcome = labels.relabel(file, project)
    for (target, old, new), count in sorted(outcome.flows.items(), key=lambda flow: -flow[1]):
        console.print(f"  {target}: {old} → {new} ({count:,})", markup=False)
    console.print(
        f"labels: {outcome.corrected:,} corrected, {outcome.undone:,} put back, {outcome.same:,} as "
        f"they were; {project.corrections} holds {len(outcome.corrections):,}",
        markup=False,
        soft_wrap=True,
    )
    if outcome.left_alone:
        left = ", ".join(outcome.left_alone)
        console.print(f"{file} has no column {left}: left as it is", markup=False, soft_wrap=True)
    if outcome.flows:
        console.print(
            "a study keeps the labels that it was begun with; for these: automask search --study NAME",
            soft_wrap=True,
        )


@app.command()
def label(study: Study = "main", storage: Storage = None, port: Port = 0) -> None:
    """Put labels right and choose submissions in the browser.

    A page of suspect labels saves to corrections.csv, one of two submissions what you choose as a new
    file. Served on this machine alone, until Ctrl-C.
    """
    from automask.api import web
    from automask.api.projects import Project
    from automask.cli.serving import serve

    serve(web.label(Project(), study, storage=storage, port=port), "/", terminal())
