"""What is known of a trial, as plain values."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from automask.hpo.attributes import StudyAttributes, TrialAttributes
from automask.hpo.trials import explain_empty, fold_scores, origin, recipe_of, score, state
from automask.space import recipe_file
from automask.space.recipe import Recipe
from automask.storage.files import atomic_write
from automask.storage.study_store import StudyStore


@dataclass(frozen=True)
class TrialRecord:
    """A trial: `state` is complete, pruned, running, waiting or why it failed, of which `message` says
    more; `folds` are the scores of finished folds by fold, `cost` is in GFLOP.

    One in the queue has no recipe yet; `empty` says why.
    """

    number: int
    state: str
    metric: str
    score: float | None
    folds: dict[int, float]
    seconds: float | None
    cost: float | None
    ended: datetime | None
    message: str
    recipe: Recipe | None
    empty: str = ""


@dataclass(frozen=True)
class TrialDetails(TrialRecord):
    """A trial with how it came into its `study`, its recipe as `toml`, and of how many of the study's
    `fold_count` folds probabilities and weights are kept in `folder`."""

    study: str = ""
    toml: str = ""
    origin: str = ""
    fold_count: int = 0
    probabilities: int = 0
    weights: int = 0
    folder: Path = field(default=Path())


def record(trial: FrozenTrial, metric: str) -> TrialRecord:
    """What the storage has of a trial."""
    return TrialRecord(**_facts(trial, metric))


def details(study: optuna.Study, trial: FrozenTrial, store: StudyStore, folds: int) -> TrialDetails:
    """The same with what takes a look at the study and at its folder."""
    facts = _facts(trial, StudyAttributes.read(study).metric)
    stored: dict[str, Any] = {}
    if recipe := facts["recipe"]:
        files = store.trial(recipe.hash)
        stored = {
            "probabilities": sum(map(files.has, range(folds))),
            "weights": sum(files.weights(fold).exists() for fold in range(folds)),
            "folder": files.folder,
            "toml": recipe_file.recipe_toml(recipe),
        }
    came = origin(study, trial)
    return TrialDetails(**facts, study=study.study_name, origin=came, fold_count=folds, **stored)


def _facts(trial: FrozenTrial, metric: str) -> dict[str, Any]:
    noted, recipe = TrialAttributes.read(trial), recipe_of(trial)
    return {
        "number": trial.number,
        "state": state(trial),
        "metric": metric,
        "score": score(trial),
        "folds": dict(sorted(fold_scores(trial).items())),
        "seconds": noted.seconds,
        "cost": noted.cost,
        "ended": trial.datetime_complete,
        "message": noted.message or "",
        "recipe": recipe,
        "empty": "" if recipe else explain_empty(trial),
    }


def table(records: Sequence[TrialRecord], metric: str) -> tuple[list[str], list[dict[str, Any]]]:
    """Columns, and a row a trial: its state, scores and every value of its recipe."""
    rows = [
        {
            "trial": record.number,
            "state": record.state,
            metric: record.score,
            "seconds": record.seconds,
            **{f"fold {fold + 1}": value for fold, value in record.folds.items()},
            **(record.recipe.flat() if record.recipe else {}),
        }
        for record in records
    ]
    # Folds stay together, whichever trial is first to have them.
    folds = dict.fromkeys(key for row in rows for key in row if key.startswith("fold "))
    first = ("trial", "state", metric, "seconds", *sorted(folds, key=lambda c: int(c[5:])))
    return list(dict.fromkeys((*first, *(key for row in rows for key in row)))), rows


def write_table(file: Path, records: Sequence[TrialRecord], metric: str) -> None:
    """Write the same as a CSV."""
    columns, rows = table(records, metric)
    with atomic_write(file) as beside, open(beside, "w", newline="", encoding="utf-8") as opened:
        writer = csv.DictWriter(opened, columns)
        writer.writeheader()
        writer.writerows(rows)
