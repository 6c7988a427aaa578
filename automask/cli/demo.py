"""The whole story on a competition that is drawn on the spot."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import pandas as pd
from rich.console import Console

from automask import scoring
from automask.api import ensembles
from automask.cli import ensemble
from automask.cli.display import Display
from automask.data import config, dataset, description
from automask.data.synthetic import competition
from automask.errors import UserError
from automask.hpo.searcher import Limits
from automask.hpo.trials import complete_trials
from automask.space import registry
from automask.storage.project import Project
from automask.study import opening, summary, workers
from automask.study.session import Options, Session

DRAWING = ".drawing-"
TRAIN_PEOPLE, TEST_PEOPLE, FOLDS, TRIALS, SECONDS = 150, 100, 3, 8, 90


def run(folder: Path, seed: int, console: Console) -> None:
    """Draw a competition in `folder`, run init, search and ensemble there, and compare the scores.

    Raises `UserError` where `folder` is there already and isn't a demo's.
    """
    others = [f for f in folder.glob("*") if not f.name.startswith(DRAWING)]
    if others and not (folder / "data").is_dir():
        raise UserError(f"{folder} is already here and isn't a demo's; name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    project, data_folder = Project(folder), folder / "data"
    if not data_folder.exists():
        console.print(
            f"drawing {TRAIN_PEOPLE} people to train on and {TEST_PEOPLE} to be tested on, "
            f"{len(competition.PHOTOS)} photos each"
        )
        beside = Path(tempfile.mkdtemp(prefix=DRAWING, dir=folder))
        competition.draw_competition(
            beside, train_people=TRAIN_PEOPLE, test_people=TEST_PEOPLE, seed=seed
        )
        beside.rename(data_folder)
    _init(project, console)
    session = _search(project, seed, console)
    console.rule("automask ensemble", align="left")
    result = ensembles.session_ensemble(session)
    ensemble.show_ensemble(result, console)
    ensemble.write_ensemble(result, None, console)
    console.rule("the hidden answers", align="left")
    true = _true_score(session)
    told = result.nested
    console.print(f"out of fold: macro_f1 {told}")
    console.print(f"true test score:      {true}")
    inside = told.low <= true.value <= told.high
    console.print(
        f"The true score lies {'in' if inside else 'outside'} the printed interval. Out of fold, "
        f"a row is predicted by networks that saw {FOLDS - 1} of {FOLDS} folds; a test row by the "
        "mean of all folds' networks, so that the true score tends to be the higher one.",
        soft_wrap=True,
    )
    console.print(f"{project.submission} is ready", markup=False)


def _init(project: Project, console: Console) -> None:
    console.rule("automask init data", align="left")
    registry.load(project)
    reader, tables = description.find_reader(project.folder / "data")
    project.config.write_text(config.render("data", reader, tables), encoding="utf-8")
    for line in description.describe_tables(tables):
        console.print(f"  {line}", markup=False, soft_wrap=True)


def _search(project: Project, seed: int, console: Console) -> Session:
    console.rule(f"automask search --space demo --trials {TRIALS} --folds {FOLDS}", align="left")
    console.print(
        "The demo's space trains small networks from nothing, so that no pretrained weights are "
        "needed. With them, on your own data, scores are higher.",
        soft_wrap=True,
    )
    options = Options(study=f"seed-{seed}", space="demo", folds=FOLDS, seed=seed, project=project)
    session = opening.begin(options)
    limits = Limits(TRIALS, time.time() + SECONDS)
    count, before = workers.automatic_workers("auto"), summary.overview(session)
    with Display(console, before, TRIALS, limits.deadline, count, FOLDS) as display:
        ending = workers.run(session, limits, count, display.tell)
        if not complete_trials(session.study):
            # On a slow machine: one complete trial, however long it takes.
            workers.run(session, Limits(1), 1, display.tell)
    console.print(ending)
    return session


def _true_score(session: Session) -> scoring.Score:
    """The submission's macro-F1 by the answer file, over the people of the test set."""
    assert session.data.test is not None and session.data.codes is not None
    project = session.options.project
    submitted = pd.read_csv(project.submission)
    answers = pd.read_csv(project.folder / "data" / "answers.csv").set_index("ImageID")["ans"]
    target = answers.loc[submitted["ImageID"]].to_numpy()
    said = submitted["ans"].to_numpy()
    probability = dataset.one_hot(said, len(session.data.codes))
    return scoring.score(session.metric, target, probability, None)
