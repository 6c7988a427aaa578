"""How common each class is: biases that a metric rewards, and shares among rows without labels."""

from __future__ import annotations

import numpy as np

from automask.label_shift import reweight as reweight
from automask.prediction.decisions import add_biases as add_biases
from automask.scoring import Metric

#: What a class's bias is changed by, the small changes first, in so many rounds over the classes.
STEPS, ROUNDS = (0.1, -0.1, 0.2, -0.2, 0.4, -0.4, 0.8, -0.8, 1.6, -1.6), 2


def fit_biases(target: np.ndarray, probability: np.ndarray, metric: Metric) -> np.ndarray:
    """The biases `[C]` on log-probabilities at which a metric of labels is highest.

    By coordinate search: class after class, the smallest change among equals.
    """
    logs = np.log(np.clip(probability, 1e-15, None))
    biases, eye = np.zeros(logs.shape[1]), np.eye(logs.shape[1])
    best = metric(target, eye[logs.argmax(1)])
    for _ in range(ROUNDS):
        before = best
        for label in range(len(biases)):
            others = logs + biases
            others[:, label] = -np.inf
            other, rival, chosen = others.argmax(1), others.max(1), 0.0
            for step in STEPS:
                own = logs[:, label] + biases[label] + step
                value = metric(target, eye[np.where(own > rival, label, other)])
                if value > best + 1e-12:
                    best, chosen = value, step
            biases[label] += chosen
        if best == before:
            break
    return biases


def estimate(probability: np.ndarray, priors: np.ndarray) -> np.ndarray:
    """The shares of the classes `[C]` among rows without labels, by EM (Saerens et al., 2002).

    `probability` `[M, C]` come from a model trained where the shares were `priors`, and are calibrated.
    What a class looks like must be the same in both.
    """
    shares = priors
    for _ in range(1000):
        before, shares = shares, reweight(probability, shares / priors).mean(0)
        if np.abs(shares - before).max() < 1e-7:
            break
    return shares
