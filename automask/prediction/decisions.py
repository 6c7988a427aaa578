"""Predictions shifted to what a metric of answers rewards, and made less or more sure.

A shift is an array of its target's own: a bias a class on log-probabilities, a bias a label on log-odds
(so much as a threshold a label), or the cut points between grades on the expected grade. Shifted
predictions `[N, C]` are decided as any others are (`automask.target`).
"""

from __future__ import annotations

import numpy as np

from automask.label_shift import reweight
from automask.target import MULTI, ORDERED, SINGLE, Target

#: How much of a graded prediction is the grade itself: more than half, so that it is the likeliest.
SURE = 0.51


def apply(target: Target, prediction: np.ndarray, shift: np.ndarray | None) -> np.ndarray:
    """Predictions `[N, C]` by whose decision the shift is heeded; the same ones without a shift."""
    return prediction if shift is None else SHIFTS[target.name](prediction, shift)


def add_biases(probability: np.ndarray, biases: np.ndarray | None) -> np.ndarray:
    """With `biases` `[C]` added to the log-probabilities; unchanged without any."""
    return probability if biases is None else reweight(probability, np.exp(biases))


def add_to_log_odds(prediction: np.ndarray, biases: np.ndarray) -> np.ndarray:
    """Each label's probability with its bias `[C]` added to the log-odds."""
    odds = prediction * np.exp(biases)
    shares: np.ndarray = odds / np.maximum(odds + 1 - prediction, 1e-300)
    return shares


def grade(prediction: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """Predictions `[N, C]` of the grade between whose `cuts` `[C - 1]` the expected grade lies."""
    grades = np.searchsorted(cuts, expected_grade(prediction), side="right")
    return SURE * np.eye(prediction.shape[1])[grades] + (1 - SURE) * prediction


def expected_grade(prediction: np.ndarray) -> np.ndarray:
    """`[N]` the mean of the grades 0 to C - 1 under each row's probabilities."""
    return prediction @ np.arange(prediction.shape[1])


#: How a target's predictions are shifted; one that isn't here has no shift.
SHIFTS = {SINGLE.name: add_biases, MULTI.name: add_to_log_odds, ORDERED.name: grade}


def apply_temperature(probability: np.ndarray, temperature: float) -> np.ndarray:
    """Log-probabilities divided by a temperature: above 1 less sure, below 1 surer; the same classes."""
    logs = np.log(np.clip(probability, 1e-15, None)) / temperature
    out = np.exp(logs - logs.max(1, keepdims=True))
    shares: np.ndarray = out / out.sum(1, keepdims=True)
    return shares
