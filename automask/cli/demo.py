"""The whole story on a competition that is drawn on the spot, as a user sees it."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from automask.api import demo
from automask.api.ensembles import ensemble
from automask.api.projects import Project
from automask.cli.display import Display
from automask.cli.ensemble import show_ensemble, write_ensemble
from automask.cli.notes import printed


def run(folder: Path, seed: int, console: Console) -> None:
    """Draw a competition in `folder`, run init, search and ensemble there, and compare the scores."""
    project = Project(folder)
    with printed(console):
        demo.draw(project, seed)
    console.rule("automask init data", align="left")
    for line in demo.init(project).lines:
        console.print(f"  {line}", markup=False, soft_wrap=True)
    trials, folds = demo.TRIALS, demo.FOLDS
    console.rule(f"automask search --space demo --trials {trials} --folds {folds}", align="left")
    console.print(
        "The demo's space trains small networks from nothing, so that no pretrained weights are "
        "needed. With them, on your own data, scores are higher.",
        soft_wrap=True,
    )
    with Display(console) as display:
        study = demo.search(project, seed, display)
    console.rule("automask ensemble", align="left")
    with printed(console):
        result = ensemble(project, study.name)
    show_ensemble(result, console)
    write_ensemble(result, None, console)
    console.rule("the hidden answers", align="left")
    true, estimate = demo.true_score(study), result.nested
    console.print(f"out of fold: macro_f1 {estimate}")
    console.print(f"true test score:      {true}")
    inside = estimate.low <= true.value <= estimate.high
    console.print(
        f"The true score lies {'in' if inside else 'outside'} the printed interval. Out of fold, "
        f"a row is predicted by networks that saw {folds - 1} of {folds} folds; a test row by the "
        "mean of all folds' networks, so that the true score tends to be the higher one.",
        soft_wrap=True,
    )
    console.print(f"{project.submission} is ready", markup=False)
