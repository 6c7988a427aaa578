"""What every training loop shares: batches, one optimizer step, the learning rate's course."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from automask.space import registry
from automask.space.recipe import Recipe
from automask.training.moving_average import MovingAverage
from automask.training.task import call_plugin

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def batches(indices: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """The epoch's rows in as few batches as `batch_size` allows, all of (almost) one length.

    Even lengths leave no last batch of a single row, which batch norm couldn't take.
    """
    return np.array_split(indices, max(1, -(-len(indices) // batch_size)))


def accumulate(
    parts: Sequence[tuple[Tensor, Tensor]],
    forward: Callable[[Tensor], Tensor],
    loss: Loss,
    class_counts: Tensor,
    scale: Callable[[Tensor], Tensor] = lambda loss: loss,
) -> Tensor:
    """Backward over the parts of one batch; gradients add up to those of the batch as a whole.

    They are those of the `scale`d loss. Returns the batch's mean loss, detached.
    """
    rows = sum(len(target) for _, target in parts)
    total = torch.zeros((), device=class_counts.device)
    for inputs, target in parts:
        value = loss(forward(inputs).float(), target, class_counts)
        share = value.sum() / rows if value.ndim else value * (len(target) / rows)
        scale(share).backward()
        total += share.detach()
    return total


class Optimization:
    """What moves a module's parameters, given in `groups`: optimizer, learning rate, average.

    Of a module that trains in float16 the `scaler` scales losses: gradients would vanish below its
    range.
    """

    def __init__(
        self,
        recipe: Recipe,
        module: nn.Module,
        groups: list[dict[str, Any]],
        precision: torch.dtype = torch.float32,
    ) -> None:
        self.recipe = recipe
        # Torch begins at 65,536, where the first steps of some networks overflow and are lost: of a
        # short training too many.
        device = next(module.parameters()).device.type
        self.scaler = torch.amp.GradScaler(
            device, init_scale=1024.0, enabled=precision == torch.float16
        )
        self.optimizer: torch.optim.Optimizer = call_plugin(recipe, "optimizer", groups)
        self.average = MovingAverage(module, recipe.training["ema_decay"])
        self.schedule: Schedule | None = None

    @property
    def by_loss(self) -> bool:
        """Does the learning rate go by the training's loss?"""
        return self.schedule is not None and self.schedule.by_loss

    def begin(self, steps: int) -> None:
        """Before each epoch; the `steps` of the first are those of every one to the learning rate."""
        if self.schedule is None:
            self.schedule = Schedule(self.recipe, self.optimizer, steps)

    def step(self) -> None:
        """Move the parameters by their gradients, which are gone then."""
        assert self.schedule is not None
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.average.step()
        self.schedule.step()
        self.optimizer.zero_grad(set_to_none=True)

    def end(self, training_loss: float) -> None:
        """After each epoch."""
        assert self.schedule is not None
        self.schedule.epoch(training_loss)

    def state(self) -> dict[str, Any]:
        """What `restore` goes on from, after an epoch."""
        assert self.schedule is not None
        average = self.average.module.state_dict() if self.average.average else None
        return {
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "average": average,
            "averaged": self.average.steps,
            "steps_per_epoch": self.schedule.steps_per_epoch,
            "steps": self.schedule.steps,
            "scheduler": self.schedule.scheduler.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on as whatever gave that state would have."""
        self.begin(state["steps_per_epoch"])
        assert self.schedule is not None
        self.schedule.scheduler.load_state_dict(state["scheduler"])
        self.schedule.steps = state["steps"]
        # Last, as making a schedule sets the rates of its beginning.
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        if state["average"] is not None:
            self.average.module.load_state_dict(state["average"])
        self.average.steps = state["averaged"]


class Schedule:
    """The learning rate's course: a linear warm-up, then the scheduler plugin."""

    def __init__(
        self, recipe: Recipe, optimizer: torch.optim.Optimizer, steps_per_epoch: int
    ) -> None:
        choice, epochs = recipe["scheduler"], recipe.training["epochs"]
        warmup_epochs = min(recipe.training["warmup_epochs"], epochs - 1)
        self.optimizer, self.steps_per_epoch = optimizer, steps_per_epoch
        self.warmup = warmup_epochs * steps_per_epoch
        self.steps = 0
        self.scheduler = registry.get("scheduler", choice.name).function(
            optimizer, steps_per_epoch, epochs - warmup_epochs, **choice.params
        )
        self.by_loss = isinstance(self.scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau)
        # A scheduler may begin below the optimizer's rate: there its warm-up ends.
        self.begin = [group["lr"] for group in optimizer.param_groups]
        self._warm()

    def step(self) -> None:
        """After each optimizer step."""
        self.steps += 1
        if self.steps <= self.warmup:
            self._warm()
        elif not self.by_loss:
            self.scheduler.step()

    def epoch(self, training_loss: float) -> None:
        """After each epoch."""
        if self.by_loss and self.steps > self.warmup:
            self.scheduler.step(training_loss)

    def _warm(self) -> None:
        ramp = min(1.0, (self.steps + 1) / (self.warmup + 1))
        for group, lr in zip(self.optimizer.param_groups, self.begin, strict=True):
            group["lr"] = lr * ramp
