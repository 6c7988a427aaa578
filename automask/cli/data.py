"""Commands that look at the data before anything trains: look, advise, audit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from automask.cli.json_output import Json, print_json
from automask.cli.options import (
    Device,
    Disk,
    Folds,
    Metric,
    Quiet,
    Seed,
    Space,
    Storage,
    Study,
    Weights,
    terminal,
)

app = typer.Typer()


@app.command()
def look(
    data: Annotated[
        Path | None,
        typer.Argument(help="A folder or table, by default automask.toml's.", show_default=False),
    ] = None,
    space: Space = None,
    metric: Metric = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")] = Path(
        "look.html"
    ),
) -> None:
    """Write one page on the data, before anything trains.

    Pictures a class, sizes, groups, near-duplicates, odd images, what the space does to ten of them, and
    what init understands. Nothing is trained.
    """
    from automask.api import looks
    from automask.api.projects import Project
    from automask.cli.notes import printed
    from automask.units import format_bytes

    console = terminal()
    with printed(console):
        file = looks.look(data, Project(), output, space=space, metric=metric)
    console.print(
        f"wrote {file}: {format_bytes(file.stat().st_size)}", markup=False, soft_wrap=True
    )


@app.command()
def advise(
    space: Space = None,
    folds: Folds = None,
    metric: Metric = None,
    seed: Seed = None,
    device: Device = "auto",
    weights: Weights = None,
    disk: Disk = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure what to train first: the head, some, or all.

    Nothing trains and no study is made; a search measures the same and begins with it.
    """
    from automask.api import data
    from automask.api.projects import Project
    from automask.cli.display import Display

    console = terminal()
    with Display(terminal(json, quiet)) as display:
        advice = data.advise(
            Project(),
            space=space,
            folds=folds,
            metric=metric,
            seed=seed,
            device=device,
            weights=weights,
            disk=disk,
            listener=display,
        )
    if json:
        print_json({"lines": advice.lines, "recipes": advice.recipes})
        return
    for line in advice.lines:
        console.print(line, markup=False, soft_wrap=True)


@app.command()
def audit(
    csv: Annotated[
        Path | None, typer.Option(help="Write all pairs of copies to this file.")
    ] = None,
    study: Study = "main",
    storage: Storage = None,
    space: Space = None,
    folds: Folds = None,
    metric: Metric = None,
    seed: Seed = None,
    device: Device = "auto",
    weights: Weights = None,
    disk: Disk = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Look for copies, leaks of labels and undeclared groups.

    Nothing trains and no study is made; of a study that was begun the findings are kept.
    """
    from automask.api import data
    from automask.api.projects import Project
    from automask.cli.display import Display
    from automask.cli.findings import show_findings

    console = terminal(json)
    with Display(terminal(json, quiet)) as display:
        findings = data.audit(
            Project(),
            study,
            storage=storage,
            space=space,
            folds=folds,
            metric=metric,
            seed=seed,
            device=device,
            weights=weights,
            disk=disk,
            listener=display,
        )
    if json:
        print_json(findings)
    else:
        show_findings(console, findings)
    if csv is not None:
        console.print(f"wrote {data.write_pairs(csv, findings):,} pairs to {csv}", markup=False)
