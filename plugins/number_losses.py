"""Losses of a number a row, in standard deviations (`automask.space.protocols.LossPlugin`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automask import Float, loss

if TYPE_CHECKING:
    from torch import Tensor


@loss(beta=Float(0.05, 2.0, log=True), per_row=True, target="number")
def smooth_l1(logits: Tensor, target: Tensor, class_counts: Tensor, *, beta: float = 0.5) -> Tensor:
    """Squared below an error of `beta` standard deviations, straight beyond (Huber, 1964).

    When to use: a number as the target; always a contender, since a few rows far off don't rule it.
    """
    from torch.nn.functional import smooth_l1_loss

    return smooth_l1_loss(logits, target, reduction="none", beta=beta).sum(-1)


@loss(per_row=True, target="number")
def mse(logits: Tensor, target: Tensor, class_counts: Tensor) -> Tensor:
    """The squared error, which is least at the mean of what a number may be.

    When to use: rmse or r2 is the metric, and no row is far off by mistake.
    """
    return (logits - target).square().sum(-1)


@loss(per_row=True, target="number")
def mae(logits: Tensor, target: Tensor, class_counts: Tensor) -> Tensor:
    """The absolute error, which is least at the median of what a number may be.

    When to use: mae is the metric, or numbers have a long tail.
    """
    return (logits - target).abs().sum(-1)
