"""From predictions to answers: what shifts a decision so that a metric of answers is highest.

A shift is an array of its target's own: a bias a class on log-probabilities, a bias a label on log-odds
(so much as a threshold a label), or the cut points between grades on the expected grade. Shifted
predictions `[N, C]` are decided as any others are (`automask.target`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from automask.ensembles import priors
from automask.scoring import Metric
from automask.target import MULTI, ORDERED, SINGLE, Target

#: Thresholds that compete for each label, beside the one that gives the label as often as it occurs.
THRESHOLDS = np.linspace(0.04, 0.96, 24)
#: What a cut point is moved by, the small moves first.
MOVES = (0.03, -0.03, 0.07, -0.07, 0.15, -0.15, 0.3, -0.3)
#: Rounds over all labels or cut points.
ROUNDS = 3
#: How much of a graded prediction is the grade itself: more than half, so that it is the likeliest.
SURE = 0.51


def fit(
    target: Target, labels: np.ndarray, prediction: np.ndarray, metric: Metric
) -> np.ndarray | None:
    """The shift at which the metric of the answers is highest; None for a target that has none."""
    if target.name not in _SHIFTS:
        return None
    return _SHIFTS[target.name].fit(labels, prediction, metric)


def apply(target: Target, prediction: np.ndarray, shift: np.ndarray | None) -> np.ndarray:
    """Predictions `[N, C]` by whose decision the shift is heeded; the same ones without a shift."""
    return prediction if shift is None else _SHIFTS[target.name].apply(prediction, shift)


def sees_answers_only(
    target: Target, metric: Metric, labels: np.ndarray, prediction: np.ndarray
) -> bool:
    """Does the metric see nothing but what is decided? Tried out on these rows."""
    hard = metric(labels, target.harden(prediction))
    return bool(np.isclose(hard, metric(labels, prediction), atol=1e-12))


def add_to_log_odds(prediction: np.ndarray, biases: np.ndarray) -> np.ndarray:
    """Each label's probability with its bias `[C]` added to the log-odds."""
    odds = prediction * np.exp(biases)
    return odds / np.maximum(odds + 1 - prediction, 1e-300)


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
    return np.log1p(-odds) - np.log(odds)


def grade(prediction: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """Predictions `[N, C]` of the grade between whose `cuts` `[C - 1]` the expected grade lies."""
    grades = np.searchsorted(cuts, expected_grade(prediction), side="right")
    return SURE * np.eye(prediction.shape[1])[grades] + (1 - SURE) * prediction


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


def expected_grade(prediction: np.ndarray) -> np.ndarray:
    """`[N]` the mean of the grades 0 to C - 1 under each row's probabilities."""
    return prediction @ np.arange(prediction.shape[1])


@dataclass(frozen=True)
class _Shift:
    fit: Callable[[np.ndarray, np.ndarray, Metric], np.ndarray]
    apply: Callable[[np.ndarray, np.ndarray], np.ndarray]


_SHIFTS = {
    SINGLE.name: _Shift(priors.fit_biases, priors.add_biases),
    MULTI.name: _Shift(fit_thresholds, add_to_log_odds),
    ORDERED.name: _Shift(fit_cuts, grade),
}
