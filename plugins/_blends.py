"""Blends: what the ensembles fit, from the members' predictions `[T, M, C]` to one table `[M, C]`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from automask.target import Target


@dataclass(frozen=True)
class WeightedMean:
    """A blend by fixed weights `[T]` that sum to 1."""

    weights: np.ndarray

    def __call__(self, probability: np.ndarray) -> np.ndarray:
        import numpy as np

        return np.tensordot(self.weights, probability, axes=1)


@dataclass(frozen=True)
class RankMean:
    """The mean rank of each probability among `reference [T, K]`, those of each member, sorted."""

    reference: np.ndarray

    def __call__(self, probability: np.ndarray) -> np.ndarray:
        total = _total_ranks(self.reference, probability)
        return total / total.sum(1, keepdims=True)


@dataclass(frozen=True)
class QuantileMean:
    """What has that mean rank, as the members have it on average: a probability a label."""

    reference: np.ndarray

    def __call__(self, probability: np.ndarray) -> np.ndarray:
        import numpy as np

        members, count = self.reference.shape
        ranks = _total_ranks(self.reference, probability) / (2 * members)
        return np.interp(ranks, np.arange(1, count + 1), self.reference.mean(0))


def _total_ranks(reference: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """`[M, C]` twice the sum of the members' ranks, from 1 at the least of the reference."""
    import numpy as np

    total = np.zeros(probability.shape[1:])
    for own, member in zip(reference, probability, strict=True):
        sides = [np.searchsorted(own, member, side) for side in ("left", "right")]
        total += sum(sides) + 1
    return total


@dataclass(frozen=True)
class Vote:
    """The share of votes for each class or label, where each member has so much of a vote `[T]`."""

    votes: np.ndarray
    target: Target

    def __call__(self, probability: np.ndarray) -> np.ndarray:
        import numpy as np

        total = np.zeros(probability.shape[1:])
        for vote, member in zip(self.votes, probability, strict=True):
            total += vote * self.target.harden(member)
        return total / self.votes.sum()


@dataclass(frozen=True)
class Stacked:
    """Logistic regression on the members' log-probabilities, which are divided by `scale`.

    `coefficients` are `[K, T C]` and `intercepts` `[K]` for those of the `classes` `[K]` that there
    were; of two classes one row tells.
    """

    coefficients: np.ndarray
    intercepts: np.ndarray
    classes: np.ndarray
    scale: float

    def __call__(self, probability: np.ndarray) -> np.ndarray:
        import numpy as np

        out = np.zeros(probability.shape[1:])
        logits = centred_logs(probability) / self.scale @ self.coefficients.T + self.intercepts
        if len(self.classes) == 2:
            from scipy.special import expit

            second = expit(logits[:, 0])
            out[:, self.classes] = np.stack([1 - second, second], 1)
        else:
            parts = np.exp(logits - logits.max(1, keepdims=True))
            out[:, self.classes] = parts / parts.sum(1, keepdims=True)
        return out


def centred_logs(probability: np.ndarray) -> np.ndarray:
    """`[M, T C]` log-probabilities, each row of a member around its mean."""
    import numpy as np

    logs = np.log(np.clip(probability, 1e-6, None))
    logs -= logs.mean(2, keepdims=True)
    members, rows, classes = probability.shape
    return logs.transpose(1, 0, 2).reshape(rows, members * classes)
