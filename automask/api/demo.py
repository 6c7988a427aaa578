"""A competition that is drawn on the spot, searched, and held to its hidden answers."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from automask import scoring
from automask.api import searches
from automask.api.data import Description, describe
from automask.api.projects import Folder, Project, open_project
from automask.api.studies import Study
from automask.api.surroundings import working
from automask.data import dataset
from automask.data.synthetic import competition
from automask.errors import UserError
from automask.listener import Listener, note
from automask.space import registry
from automask.study.session import open_session

if TYPE_CHECKING:
    from automask.api.ensembles import EnsembleResult
    from automask.scoring import Score

DRAWING = ".drawing-"
TRAIN_PEOPLE, TEST_PEOPLE, FOLDS, TRIALS, SECONDS = 150, 100, 3, 8, 90


@dataclass(frozen=True)
class Demo:
    """A study of a drawn competition, its ensemble, and what that scores by the hidden answers."""

    study: Study
    ensemble: EnsembleResult
    true_score: Score


def demo(folder: Folder = "demo", *, seed: int = 0, listener: Listener | None = None) -> Demo:
    """Draw a competition in `folder`, search it, blend, and hold the score to the truth.

    Raises `UserError` where `folder` is there already and isn't a demo's.
    """
    from automask.api import ensembles

    project = open_project(folder)
    draw(project, seed)
    init(project)
    study = search(project, seed, listener)
    blended = ensembles.ensemble(project, study.name, output=project.submission)
    return Demo(study, blended, true_score(study))


def draw(project: Project, seed: int) -> None:
    """Draw the images and tables, unless they are there."""
    folder, data_folder = project.folder, project.folder / "data"
    others = [f for f in folder.glob("*") if not f.name.startswith(DRAWING)]
    if others and not data_folder.is_dir():
        raise UserError(f"{folder} is already here and isn't a demo's; name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    if data_folder.exists():
        return
    note(
        f"drawing {TRAIN_PEOPLE} people to train on and {TEST_PEOPLE} to be tested on, "
        f"{len(competition.PHOTOS)} photos each"
    )
    beside = Path(tempfile.mkdtemp(prefix=DRAWING, dir=folder))
    competition.draw_competition(
        beside, train_people=TRAIN_PEOPLE, test_people=TEST_PEOPLE, seed=seed
    )
    beside.rename(data_folder)


def init(project: Project) -> Description:
    """Write the `automask.toml` of what was drawn."""
    return describe("data", project)


def search(project: Project, seed: int, listener: Listener | None = None) -> Study:
    """A short search; one complete trial it has on a slow machine, too, however long that takes."""
    asked: dict[str, Any] = {
        "space": "demo",
        "folder": project,
        "study": f"seed-{seed}",
        "folds": FOLDS,
        "seed": seed,
        "listener": listener,
    }
    study = searches.search(trials=TRIALS, timeout=SECONDS, **asked)
    if not study.records("complete"):
        study = searches.search(trials=1, workers=1, **asked)
    return study


def true_score(study: Study) -> Score:
    """The submission's macro-F1 by the answer file, over the people of the test set."""
    project = study.options.project
    with working(project):
        session = open_session(study.options)
        assert session.data.codes is not None
        metric = registry.get("metric", session.config.search.metric).function
    submitted = pd.read_csv(project.submission)
    answers = pd.read_csv(project.folder / "data" / "answers.csv").set_index("ImageID")["ans"]
    target = answers.loc[submitted["ImageID"]].to_numpy()
    probability = dataset.one_hot(submitted["ans"].to_numpy(), len(session.data.codes))
    return scoring.score(metric, target, probability, None)
