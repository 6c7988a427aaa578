"""Is a probability of 0.8 right in 80 of 100 rows? How far off that is, and what mends it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from automask.prediction.decisions import apply_temperature as apply_temperature

BINS = 10
#: Temperatures are looked for between these.
LOWEST, HIGHEST = 0.05, 20.0


@dataclass(frozen=True)
class Bin:
    """The rows whose largest probability lies in one stretch: its mean, the share right, count."""

    confidence: float
    accuracy: float
    count: int


@dataclass(frozen=True)
class Calibration:
    """How far probabilities are off: the expected calibration error, the log loss, and the table."""

    expected_error: float
    log_loss: float
    reliability: list[Bin]


def measure(target: np.ndarray, probability: np.ndarray) -> Calibration:
    """The calibration of `probability` `[N, C]` on true classes `[N]`."""
    table = reliability(target, probability)
    return Calibration(expected_error(table), -log_likelihood(target, probability), table)


def reliability(target: np.ndarray, probability: np.ndarray, bins: int = BINS) -> list[Bin]:
    """The reliability table of `probability` `[N, C]`: equal stretches of confidence that hold rows."""
    confidence, right = probability.max(1), probability.argmax(1) == target
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    return [
        Bin(float(confidence[rows].mean()), float(right[rows].mean()), int(rows.sum()))
        for rows in (place == index for index in np.unique(place))
    ]


def expected_error(table: list[Bin]) -> float:
    """The expected calibration error: how far confidence and accuracy lie apart, by rows (Naeini,
    2015)."""
    rows = sum(bin.count for bin in table)
    return sum(abs(bin.confidence - bin.accuracy) * bin.count for bin in table) / rows


def log_likelihood(target: np.ndarray, probability: np.ndarray) -> float:
    """The mean log-probability of the true class, higher is better: a metric."""
    true = probability[np.arange(len(target)), target]
    return float(np.log(np.clip(true, 1e-15, None)).mean())


def temperature(target: np.ndarray, probability: np.ndarray) -> float:
    """The temperature at which the true classes are likeliest (Guo et al., 2017)."""
    from scipy.optimize import minimize_scalar

    def loss(log: float) -> float:
        return -log_likelihood(target, apply_temperature(probability, float(np.exp(log))))

    bounds = (np.log(LOWEST), np.log(HIGHEST))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))
