"""Scores with their uncertainty."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from automask.data.dataset import Dataset

Metric = Callable[[np.ndarray, np.ndarray], float]
#: Resamples for an interval, and for the standard error of a difference.
RESAMPLES, COMPARED = 500, 200


@dataclass(frozen=True)
class Score:
    """A metric with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"


@dataclass(frozen=True)
class ClassScore:
    """How well a class is found: its rows, precision, recall and F1; not-a-number where undefined.

    Precision is undefined where the class is never said, recall where it has no rows, F1 where both
    are so.
    """

    name: str
    rows: int
    precision: float
    recall: float
    f1: float


def score(
    metric: Metric, target: np.ndarray, probability: np.ndarray, groups: np.ndarray | None
) -> Score:
    """The metric of `probability` `[N, C]` over all rows, with an interval from resampled groups.

    Rows of one group stand or fall together, so that groups are drawn, not rows; without groups
    each row is its own.
    """
    values = resample_scores(metric, target, [probability], groups, RESAMPLES)[0]
    low, high = np.quantile(values, [0.025, 0.975])
    return Score(metric(target, probability), float(low), float(high))


def resample_groups(groups: np.ndarray, count: int, seed: int) -> Iterator[np.ndarray]:
    """The rows of `count` bootstrap resamples, by whole groups `[N]` (Efron and Tibshirani, 1993)."""
    rng = np.random.default_rng(seed)
    order = np.argsort(groups, kind="stable")
    rows = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    for _ in range(count):
        drawn = rng.integers(len(rows), size=len(rows))
        # Groups of a row each need no putting together, which takes longer than the metric.
        single = len(rows) == len(order)
        yield order[drawn] if single else np.concatenate([rows[group] for group in drawn])


def resample_scores(
    metric: Metric,
    target: np.ndarray,
    tables: Sequence[np.ndarray],
    groups: np.ndarray | None,
    count: int,
) -> np.ndarray:
    """`[K, count]`: the metric of each table `[N, C]` on resamples of the groups, the same for all."""
    units = np.arange(len(target)) if groups is None else groups
    values = np.empty((len(tables), count))
    for index, rows in enumerate(resample_groups(units, count, seed=0)):
        for table, probability in enumerate(tables):
            values[table, index] = metric(target[rows], probability[rows])
    return values


def simplest_best(
    metric: Metric, target: np.ndarray, tables: Sequence[np.ndarray], groups: np.ndarray | None
) -> int:
    """Which of the tables `[N, C]` to take, where they come from the simplest to the least simple.

    It is the first one whose score lies within a standard error of the best (Breiman et al., 1984): the
    error of their difference, by a bootstrap over groups in which both see the same rows.
    """
    scores = np.array([metric(target, table) for table in tables])
    best = int(scores.argmax())
    if best == 0:
        return 0
    values = resample_scores(metric, target, tables[: best + 1], groups, COMPARED)
    errors = (values[best] - values).std(1)
    return int(np.argmax(scores[best] - scores[: best + 1] <= errors))


def by_attribute(metric: Metric, data: Dataset, probability: np.ndarray) -> dict[str, Score]:
    """The score of each attribute by itself, from the joint probabilities summed over the others."""
    attributes, rows = data.attributes, data.scored_rows
    groups = None if data.groups is None else data.groups[rows]
    return {
        name: score(
            metric,
            attributes.classes[data.labels[rows], index],
            attributes.marginal(probability[rows], index),
            groups,
        )
        for index, name in enumerate(attributes.names)
    }


def by_class(target: np.ndarray, predicted: np.ndarray, names: Sequence[str]) -> list[ClassScore]:
    """The score of each class, from the true and the predicted class of each row `[N]`."""
    from sklearn.metrics import precision_recall_fscore_support

    precision, recall, f1, rows = precision_recall_fscore_support(
        target, predicted, labels=range(len(names)), zero_division=np.nan
    )
    columns = (rows.tolist(), precision.tolist(), recall.tolist(), f1.tolist())
    return [ClassScore(*row) for row in zip(names, *columns, strict=True)]


def difference(
    metric: Metric,
    target: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    groups: np.ndarray | None,
) -> tuple[float, float]:
    """By how much the metric of `after` `[N, C]` is above that of `before`, and the standard error.

    That is by a bootstrap over groups in which both see the same rows.
    """
    values = resample_scores(metric, target, [before, after], groups, RESAMPLES)
    gain = metric(target, after) - metric(target, before)
    return gain, float((values[1] - values[0]).std(ddof=1))
