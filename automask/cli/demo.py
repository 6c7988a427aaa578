"""The whole story on a competition that is drawn on the spot, as a user sees it."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from automask.api import demo
from automask.api.ensembles import ensemble
from automask.api.projects import Project
from automask.cli import blend
from automask.cli.display import Display
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
        blended = ensemble(project, study.name)
    blend.show_ensemble(blended, console)
    blended.write()
    console.rule("the hidden answers", align="left")
    true, told = demo.true_score(study), blended.nested
    console.print(f"out of fold: macro_f1 {told}")
    console.print(f"true test score:      {true}")
    inside = told.low <= true.value <= told.high
    console.print(
        f"The true score lies {'in' if inside else 'outside'} the printed interval. Out of fold, "
        f"a row is predicted by networks that saw {folds - 1} of {folds} folds; a test row by the "
        "mean of all folds' networks, so that the true score tends to be the higher one.",
        soft_wrap=True,
    )
    console.print(f"{project.submission} is ready", markup=False)
