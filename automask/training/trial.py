"""Training a recipe: the only way from a recipe to probabilities."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from automask.errors import TrialError
from automask.hpo.progress import Report, Step
from automask.space.recipe import Recipe
from automask.storage.trial_store import FoldResult, TrialStore
from automask.training.features import Features
from automask.training.fold import fit_fold, train_fold
from automask.training.hardware import out_of_memory
from automask.training.heads import fit_heads
from automask.training.plan import Plan
from automask.training.task import Task


def fit(
    task: Task, recipe: Recipe, store: TrialStore, report: Report, ends: float = math.inf
) -> float:
    """Train every fold that `store` doesn't have yet; the metric over the whole out-of-fold table.

    A fold is shortened where all that remain wouldn't end by then (`ends`, Unix time) at the rate of
    those before it. `report` is told every epoch and may raise to stop. Raises `TrialError` where this
    recipe can't be trained.
    """
    count = task.fold_count
    epochs = recipe.training["epochs"]
    features = Features(task, recipe)
    at_once = Plan(recipe, features.facts.stages).trains_only_head
    rate = Rate(count, ends)
    with _memory_errors():
        if at_once and not all(store.has(fold) for fold in range(count)):
            for fold, result in enumerate(fit_heads(task, [recipe], features, report)[0]):
                store.save(fold, _finite(result))
        for fold in range(count):
            own = epochs
            if not store.has(fold):
                own = rate.fitting(fold, epochs)
                fitting = recipe.with_epochs(own)
                file = store.checkpoint(fold)
                store.save(fold, _finite(fit_fold(task, fitting, features, fold, report, file)))
                file.unlink(missing_ok=True)
                rate.add(own)
            _, rows = task.fold_rows(fold)
            score = task.score(rows, store.load(fold).validation)
            final = at_once or fold == count - 1
            report(Step(fold, own, own, math.nan, score, final=final))
    value = task.score(np.arange(len(task.folds)), store.out_of_fold(task.folds))
    if not math.isfinite(value):
        raise TrialError("not-a-number", f"the metric {task.metric} is {value}")
    return value


def look(task: Task, recipe: Recipe, report: Report) -> float:
    """Train the first fold and keep nothing; the metric over its rows.

    Raises `TrialError` where this recipe can't be trained.
    """
    with _memory_errors():
        trainer = train_fold(task, recipe, Features(task, recipe), 0, report)
        value = task.score(trainer.data.scored, trainer.predict(trainer.data.scored))
    if not math.isfinite(value):
        raise TrialError("not-a-number", f"the metric {task.metric} is {value}")
    return value


class Rate:
    """How many epochs a fold may have so that all `folds` end by a time (`ends`, Unix time)."""

    def __init__(self, folds: int, ends: float) -> None:
        self.folds, self.ends = folds, ends
        self.begin, self.epochs = time.time(), 0

    def fitting(self, fold: int, epochs: int) -> int:
        """Of so many epochs those that end in time; all of them before a fold has told."""
        now = time.time()
        if not self.epochs or self.ends == math.inf:
            return epochs
        seconds = (now - self.begin) / self.epochs
        return max(1, min(epochs, math.floor((self.ends - now) / (self.folds - fold) / seconds)))

    def add(self, epochs: int) -> None:
        """A fold has ended that had so many."""
        self.epochs += epochs


def fit_alone(task: Task, recipe: Recipe, fold: int) -> FoldResult:
    """Train one fold and nothing else; of a `fold` that no row is in, on all rows.

    Raises `TrialError` where this recipe can't be trained.
    """
    with _memory_errors():
        return _finite(fit_fold(task, recipe, Features(task, recipe), fold, lambda step: None))


@contextmanager
def _memory_errors() -> Iterator[None]:
    """Raise `TrialError` where memory is short."""
    try:
        yield
    except Exception as error:
        if not out_of_memory(error):
            raise
        raise TrialError("out of memory", str(error).splitlines()[0]) from error


def _finite(result: FoldResult) -> FoldResult:
    """The result, or a `TrialError` where it can't be scored or blended."""
    if np.isfinite(result.validation).all() and np.isfinite(result.test).all():
        return result
    raise TrialError(
        "not-a-number", "the trained network predicts probabilities that aren't finite"
    )
