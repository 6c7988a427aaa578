"""Ensembles: `(probability [T, N, C], target [N], metric, rng) -> blend`.

`blend([T, M, C]) -> [M, C]` works on any rows; where it is a weighted mean it has `weights [T]`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from automask import Int, ensemble

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class WeightedMean:
    """A blend by fixed weights `[T]` that sum to 1."""

    weights: np.ndarray

    def __call__(self, probability: np.ndarray) -> np.ndarray:
        import numpy as np

        return np.tensordot(self.weights, probability, axes=1)


@ensemble(size=Int(1, 200))
def greedy(probability, target, metric, rng, *, size=50):
    """Adds the member that helps most, again and again, with replacement (Caruana et al., 2004).

    Starts from the best member; of the sums met on the way the best one counts, the shorter one
    among equals.
    When to use: the default. Weak members do no harm.
    """
    import numpy as np

    total = np.zeros_like(probability[0], dtype=np.float64)
    counts = np.zeros(len(probability))
    best, best_score = counts, -np.inf
    for step in range(1, size + 1):
        scores = [metric(target, (total + member) / step) for member in probability]
        chosen = int(np.argmax(scores))
        total += probability[chosen]
        counts = counts + np.eye(len(probability))[chosen]
        if scores[chosen] > best_score + 1e-12:
            best, best_score = counts, scores[chosen]
    return WeightedMean(best / best.sum())


@ensemble()
def mean(probability, target, metric, rng):
    """The plain mean of all members.

    When to use: few rows, where chosen weights would overfit.
    """
    import numpy as np

    return WeightedMean(np.full(len(probability), 1 / len(probability)))


@ensemble()
def best(probability, target, metric, rng):
    """The single best member.

    When to use: one model must do.
    """
    import numpy as np

    scores = [metric(target, member) for member in probability]
    return WeightedMean(np.eye(len(probability))[int(np.argmax(scores))])
