"""The rows that everything before the first trial is measured on, and a probe of them."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from automask.errors import DiskError
from automask.probing import Probe, shuffle_units
from automask.space.recipe import Recipe
from automask.storage.disk import out_of_space
from automask.training import flops
from automask.training.features import Features
from automask.training.task import Task

#: Rows that the probe sees at most.
ROWS = 1000


@dataclass(frozen=True)
class Sample:
    """Some train rows `[n]` of a task, and a probe of their labels.

    `passes` are seconds a GFLOP of a pass through each network so far (see `cost.network`).
    """

    task: Task
    rows: np.ndarray
    probe: Probe
    passes: dict[str, float] = field(default_factory=dict)

    def features(self, recipe: Recipe) -> np.ndarray | str:
        """float32 `[n, D]` by the recipe's backbone, or why there are none.

        Raises `DiskError` where there is no room for them, nor for anything else then.
        """
        begin = time.perf_counter()
        try:
            found = Features(self.task, recipe).of(self.rows)
        except Exception as error:
            # Weights that can't be had, a network that can't take this size, memory, a plugin of the
            # user's: trials will tell.
            if isinstance(error, DiskError) or out_of_space(error) is not None:
                raise
            why = str(error).strip().partition("\n")[0] or type(error).__name__
            return f"no features of {recipe.describe()}: {why}"
        seconds = time.perf_counter() - begin
        if gflop := flops.forward(self.task, recipe):
            self.passes[flops.network(recipe)] = seconds / (gflop * len(self.rows))
        if not np.isfinite(found).all():
            return f"the features of {recipe.describe()} aren't finite"
        return found


def draw(task: Task) -> Sample | str:
    """At most `ROWS` train rows, group after group and as many of each fold; or why they tell nothing.

    The test rows take no part.
    """
    rng = np.random.default_rng(task.seed)
    labels = task.data.labels
    units = np.arange(len(labels)) if task.data.groups is None else task.data.groups
    share = -(-ROWS // (int(task.folds.max()) + 1))
    drawn = [
        shuffle_units(np.flatnonzero(task.folds == fold), units, rng)[:share]
        for fold in range(int(task.folds.max()) + 1)
    ]
    rows = np.sort(np.concatenate(drawn))
    present, known = np.unique(labels[rows], return_inverse=True)
    if len(present) < 2:
        return "the rows drawn for it are of one class"
    columns = _widened(task.score, present, len(task.data.counts))
    probe = Probe(columns, known, task.folds[rows], units[rows], task.seed)
    chance, perfect = probe.room
    if not (math.isfinite(chance) and math.isfinite(perfect) and perfect > chance):
        return f"{task.metric} is {chance:.3g} by chance and {perfect:.3g} at best"
    return Sample(task, rows, probe)


def _widened(metric: Any, present: np.ndarray, classes: int) -> Any:
    """The metric of the task's classes, for probabilities `[N, present]` of some of them."""

    def widened(target: np.ndarray, probability: np.ndarray) -> float:
        wide = np.zeros((len(probability), classes))
        wide[:, present] = probability
        return float(metric(present[target], wide))

    return widened
