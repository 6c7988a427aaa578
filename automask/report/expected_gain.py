"""What one submission may gain over another, by a study's probabilities: an estimate, no score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from automask.report import comparison
from automask.report.comparison import Comparison
from automask.storage.study_store import EnsembleFile

DRAWS = 500


@dataclass(frozen=True)
class Effect:
    """By how much B is expected to beat A, with the range of 95 % of the drawn truths."""

    metric: str
    value: float
    low: float
    high: float

    @property
    def interval(self) -> str:
        return f"{self.low:+.4f} to {self.high:+.4f}"


@dataclass(frozen=True)
class ExpectedGain:
    """The effects of going from A to B, each with what the truth is taken for.

    There are none where the ensemble, an older automask's, left no noise. In a share `agreement` of
    the rows that differ the `source` itself gives A's class, and B's.
    """

    source: str
    effects: tuple[tuple[str, Effect], ...]
    agreement: tuple[float, float]

    @property
    def sentences(self) -> list[str]:
        if not self.effects:
            return []
        gains = [
            f"Expected gain of B in {effect.metric}, {truth}: {effect.value:+.4f} ({effect.interval})"
            for truth, effect in self.effects
        ]
        return [*gains, self.caveat[0].upper() + self.caveat[1:] + "."]

    @property
    def caveat(self) -> str:
        a, b = self.agreement
        return (
            f"where they differ, {self.source} itself says what A says in {a:.0%} and what B says in "
            f"{b:.0%} of the rows: an estimate by the one that made a file is in its favour"
        )


def estimate(compared: Comparison, ensemble: EnsembleFile, source: str) -> ExpectedGain | None:
    """What B gains over A by the test probabilities of an ensemble; None where nothing differs."""
    if not compared.differs.any():
        return None
    plain = comparison.probability(compared, ensemble)
    a, b = compared.classes.rows
    predicted = plain.argmax(1)
    share_a, share_b = (float((predicted == rows)[compared.differs].mean()) for rows in (a, b))
    noise: Mapping[str, Any] | None = ensemble.facts().get("noise")
    if noise is None:
        return ExpectedGain(source, (), (share_a, share_b))
    tables = {"labels as in train": plain}
    if pairs := noise["pairs"]:
        tables[f"{noise['wrong']:.1%} wrong labels put right"] = comparison.probability(
            compared, ensemble, lambda table: denoise(table, pairs)
        )
    rows = [(truth, effect) for truth, table in tables.items() for effect in effects(a, b, table)]
    return ExpectedGain(source, tuple(rows), (share_a, share_b))


def denoise(probability: np.ndarray, pairs: list[list[Any]]) -> np.ndarray:
    """The chances of the true classes `[N, C]` behind those of labels that are given with `noise`."""
    classes = probability.shape[1]
    given = np.zeros((classes, classes))
    for true, label, chance in pairs:
        given[label, true] = chance
    given[np.diag_indices(classes)] = 1 - given.sum(0)
    true = (probability @ np.linalg.pinv(given).T).clip(0)
    shares: np.ndarray = true / true.sum(1, keepdims=True).clip(1e-12)
    return shares


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
        places = np.searchsorted(line, start + rng.random(rows), side="right") - start * classes
        truth = places.clip(0, classes - 1)
        draw[:] = _scores(truth, b, classes) - _scores(truth, a, classes)
    low, high = np.quantile(gains, [0.025, 0.975], axis=0)
    names = ("accuracy", "macro_f1")
    return [Effect(*row) for row in zip(names, gains.mean(0), low, high, strict=True)]


def _scores(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Accuracy and macro-F1, over the classes that occur in truth."""
    right, true, positive = (
        np.bincount(labels, minlength=classes)
        for labels in (truth[truth == predicted], truth, predicted)
    )
    f1 = 2 * right[true > 0] / (true + positive)[true > 0]
    return np.array([right.sum() / len(truth), f1.mean()])
