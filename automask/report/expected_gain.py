"""What one submission may gain over another, by a study's probabilities: an estimate, no score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

DRAWS = 500


@dataclass(frozen=True)
class Effect:
    """By how much B is expected to beat A, with the range of 95 % of the drawn truths."""

    metric: str
    value: float
    low: float
    high: float


def denoise(probability: np.ndarray, pairs: list[list[Any]]) -> np.ndarray:
    """The chances of the true classes `[N, C]` behind those of labels that are given with `noise`."""
    classes = probability.shape[1]
    given = np.zeros((classes, classes))
    for true, label, chance in pairs:
        given[label, true] = chance
    given[np.diag_indices(classes)] = 1 - given.sum(0)
    true = (probability @ np.linalg.pinv(given).T).clip(0)
    return true / true.sum(1, keepdims=True).clip(1e-12)


def effects(a: np.ndarray, b: np.ndarray, probability: np.ndarray) -> list[Effect]:
    """The expected gain in accuracy and macro-F1 of classes `b` `[N]` over `a` `[N]`.

    The true classes are drawn again and again, each row's by its chances `[N, K]` and apart from the
    others', and both are scored on each draw.
    """
    rng, (rows, classes) = np.random.default_rng(0), probability.shape
    cumulative = probability.astype(np.float64).cumsum(1)
    cumulative /= cumulative[:, -1:]
    # All rows in one ascending line, a unit apart, so that one search draws for all.
    line, start = (cumulative + np.arange(rows)[:, None]).ravel(), np.arange(rows)
    gains = np.empty((DRAWS, 2))
    for draw in gains:
        found = np.searchsorted(line, start + rng.random(rows), side="right") - start * classes
        truth = found.clip(0, classes - 1)
        draw[:] = _scores(truth, b, classes) - _scores(truth, a, classes)
    low, high = np.quantile(gains, [0.025, 0.975], axis=0)
    names = ("accuracy", "macro_f1")
    return [Effect(*row) for row in zip(names, gains.mean(0), low, high, strict=True)]


def _scores(truth: np.ndarray, said: np.ndarray, classes: int) -> np.ndarray:
    """Accuracy and macro-F1, over the classes that occur in truth."""
    right, true, all_said = (
        np.bincount(labels, minlength=classes) for labels in (truth[truth == said], truth, said)
    )
    f1 = 2 * right[true > 0] / (true + all_said)[true > 0]
    return np.array([right.sum() / len(truth), f1.mean()])
