"""Scores and predictions at other class shares than train's."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from automask.data.class_shares import Shares
from automask.scoring import Metric

#: At most so many rows are drawn for each that there is.
MOST = 4


@dataclass
class MetricAt:
    """A metric of rows drawn so that classes have these shares `[C]`, whatever rows it is given."""

    metric: Metric
    shares: np.ndarray
    _drawn: tuple[np.ndarray, np.ndarray] | None = field(default=None, init=False, repr=False)

    def __call__(self, target: np.ndarray, prediction: np.ndarray) -> float:
        # A search scores the same rows thousands of times, in several threads.
        drawn = self._drawn
        if drawn is None or drawn[0] is not target:
            self._drawn = drawn = target, draw_rows(target, self.shares)
        return self.metric(target[drawn[1]], prediction[drawn[1]])


def metric_at(metric: Metric, shares: Shares | None) -> Metric:
    """The metric itself where there are no other shares."""
    return metric if shares is None else MetricAt(metric, shares.values)


def row_weights(labels: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """`[N]` weights of mean 1 that give classes their shares; all 1 where no row's class has one.

    The share of a class without a row goes to the others.
    """
    weights = (shares / np.bincount(labels, minlength=len(shares)).clip(1))[labels]
    return weights / weights.mean() if weights.any() else np.ones(len(labels))


def draw_rows(labels: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Rows, some of them repeatedly, whose classes have these shares; no chance is in it.

    By systematic resampling (Kitagawa, 1996), class by class: each row about as often as its weight
    says. So many are drawn that none is left out, if `MOST` times the rows are enough.
    """
    order = np.argsort(labels, kind="stable")
    weights = row_weights(labels, shares)[order]
    rows = len(labels)
    count = min(MOST * rows, int(np.ceil(rows / weights[weights > 0].min() - 1e-6)))
    edges = np.cumsum(weights) / weights.sum()
    places = np.searchsorted(edges, (np.arange(count) + 0.5) / count)
    sample: np.ndarray = order[places.clip(max=rows - 1)]
    return sample


def reweight(probability: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Each class's probability times its factor `[C]`, so that a row sums to 1 again."""
    out = probability * factors
    shares: np.ndarray = out / np.maximum(out.sum(1, keepdims=True), 1e-300)
    return shares


def correct(prediction: np.ndarray, train: np.ndarray, shares: Shares) -> np.ndarray:
    """Probabilities `[n, C]` as if classes had these shares and not those of train `[C]`.

    By Bayes' rule, each class's probability times how much more common it is (Saerens et al., 2002).
    """
    own = np.clip(prediction.astype(np.float64), 1e-12, None)
    return reweight(own, shares.values / np.maximum(train, 1e-12))
