"""Blends: what the ensembles fit, from the members' predictions `[T, M, C]` to one table `[M, C]`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
        import numpy as np

        total = np.zeros(probability.shape[1:])
        for own, member in zip(self.reference, probability, strict=True):
            sides = [np.searchsorted(own, member, side) for side in ("left", "right")]
            total += sum(sides) + 1
        return total / total.sum(1, keepdims=True)


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
    """A classifier on the members' log-probabilities, which are divided by `scale`."""

    classifier: Any
    scale: float

    def __call__(self, probability: np.ndarray) -> np.ndarray:
        import numpy as np

        out = np.zeros(probability.shape[1:])
        if len(out):
            features = centred_logs(probability) / self.scale
            out[:, self.classifier.classes_] = self.classifier.predict_proba(features)
        return out


def centred_logs(probability: np.ndarray) -> np.ndarray:
    """`[M, T C]` log-probabilities, each row of a member around its mean."""
    import numpy as np

    logs = np.log(np.clip(probability, 1e-6, None))
    logs -= logs.mean(2, keepdims=True)
    return logs.transpose(1, 0, 2).reshape(probability.shape[1], -1)
