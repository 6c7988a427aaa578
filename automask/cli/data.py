"""Commands that look at the data before anything trains: advise, audit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from automask.cli.options import (
    Device,
    Disk,
    Folds,
    Metric,
    Seed,
    Space,
    Storage,
    Study,
    Weights,
    terminal,
)
from automask.units import bytes_of

app = typer.Typer()


@app.command()
def advise(
    space: Space = None,
    folds: Folds = None,
    metric: Metric = None,
    seed: Seed = None,
    device: Device = "auto",
    weights: Weights = None,
    disk: Disk = None,
) -> None:
    """Measure what to train first: the head, some, or all.

    Nothing trains and no study is made; a search measures the same and begins with it.
    """
    from automask.study import opening
    from automask.study.session import Options

    size = bytes_of(disk) if disk is not None else None
    session = opening.survey(
        Options(
            space=space,
            folds=folds,
            metric=metric,
            seed=seed,
            weights=weights,
            device=device,
            disk=size,
        )
    )
    from automask.cli.display import Display, decode
    from automask.study import summary
    from automask.study.run import measure_advice as measured

    console = terminal()
    for note in session.notes:
        console.print(f"note: {note}", markup=False, soft_wrap=True)
    decode(session, Display(console, summary.empty_overview(session)))
    for line in measured(session).lines:
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
) -> None:
    """Look for copies, leaks of labels and undeclared groups.

    Nothing trains and no study is made; of a study that was begun the findings are kept.
    """
    from automask.study import opening
    from automask.study.session import Options

    size = bytes_of(disk) if disk is not None else None
    options = Options(study, storage, space, folds, metric, seed, weights, device, disk=size)
    session = opening.open_or_survey(options)
    from automask.cli import findings
    from automask.cli.display import Display, decode
    from automask.diagnostics import audit as audit_module
    from automask.study import summary

    console = terminal()
    for note in session.notes:
        console.print(f"note: {note}", markup=False, soft_wrap=True)
    decode(session, Display(console, summary.empty_overview(session)))
    found = audit_module.audit(session)
    if session.study is not None:
        audit_module.keep(session, found)
    findings.show_findings(console, found)
    if csv is not None:
        console.print(f"wrote {findings.write_pairs(csv, found):,} pairs to {csv}", markup=False)
