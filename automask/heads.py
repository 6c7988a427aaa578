"""Training the heads of all folds at once, on cached features.

Each fold has a head, an optimizer and a schedule of its own; only the arithmetic is shared: in every
step their parameters are stacked and one batched computation serves all folds.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from automask import registry
from automask.errors import TrialError
from automask.features import Features
from automask.network import build_head, parameter_groups, predict
from automask.progress import Report, Step
from automask.recipe import Recipe
from automask.steps import Loss, Schedule, batches
from automask.store import FoldResult
from automask.task import Task, call


def fit_heads(task: Task, recipe: Recipe, features: Features, report: Report) -> list[FoldResult]:
    """Train a fresh head a fold and predict its scored rows and the test rows.

    The results' `state` holds the head alone: the backbone is the recipe's, untouched.
    """
    folds = [_Fold(task, recipe, features, fold) for fold in range(int(task.folds.max()) + 1)]
    augment = call(recipe, "augmentation", recipe.training["image_size"])
    step = _Stacked([fold.head for fold in folds], _loss(recipe), task)
    torch.manual_seed(task.seed)
    for epoch in range(recipe.training["epochs"]):
        view = features.view(augment, epoch)
        parts = [fold.batches() for fold in folds]
        # A fold that needs fewer steps than another rests for the last ones.
        count = max(map(len, parts))
        totals = torch.zeros(len(folds), device=task.device)
        for index in range(count):
            busy = [k for k, of_fold in enumerate(parts) if index < len(of_fold)]
            rows = [parts[k][index] for k in busy]
            losses = step(busy, view, rows, [folds[k].counts for k in busy])
            for k, loss, chosen in zip(busy, losses, rows, strict=True):
                folds[k].step()
                totals[k] += loss * len(chosen)
        for fold, total, of_fold in zip(folds, totals.tolist(), parts, strict=True):
            fold.end_epoch(epoch, total / sum(map(len, of_fold)))
        report(Step(0, epoch + 1, recipe.training["epochs"], totals[0].item() / len(folds[0].rows)))
    plain = features.plain()
    return [
        FoldResult(
            validation=predict(fold.head, plain, fold.scored, task.device),
            test=predict(fold.head, plain, task.test_rows, task.device),
            test_key=task.test_key,
            state={f"head.{key}": value.cpu() for key, value in fold.head.state_dict().items()},
        )
        for fold in folds
    ]


class _Fold:
    """One fold's rows, head and optimizer."""

    def __init__(self, task: Task, recipe: Recipe, features: Features, fold: int) -> None:
        self.task, self.recipe, self.features = task, recipe, features
        self.rows, self.scored = task.fold_rows(fold)
        self.labels = task.data.labels[self.rows]
        self.head = build_head(
            recipe["head"], features.D, task.data.attributes, task.seed, fold
        ).to(task.device)
        groups = parameter_groups(nn.ModuleDict({"head": self.head}))
        self.optimizer = call(recipe, "optimizer", groups)
        self.rng = np.random.default_rng([task.seed, fold])
        counts = np.bincount(self.labels, minlength=len(task.data.attributes.classes))
        self.counts = torch.as_tensor(counts, dtype=torch.float32, device=task.device)
        self.schedule: Schedule | None = None

    def batches(self) -> list[np.ndarray]:
        """An epoch of this fold as rows of the train table."""
        drawn = call(self.recipe, "sampling", self.labels, self._own_features, self.rng)
        training = self.recipe.training
        parts = batches(self.rows[np.asarray(drawn)], training["batch_size"])
        if self.schedule is None:
            self.schedule = Schedule(self.recipe, self.optimizer, len(parts))
        return parts

    def step(self) -> None:
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        assert self.schedule is not None
        self.schedule.step()

    def end_epoch(self, epoch: int, loss: float) -> None:
        """Raises `TrialError` where the epoch's mean loss isn't finite."""
        if not math.isfinite(loss):
            raise TrialError("not-a-number", f"the loss was {loss} in epoch {epoch + 1}")
        assert self.schedule is not None
        self.schedule.epoch(loss)

    def _own_features(self) -> np.ndarray:
        return self.features.plain()[self.rows]


class _Stacked:
    """One backward pass for the heads of several folds, each on its own batch."""

    def __init__(self, heads: list[nn.Module], loss: Loss, task: Task) -> None:
        self.heads, self.loss = heads, loss
        self.labels = torch.as_tensor(task.data.labels, device=task.device)
        self.eye = torch.eye(len(task.data.attributes.classes), device=task.device)
        self.buffers = dict(heads[0].named_buffers())
        # What a head keeps count of (batch norm) is its own, and stacking would share it.
        self.counts = set(heads[0].state_dict()) - {name for name, _ in heads[0].named_parameters()}
        self.device = task.device

    def __call__(
        self, busy: list[int], view: np.ndarray, rows: list[np.ndarray], counts: list[Tensor]
    ) -> Tensor:
        """Leaves each head's gradient in it; returns the mean loss of each `[K]`, detached.

        Batches shorter than the longest are filled up, and the filling is left out of the loss.
        """
        longest = max(map(len, rows))
        filled = np.stack([np.resize(chosen, longest) for chosen in rows])
        inputs = torch.from_numpy(view[filled]).to(self.device)
        logits = self._logits(busy, inputs)
        target = self.eye[self.labels[torch.as_tensor(filled, device=self.device)]]
        losses = torch.stack(
            [
                self.loss(logits[k, : len(chosen)], target[k, : len(chosen)], counts[k]).mean()
                for k, chosen in enumerate(rows)
            ]
        )
        losses.sum().backward()
        return losses.detach()

    def _logits(self, busy: list[int], inputs: Tensor) -> Tensor:
        """`[K, B, C]` from `[K, B, D]`."""
        if self.counts:
            return torch.stack([self.heads[k](x) for k, x in zip(busy, inputs, strict=True)])
        parameters = {
            name: torch.stack([self.heads[k].get_parameter(name) for k in busy])
            for name, _ in self.heads[0].named_parameters()
        }
        return vmap(self._forward, in_dims=(0, 0), randomness="different")(parameters, inputs)

    def _forward(self, parameters: dict[str, Tensor], inputs: Tensor) -> Tensor:
        return functional_call(self.heads[0], (parameters, self.buffers), (inputs,))


def _loss(recipe: Recipe) -> Callable[..., Tensor]:
    function = registry.get("loss", recipe["loss"].name).function
    params = recipe["loss"].params
    return lambda logits, target, counts: function(logits, target, counts, **params)
