"""Learning-rate schedulers: `(optimizer, steps_per_epoch, epochs) -> torch scheduler`.

Training steps a scheduler once a step, and `ReduceLROnPlateau` once an epoch with the training
loss. Warm-up is training's own: `epochs` are those that remain after it.
"""

from __future__ import annotations

from automask import Float, Int, scheduler


@scheduler(drops=Int(1, 4), gamma=Float(0.05, 0.8))
def StepLR(optimizer, steps_per_epoch, epochs, *, drops=2, gamma=0.2):
    """Multiplies the learning rate by gamma a few times, at even distances.

    When to use: a plain schedule to compare with.
    """
    from torch.optim.lr_scheduler import StepLR

    step_size = max(1, round(steps_per_epoch * epochs / (drops + 1)))
    return StepLR(optimizer, step_size=step_size, gamma=gamma)


@scheduler(final_ratio=Float(0.0, 0.1))
def CosineAnnealingLR(optimizer, steps_per_epoch, epochs, *, final_ratio=0.01):
    """Half a cosine from the full learning rate to almost none (Loshchilov and Hutter, 2017).

    When to use: the default where the number of epochs is known.
    """
    import torch

    final = [group["lr"] * final_ratio for group in optimizer.param_groups]
    return torch.optim.lr_scheduler.CosineAnnealingLR(
        optimizer, T_max=max(1, round(steps_per_epoch * epochs)), eta_min=min(final)
    )


@scheduler(factor=Float(0.1, 0.7), patience=Int(0, 3))
def ReduceLROnPlateau(optimizer, steps_per_epoch, epochs, *, factor=0.3, patience=1):
    """Multiplies the learning rate by a factor where the training loss no longer falls.

    When to use: where it isn't known how many epochs the data need. It never sees the scored fold.
    """
    import torch

    return torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=factor, patience=patience)
