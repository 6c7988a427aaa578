"""Training a recipe: the only way from a recipe to probabilities."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from automask.errors import TrialError
from automask.hpo.progress import Report, Step
from automask.space.recipe import Recipe
from automask.storage.trial_store import FoldResult, TrialStore
from automask.training.features import Features
from automask.training.fold import fit_fold
from automask.training.hardware import out_of_memory
from automask.training.heads import fit_heads
from automask.training.plan import Plan
from automask.training.task import Task


def fit(task: Task, recipe: Recipe, store: TrialStore, report: Report) -> float:
    """Train every fold that `store` doesn't have yet; the metric over the whole out-of-fold table.

    `report` is told every epoch and may raise to stop. Raises `TrialError` where this recipe can't
    be trained.
    """
    count = task.fold_count
    epochs = recipe.training["epochs"]
    features = Features(task, recipe)
    at_once = Plan(recipe, features.facts.stages).trains_only_head
    with _memory_errors():
        if at_once and not all(store.has(fold) for fold in range(count)):
            for fold, result in enumerate(fit_heads(task, [recipe], features, report)[0]):
                store.save(fold, _finite(result))
        for fold in range(count):
            if not store.has(fold):
                store.save(fold, _finite(fit_fold(task, recipe, features, fold, report)))
            _, rows = task.fold_rows(fold)
            score = task.score(rows, store.load(fold).validation)
            final = at_once or fold == count - 1
            report(Step(fold, epochs, epochs, math.nan, score, final=final))
    value = task.score(np.arange(len(task.folds)), store.out_of_fold(task.folds))
    if not math.isfinite(value):
        raise TrialError("not-a-number", f"the metric {task.metric} is {value}")
    return value


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
