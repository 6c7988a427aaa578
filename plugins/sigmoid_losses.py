"""Losses of rows with any number of labels, a sigmoid each (`automask.space.protocols.LossPlugin`).

All are sums over the labels, and weigh what a label has rows of, its positives, by their rarity.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from automask import Float, loss
from automask.plugins.losses import asymmetric_terms, class_weights, focus

if TYPE_CHECKING:
    from torch import Tensor


def log_sigmoids(logits: Tensor) -> tuple[Tensor, Tensor]:
    """`[B, C]` each: log p and log (1 - p) of the sigmoid's p."""
    from torch.nn.functional import logsigmoid

    return logsigmoid(logits), logsigmoid(-logits)


def each_label(
    target: Tensor, yes: Tensor, no: Tensor, class_counts: Tensor, power: float
) -> Tensor:
    """`[B]` the sums of the losses `yes` of labels that a row has and `no` of those that it hasn't."""
    weights = class_weights(class_counts, power) if power else 1.0
    return (target * weights * yes + (1 - target) * no).sum(-1)


@loss(smoothing=Float(0.0, 0.2), weight_power=Float(0.0, 1.0), per_row=True, target="multi")
def sigmoid_bce(
    logits: Tensor,
    target: Tensor,
    class_counts: Tensor,
    *,
    smoothing: float = 0.0,
    weight_power: float = 0.0,
) -> Tensor:
    """Binary cross entropy of each label of a row that may have several.

    `smoothing` moves the target so far towards a half. `weight_power` weighs the rows that have a label
    from alike (0) to inversely to their number (1).
    When to use: labels that don't exclude one another; always a contender. Smooth where labels are
    missing or doubtful, and weigh where rare labels count as much as common ones.
    """
    yes, no = log_sigmoids(logits)
    aim = target * (1 - smoothing) + smoothing / 2
    return each_label(aim, -yes, -no, class_counts, weight_power)


@loss(gamma=Float(0.0, 5.0), weight_power=Float(0.0, 1.0), per_row=True, target="multi")
def sigmoid_focal(
    logits: Tensor,
    target: Tensor,
    class_counts: Tensor,
    *,
    gamma: float = 2.0,
    weight_power: float = 0.0,
) -> Tensor:
    """Binary cross entropy a label that fades out those already predicted well (Lin et al., 2017).

    When to use: many labels of which a row has few, so that easy ones drown the hard ones.
    """
    yes, no = log_sigmoids(logits)
    p, rest = yes.exp(), no.exp()
    return each_label(
        target, -focus(rest, gamma) * yes, -focus(p, gamma) * no, class_counts, weight_power
    )


@loss(
    gamma_pos=Float(0.0, 2.0),
    gamma_neg=Float(0.0, 6.0),
    clip=Float(0.0, 0.2),
    weight_power=Float(0.0, 1.0),
    per_row=True,
    target="multi",
)
def sigmoid_asymmetric(
    logits: Tensor,
    target: Tensor,
    class_counts: Tensor,
    *,
    gamma_pos: float = 0.0,
    gamma_neg: float = 4.0,
    clip: float = 0.05,
    weight_power: float = 0.0,
) -> Tensor:
    """Binary cross entropy a label that fades out those easily ruled out (Ridnik et al., 2021).

    `gamma_neg` fades out labels rightly thought absent, `gamma_pos` those rightly thought present; an
    absent label below the probability `clip` costs nothing.
    When to use: dozens of labels of which a row has few, and labels that were forgotten.
    """
    yes, no = asymmetric_terms(*log_sigmoids(logits), gamma_pos, gamma_neg, clip)
    return each_label(target, yes, no, class_counts, weight_power)
