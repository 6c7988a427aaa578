"""Losses that know how common each class is, and aim at a test set where all are alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automask import Float, loss

if TYPE_CHECKING:
    from torch import Tensor


@loss(tau=Float(0.25, 2.0), per_row=True)
def logit_adjusted(
    logits: Tensor, target: Tensor, class_counts: Tensor, *, tau: float = 1.0
) -> Tensor:
    """Cross entropy of logits to which log-shares of the classes are added (Menon et al., 2021).

    The network needn't learn that a class is rare, so that its probabilities are those of classes alike;
    `tau` is how much of the shares is added.
    When to use: long-tailed data and a metric of classes, such as macro F1 or balanced accuracy.
    """
    shares = class_counts.clamp(min=1) / class_counts.clamp(min=1).sum(-1, keepdim=True)
    return -(target * (logits + tau * shares.log()).log_softmax(-1)).sum(-1)


@loss(per_row=True)
def balanced_softmax(logits: Tensor, target: Tensor, class_counts: Tensor) -> Tensor:
    """Cross entropy of a softmax whose exponentials are weighted by class counts (Ren et al., 2020).

    It is `logit_adjusted` with a `tau` of 1.
    When to use: as that one, where there is no time to search `tau`.
    """
    return logit_adjusted(logits, target, class_counts)
