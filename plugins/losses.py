"""Losses: what training makes small (`automask.space.protocols.LossPlugin`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automask import Categorical, Float, loss

if TYPE_CHECKING:
    from torch import Tensor


def mean_one(weights: Tensor, class_counts: Tensor) -> Tensor:
    """`[C]` weights scaled to a mean of 1 over the rows, so that they leave the learning rate be."""
    rows = class_counts.sum(-1, keepdim=True)
    # A training part may have no row with any label.
    return weights * rows / (weights * class_counts).sum(-1, keepdim=True).clamp(min=1e-12)


def class_weights(class_counts: Tensor, power: float) -> Tensor:
    """`[C]` weights `count ** -power` with mean 1 over the rows: 0 treats rows alike, 1 classes."""
    return mean_one(class_counts.clamp(min=1) ** -power, class_counts)


def weighted_cross_entropy(
    logits: Tensor, target: Tensor, class_counts: Tensor, power: float
) -> Tensor:
    if not power:
        return -(target * logits.log_softmax(-1)).sum(-1)
    return -(target * class_weights(class_counts, power) * logits.log_softmax(-1)).sum(-1)


def smoothed(target: Tensor, smoothing: float) -> Tensor:
    """The target mixed with the uniform distribution."""
    return target * (1 - smoothing) + smoothing / target.shape[-1]


def log_yes_no(logits: Tensor) -> tuple[Tensor, Tensor]:
    """`[B, C]` each: log p and log (1 - p) of the softmax's p.

    They are the log-sigmoids of the log-odds and of their negative: a sigmoid loss reads them, and
    means the same with every head.
    """
    import torch

    log_p = logits.log_softmax(-1)
    top = log_p.argmax(-1, keepdim=True)
    others = log_p.scatter(-1, top, -torch.inf)
    # Only the likeliest p can round to 1: its rest is what the others add up to.
    return log_p, torch.log1p(-others.exp()).scatter(-1, top, others.logsumexp(-1, keepdim=True))


def each_class(target: Tensor, weights: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    """`[B]` the losses `yes` of the true class and `no` of the others, weighted by the true class.

    For a soft target it is the mean over the classes that may be the true one.
    """
    weighted = target * weights
    return (weighted * yes + (weighted.sum(-1, keepdim=True) - weighted) * no).sum(-1)


def focus(missed: Tensor, gamma: float) -> Tensor:
    """The `missed` probability to the power of `gamma`: little where a row is predicted well."""
    # Kept off zero, where a power below one has no finite slope.
    return missed.clamp(min=1e-6) ** gamma


def asymmetric_terms(
    log_p: Tensor, log_rest: Tensor, gamma_pos: float, gamma_neg: float, clip: float
) -> tuple[Tensor, Tensor]:
    """What `asymmetric` charges for a class that is there, and for one that isn't."""
    import torch

    # A sum in logarithms, since the rest of a p that rounds to 1 would be 0.
    log_shifted_rest = torch.logaddexp(log_rest, log_rest.new_tensor(clip).log()).clamp(max=0)
    return (
        -focus(log_rest.exp(), gamma_pos) * log_p,
        -focus(log_p.exp() - clip, gamma_neg) * log_shifted_rest,
    )


@loss(weight_power=Float(0.0, 1.0), per_row=True)
def cross_entropy(
    logits: Tensor, target: Tensor, class_counts: Tensor, *, weight_power: float = 0.0
) -> Tensor:
    """Cross entropy, with class weights of a power from none (0) to fully balanced (1).

    When to use: always a contender. Raise the power where the metric counts classes alike and some
    are rare.
    """
    return weighted_cross_entropy(logits, target, class_counts, weight_power)


@loss(smoothing=Float(0.0, 0.3), weight_power=Float(0.0, 1.0), per_row=True)
def label_smoothing(
    logits: Tensor,
    target: Tensor,
    class_counts: Tensor,
    *,
    smoothing: float = 0.1,
    weight_power: float = 0.0,
) -> Tensor:
    """Cross entropy to a target mixed with the uniform distribution (Szegedy et al., 2016).

    When to use: noisy labels, or a model that grows too sure of itself.
    """
    return weighted_cross_entropy(logits, smoothed(target, smoothing), class_counts, weight_power)


@loss(gamma=Float(0.0, 5.0), weight_power=Float(0.0, 1.0), per_row=True)
def focal(
    logits: Tensor,
    target: Tensor,
    class_counts: Tensor,
    *,
    gamma: float = 2.0,
    weight_power: float = 0.0,
) -> Tensor:
    """Cross entropy that fades out rows already predicted well (Lin et al., 2017).

    When to use: many easy rows drown the few hard ones.
    """
    log_p = logits.log_softmax(-1)
    weights = class_weights(class_counts, weight_power)
    return -(target * weights * focus(1 - log_p.exp(), gamma) * log_p).sum(-1)


@loss(beta=Categorical(0.9, 0.99, 0.999, 0.9999), per_row=True)
def class_balanced(
    logits: Tensor, target: Tensor, class_counts: Tensor, *, beta: float = 0.999
) -> Tensor:
    """Cross entropy with weights by each class's effective number of rows (Cui et al., 2019).

    The effective number `(1 - beta ** n) / (1 - beta)` grows with the rows up to `1 / (1 - beta)`:
    beta 0 weights nothing, and towards 1 the weights become the inverse counts.
    When to use: a long tail of rare classes, where inverse counts would overdo it.
    """
    effective = 1 - beta ** class_counts.clamp(min=1)
    weights = mean_one(1 / effective, class_counts)
    return -(target * weights * logits.log_softmax(-1)).sum(-1)


@loss(margin=Float(0.0, 4.0), scale=Float(1.0, 4.0), weight_power=Float(0.0, 1.0), per_row=True)
def ldam(
    logits: Tensor,
    target: Tensor,
    class_counts: Tensor,
    *,
    margin: float = 1.0,
    scale: float = 1.0,
    weight_power: float = 0.0,
) -> Tensor:
    """Cross entropy that asks a margin of the true class, larger for rarer ones (Cao et al., 2019).

    A class's margin goes by its count to the power of -1/4; the rarest has `margin`, in logits. A
    soft target asks for its share of it. The paper's logits are cosines with a scale of 30; those
    here find a scale of their own, and one above 1 makes the probabilities flatter in the end.
    When to use: rare classes that are learnt by heart and not recognised again. A weight power adds
    the paper's reweighting.
    """
    rarity = class_counts.clamp(min=1) ** -0.25
    margins = margin * rarity / rarity.amax(-1, keepdim=True)
    return weighted_cross_entropy(
        scale * (logits - target * margins), target, class_counts, weight_power
    )


@loss(smoothing=Float(0.0, 0.2), weight_power=Float(0.0, 1.0), per_row=True)
def bce(
    logits: Tensor,
    target: Tensor,
    class_counts: Tensor,
    *,
    smoothing: float = 0.0,
    weight_power: float = 0.0,
) -> Tensor:
    """Binary cross entropy of every class against the others (Wightman et al., 2021).

    When to use: longer trainings with strong augmentation. Beside what the true class lacks, it
    counts where that went: one likely wrong class costs more than many unlikely ones.
    """
    yes, no = log_yes_no(logits)
    weights = class_weights(class_counts, weight_power)
    return each_class(smoothed(target, smoothing), weights, -yes, -no)


@loss(
    gamma_pos=Float(0.0, 2.0),
    gamma_neg=Float(0.0, 6.0),
    clip=Float(0.0, 0.2),
    weight_power=Float(0.0, 1.0),
    per_row=True,
)
def asymmetric(
    logits: Tensor,
    target: Tensor,
    class_counts: Tensor,
    *,
    gamma_pos: float = 0.0,
    gamma_neg: float = 4.0,
    clip: float = 0.05,
    weight_power: float = 0.0,
) -> Tensor:
    """Binary cross entropy that fades out easy negatives more than positives (Ridnik et al., 2021).

    `gamma_neg` fades out classes rightly thought unlikely, `gamma_pos` the true class thought
    likely; a negative below the probability `clip` costs nothing.
    When to use: many classes, of which each row is one and all the others are easy to rule out.
    """
    yes, no = asymmetric_terms(*log_yes_no(logits), gamma_pos, gamma_neg, clip)
    return each_class(target, class_weights(class_counts, weight_power), yes, no)


@loss()
def soft_f1(logits: Tensor, target: Tensor, class_counts: Tensor) -> Tensor:
    """One minus the mean F1 of the batch's classes, counted in probabilities instead of rows.

    It is a single value for the batch: a class counts in full from one expected row on, and one that
    the batch doesn't have is left out. Under `accumulation` it sees each part by itself, never the
    batch, so that small parts with few classes make it another loss.
    When to use: the metric is macro F1 and a batch holds several rows of most classes. Rows that are
    surely wrong teach it little, so that cross entropy is better from random weights.
    """
    p = logits.softmax(-1)
    expected = target.sum(0)
    f1 = 2 * (p * target).sum(0) / (p.sum(0) + expected).clamp(min=1e-6)
    present = expected.clamp(max=1)
    return 1 - (present * f1).sum() / present.sum()
