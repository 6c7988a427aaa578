"""Losses: `(logits [B, C], target [B, C], class_counts [C]) -> [B]`.

`target` holds probabilities, so that smoothing and mixing combine with every loss. `class_counts`
are those of the training part; a count can be 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from automask import Float, loss

if TYPE_CHECKING:
    from torch import Tensor


def class_weights(class_counts: Tensor, power: float) -> Tensor:
    """`[C]` weights `count ** -power` with mean 1 over the rows: 0 treats rows alike, 1 classes."""
    weights = class_counts.clamp(min=1) ** -power
    return weights * class_counts.sum() / (weights * class_counts).sum()


def weighted_cross_entropy(
    logits: Tensor, target: Tensor, class_counts: Tensor, power: float
) -> Tensor:
    return -(target * class_weights(class_counts, power) * logits.log_softmax(-1)).sum(-1)


@loss(weight_power=Float(0.0, 1.0))
def cross_entropy(logits, target, class_counts, *, weight_power=0.0):
    """Cross entropy, with class weights of a power from none (0) to fully balanced (1).

    When to use: always a contender. Raise the power where the metric counts classes alike and some
    are rare.
    """
    return weighted_cross_entropy(logits, target, class_counts, weight_power)


@loss(smoothing=Float(0.0, 0.3), weight_power=Float(0.0, 1.0))
def label_smoothing(logits, target, class_counts, *, smoothing=0.1, weight_power=0.0):
    """Cross entropy to a target mixed with the uniform distribution (Szegedy et al., 2016).

    When to use: noisy labels, or a model that grows too sure of itself.
    """
    target = target * (1 - smoothing) + smoothing / target.shape[-1]
    return weighted_cross_entropy(logits, target, class_counts, weight_power)


@loss(gamma=Float(0.0, 5.0), weight_power=Float(0.0, 1.0))
def focal(logits, target, class_counts, *, gamma=2.0, weight_power=0.0):
    """Cross entropy that fades out rows already predicted well (Lin et al., 2017).

    When to use: many easy rows drown the few hard ones.
    """
    log_p = logits.log_softmax(-1)
    # Kept off zero, where a power below one has no finite slope.
    focus = (1 - log_p.exp()).clamp(min=1e-6) ** gamma
    return -(target * class_weights(class_counts, weight_power) * focus * log_p).sum(-1)
