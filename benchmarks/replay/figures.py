"""What replays are judged by. Seconds are those of the processor that recorded the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from automask.scoring import Metric
from automask.space import registry
from benchmarks.replay.searching import Run, steps
from benchmarks.replay.table import Table

TRIALS, TOP, POINTS, RESAMPLES = 50, 5, 400, 200
AFTER = (10, 25, 50)


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds with its standard error; the mean is None where it was never reached."""

    mean: float | None
    error: float = 0.0

    def __str__(self) -> str:
        return "not reached" if self.mean is None else f"{self.mean:.3f} ± {self.error:.3f}"


def estimate(values: Sequence[float]) -> Estimate:
    found = np.asarray(values, float)
    error = found.std(ddof=1) / np.sqrt(len(found)) if len(found) > 1 else 0.0
    return Estimate(float(found.mean()), float(error))


def regret(table: Table, run: Run, after: int) -> float:
    """The table's best value less the best found in so many trials."""
    best = run.best(table)
    return float(table.value.max() - best[min(after, len(best)) - 1])


def recall(table: Table, run: Run) -> float:
    """The share of the run's `TOP` best recipes, whatever became of them, that it trained to the end."""
    order = np.argsort(-table.value[run.rows], kind="stable")[:TOP]
    return float(run.complete[order].mean())


def cost(table: Table, run: Run) -> float:
    """Seconds as a share of what the same recipes take to the end."""
    whole = sum(paid.seconds for row in run.rows for paid in steps(table, row))
    return float(run.spent[-1] / whole)


def ensemble(table: Table, run: Run) -> float:
    """The metric of the mean of the run's `TOP` best complete trials, chosen for each fold by the
    other folds' rows."""
    rows = run.rows[run.complete]
    score = registry.get("metric", table.metric).function
    return nested(score, table.labels, table.folds, table.probability[rows], table.without[rows])


def nested(
    metric: Metric,
    labels: np.ndarray,
    folds: np.ndarray,
    probability: np.ndarray,
    without: np.ndarray,
) -> float:
    """The metric of the mean of the `TOP` best of `probability` `[T, N, C]`, chosen for each fold by
    their scores `without` it, `[T, K]`."""
    mean = np.empty(probability.shape[1:], np.float32)
    for fold in range(without.shape[1]):
        chosen = np.argsort(-without[:, fold], kind="stable")[:TOP]
        held = folds == fold
        mean[held] = probability[chosen][:, held].astype(np.float32).mean(0)
    return float(metric(labels, mean))


def budget(runs: Sequence[Run]) -> float:
    """The seconds that all of the runs' trials take, on average."""
    return float(np.mean([run.spent[-1] for run in runs]))


def curves(table: Table, runs: Sequence[Run], grid: np.ndarray) -> np.ndarray:
    """`[runs, G]`: the best value found in so many seconds, as it stays once a run has ended."""
    found = []
    for run in runs:
        index = np.searchsorted(run.spent, grid, side="right") - 1
        found.append(np.where(index < 0, table.value.min(), run.best(table)[index]))
    return np.array(found)


def grid_of(random: Sequence[Run]) -> np.ndarray:
    """Seconds from nothing to what random search takes."""
    return np.linspace(0, budget(random), POINTS)


def speed(table: Table, runs: Sequence[Run], random: Sequence[Run]) -> Estimate:
    """The share of random search's seconds in which the mean curve reaches random search's last.

    The error is a bootstrap's over seeds; a draw that doesn't get there counts as 1.
    """
    grid = grid_of(random)
    own, other = curves(table, runs, grid), curves(table, random, grid)
    targets = np.array([run.best(table)[-1] for run in random])
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(RESAMPLES):
        rows = rng.integers(len(own), size=len(own))
        drawn.append(
            _reached(own[rows].mean(0), targets[rng.integers(len(other), size=len(other))].mean())
        )
    mean = _reached(own.mean(0), targets.mean())
    error = float(np.std([1.0 if one is None else one for one in drawn], ddof=1))
    return Estimate(mean, error)


def _reached(curve: np.ndarray, target: float) -> float | None:
    there = np.flatnonzero(curve >= target - 1e-12)
    return float(there[0] / (len(curve) - 1)) if len(there) else None


def area(table: Table, runs: Sequence[Run], random: Sequence[Run]) -> float:
    """The mean regret over random search's seconds, as a share of random search's own."""
    grid = grid_of(random)
    top = table.value.max()
    own, other = (top - curves(table, of, grid).mean() for of in (runs, random))
    return float(own / other)


def elsewhere(scores: dict[str, dict[str, float]], task: str) -> str:
    """The name with the least mean score on all tasks but this one; `scores` are by name and task."""

    def mean(name: str) -> float:
        return float(np.mean([value for of, value in scores[name].items() if of != task]))

    return min(scores, key=mean)
