"""Schedulers: the course of the learning rate (`automask.space.protocols.SchedulerPlugin`)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from automask import Float, Int, scheduler

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler


@scheduler(drops=Int(1, 4), gamma=Float(0.05, 0.8))
def StepLR(
    optimizer: Optimizer, steps_per_epoch: int, epochs: int, *, drops: int = 2, gamma: float = 0.2
) -> LRScheduler:
    """Multiplies the learning rate by gamma a few times, at even distances.

    When to use: a plain schedule to compare with.
    """
    from torch.optim.lr_scheduler import StepLR

    step_size = max(1, round(steps_per_epoch * epochs / (drops + 1)))
    return StepLR(optimizer, step_size=step_size, gamma=gamma)


@scheduler(first=Float(0.3, 0.8), drops=Int(1, 3), gamma=Float(0.05, 0.5))
def MultiStepLR(
    optimizer: Optimizer,
    steps_per_epoch: int,
    epochs: int,
    *,
    first: float = 0.5,
    drops: int = 2,
    gamma: float = 0.1,
) -> LRScheduler:
    """Multiplies the learning rate by gamma at `first` of the way, then half-way through each rest.

    With the defaults that is at 1/2 and 3/4, as residual networks were first trained (He et al.,
    2016).
    When to use: sgd over many epochs, which gains from a long time at the full rate.
    """
    from torch.optim.lr_scheduler import MultiStepLR

    total = steps_per_epoch * epochs
    shares = [1 - (1 - first) / 2**drop for drop in range(drops)]
    milestones = [max(1, round(share * total)) for share in shares]
    return MultiStepLR(optimizer, milestones, gamma=gamma)


@scheduler(final_ratio=Float(0.0, 0.1))
def CosineAnnealingLR(
    optimizer: Optimizer, steps_per_epoch: int, epochs: int, *, final_ratio: float = 0.01
) -> LRScheduler:
    """Half a cosine from the full learning rate to almost none (Loshchilov and Hutter, 2017).

    When to use: the default where the number of epochs is known.
    """
    import torch

    final = [group["lr"] * final_ratio for group in optimizer.param_groups]
    return torch.optim.lr_scheduler.CosineAnnealingLR(
        optimizer, T_max=max(1, round(steps_per_epoch * epochs)), eta_min=min(final)
    )


@scheduler(cycles=Int(2, 5), T_mult=Float(1.0, 2.0), final_ratio=Float(0.0, 0.1))
def CosineAnnealingWarmRestarts(
    optimizer: Optimizer,
    steps_per_epoch: int,
    epochs: int,
    *,
    cycles: int = 2,
    T_mult: float = 2.0,
    final_ratio: float = 0.01,
) -> LRScheduler:
    """Half cosines, each anew from the full rate and T_mult as long (Loshchilov and Hutter, 2017).

    The last of them ends with the training.
    When to use: many epochs, where a single descent stays in the first minimum that it finds.
    """
    from torch.optim.lr_scheduler import LambdaLR

    total, lengths = steps_per_epoch * epochs, [T_mult**cycle for cycle in range(cycles)]

    def ratio(step: int) -> float:
        position = min(step * sum(lengths) / total, sum(lengths))
        return final_ratio + (1 - final_ratio) * _restarting(position, lengths)

    # Torch's own takes whole steps a cycle, which can leave a restart for the very last of them.
    return LambdaLR(optimizer, ratio)


def _restarting(position: float, lengths: Sequence[float]) -> float:
    """From 1 to 0 by half a cosine over each of the lengths, at a position along them all."""
    for length in lengths[:-1]:
        if position < length:
            break
        position -= length
    else:
        length = lengths[-1]
    return (1 + math.cos(math.pi * min(position / length, 1.0))) / 2


@scheduler(
    pct_start=Float(0.1, 0.5),
    div_factor=Float(5.0, 100.0, log=True),
    momentum_drop=Float(0.0, 0.15),
)
def OneCycleLR(
    optimizer: Optimizer,
    steps_per_epoch: int,
    epochs: int,
    *,
    pct_start: float = 0.3,
    div_factor: float = 25.0,
    momentum_drop: float = 0.1,
) -> LRScheduler:
    """Up to the full learning rate, then down to almost none (Smith and Topin, 2018).

    It starts from the full rate divided by `div_factor` and peaks after `pct_start` of the steps,
    where the momentum (Adam's first beta) is lower by the share `momentum_drop`. A warm-up goes no
    higher than where the cycle starts.
    When to use: few epochs with a high learning rate, above all from random weights.
    """
    from torch.optim import lr_scheduler

    steps = max(1, round(steps_per_epoch * epochs)) + 1
    return _standing_at_its_end(lr_scheduler.OneCycleLR)(
        optimizer,
        max_lr=[group["lr"] for group in optimizer.param_groups],
        total_steps=steps,
        # One step up at least: torch's divides by zero where the first step is the peak.
        pct_start=max(pct_start, 2 / steps),
        div_factor=div_factor,
        **_momentum_cycle(optimizer, momentum_drop),
    )


def _standing_at_its_end(kind: Any) -> Any:
    """The class with a step that does nothing after the last one, where torch's raises.

    A sampling's later epochs may be longer than the first, which `steps_per_epoch` is of.
    """

    class Standing(kind):
        def step(self, epoch: int | None = None) -> None:
            if self.last_epoch < self.total_steps - 1:
                super().step(epoch)

    return Standing


def _momentum_cycle(optimizer: Optimizer, drop: float) -> dict[str, Any]:
    """OneCycleLR's options that lower each group's momentum by a share, if the optimizer has one."""
    groups = optimizer.param_groups
    own: list[Any] = [
        group["betas"][0] if "betas" in group else group.get("momentum") for group in groups
    ]
    if None in own:
        return {"cycle_momentum": False}
    return {"max_momentum": own, "base_momentum": [momentum * (1 - drop) for momentum in own]}


@scheduler(factor=Float(0.1, 0.7), patience=Int(0, 3))
def ReduceLROnPlateau(
    optimizer: Optimizer,
    steps_per_epoch: int,
    epochs: int,
    *,
    factor: float = 0.3,
    patience: int = 1,
) -> LRScheduler:
    """Multiplies the learning rate by a factor where the training loss no longer falls.

    When to use: where it isn't known how many epochs the data need. It never sees the scored fold.
    """
    import torch

    return torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=factor, patience=patience)


@scheduler()
def constant(optimizer: Optimizer, steps_per_epoch: int, epochs: int) -> LRScheduler:
    """The full learning rate to the end.

    When to use: to compare with, and for the few epochs in which a head alone is fitted.
    """
    from torch.optim.lr_scheduler import LambdaLR

    return LambdaLR(optimizer, lambda step: 1.0)
