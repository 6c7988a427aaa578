"""From predictions to answers: the shift of decisions at which a metric of answers is highest.

What shifts there are, and how they are applied, `automask.prediction.decisions` has.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from automask.ensembles import priors
from automask.prediction.decisions import apply as apply
from automask.prediction.decisions import expected_grade
from automask.scoring import Metric
from automask.target import MULTI, ORDERED, SINGLE, Target

#: Thresholds that compete for each label, beside the one that gives the label as often as it occurs.
THRESHOLDS = np.linspace(0.04, 0.96, 24)
#: What a cut point is moved by, the small moves first.
MOVES = (0.03, -0.03, 0.07, -0.07, 0.15, -0.15, 0.3, -0.3)
#: Rounds over all labels or cut points.
ROUNDS = 3


def fit(
    target: Target, labels: np.ndarray, prediction: np.ndarray, metric: Metric
) -> np.ndarray | None:
    """The shift at which the metric of the answers is highest; None for a target that has none."""
    if target.name not in _FITS:
        return None
    return _FITS[target.name](labels, prediction, metric)


def sees_answers_only(
    target: Target, metric: Metric, labels: np.ndarray, prediction: np.ndarray
) -> bool:
    """Does the metric see nothing but what is decided? Tried out on these rows.

    Also on the same answers said with half the certainty: predictions that are all but certain are what
    they are decided as.
    """
    hard = target.harden(prediction)
    softer = target.soften(hard)
    values = [metric(labels, table) for table in (hard, prediction, softer)]
    return bool(np.allclose(values, values[0], atol=1e-12))


def fit_thresholds(labels: np.ndarray, prediction: np.ndarray, metric: Metric) -> np.ndarray:
    """The biases `[C]` on log-odds at which a metric of label sets is highest.

    By coordinate search over thresholds, label after label; a half stays where nothing is better.
    """
    thresholds = np.full(prediction.shape[1], 0.5)
    best = metric(labels, (prediction > thresholds).astype(float))
    for _ in range(ROUNDS):
        before = best
        for label in range(len(thresholds)):
            own = prediction[:, label]
            as_often = float(np.quantile(own, 1 - labels[:, label].mean()))
            hard = (prediction > thresholds).astype(float)
            candidates = sorted(
                {*THRESHOLDS.tolist(), as_often}, key=lambda value: abs(value - 0.5)
            )
            for threshold in candidates:
                hard[:, label] = own > threshold
                value = metric(labels, hard)
                if value > best + 1e-12:
                    best, thresholds[label] = value, threshold
        if best == before:
            break
    odds = np.clip(thresholds, 1e-12, 1 - 1e-12)
    biases: np.ndarray = np.log1p(-odds) - np.log(odds)
    return biases


def fit_cuts(labels: np.ndarray, prediction: np.ndarray, metric: Metric) -> np.ndarray:
    """The ascending cut points `[C - 1]` on the expected grade at which the metric is highest.

    By coordinate search from halves, the smallest move among equals.
    """
    expected, eye = expected_grade(prediction), np.eye(prediction.shape[1])
    cuts = np.arange(prediction.shape[1] - 1) + 0.5

    def value_of(at: np.ndarray) -> float:
        return metric(labels, eye[np.searchsorted(at, expected, side="right")])

    best = value_of(cuts)
    for _ in range(ROUNDS):
        before = best
        for index in range(len(cuts)):
            start, chosen = cuts[index], cuts[index]
            for move in MOVES:
                moved = cuts.copy()
                moved[index] = start + move
                if (np.diff(moved) > 0).all() and (value := value_of(moved)) > best + 1e-12:
                    best, chosen = value, moved[index]
            cuts[index] = chosen
        if best == before:
            break
    return cuts


#: How a target's shift is fitted; one that isn't here has none.
_FITS: dict[str, Callable[[np.ndarray, np.ndarray, Metric], np.ndarray]] = {
    SINGLE.name: priors.fit_biases,
    MULTI.name: fit_thresholds,
    ORDERED.name: fit_cuts,
}
