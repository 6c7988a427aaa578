"""Training one fold of a recipe whose backbone trains."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from automask import precision, registry
from automask.errors import TrialError
from automask.features import Features, is_image_transform
from automask.network import Network, build, parameter_groups, predict
from automask.progress import RUNGS, Report, Step
from automask.recipe import Recipe
from automask.steps import Schedule, accumulate, ahead, batches
from automask.store import FoldResult
from automask.task import Task, call


def fit_fold(
    task: Task, recipe: Recipe, features: Features, fold: int, report: Report
) -> FoldResult:
    """Train one fold from fresh weights and predict its scored rows and the test rows."""
    network = build(recipe, task.data.attributes, task.weights, task.seed, fold).to(task.device)
    trainer = _FoldTrainer(task, recipe, features, fold, network)
    epochs = recipe.training["epochs"]
    rungs = [math.ceil(share * epochs) for share in RUNGS] if fold == 0 else []
    for epoch in range(epochs):
        loss = trainer.epoch(epoch)
        if epoch + 1 in rungs and epoch + 1 < epochs:
            score = task.score(task.data.labels[trainer.scored], trainer.predict(trainer.scored))
            report(Step(fold, epoch + 1, epochs, loss, score, rungs.index(epoch + 1)))
        else:
            report(Step(fold, epoch + 1, epochs, loss))
    return FoldResult(
        validation=trainer.predict(trainer.scored),
        test=trainer.predict(task.test_rows),
        test_key=task.test_key,
        state={key: value.cpu().contiguous() for key, value in network.state_dict().items()},
    )


class _FoldTrainer:
    """One fold's network with its optimizer, schedule and random numbers."""

    def __init__(
        self, task: Task, recipe: Recipe, features: Features, fold: int, network: Network
    ) -> None:
        self.task, self.recipe, self.network = task, recipe, network
        self.pixels = task.pixels(recipe)
        self.rows, self.scored = task.fold_rows(fold)
        self.labels = task.data.labels[self.rows]
        self.features = features
        classes = len(task.data.attributes.classes)
        counts = np.bincount(self.labels, minlength=classes)
        self.counts = torch.as_tensor(counts, dtype=torch.float32, device=task.device)
        self.eye = torch.eye(classes, device=task.device)
        self.optimizer = call(recipe, "optimizer", parameter_groups(network))
        self.augment = call(recipe, "augmentation", recipe.training["image_size"])
        self.rng = np.random.default_rng([task.seed, fold])
        self.seeds = np.random.default_rng([task.seed, fold, 1])
        self.schedule: Schedule | None = None
        self.bfloat16 = precision.choose(
            network,
            f"{recipe['backbone'].name} {recipe['backbone'].params.get('model', '')}",
            recipe.training["image_size"],
            task.device,
            task.cache / "precision.json",
        )
        torch.manual_seed(task.seed * 1000 + fold + 1)

    def epoch(self, epoch: int) -> float:
        """Train one epoch; returns its mean loss. Raises `TrialError` where that isn't finite."""
        training = self.recipe.training
        names = call(self.recipe, "freeze", self.network.stages, epoch / training["epochs"])
        self.network.train_only(names)
        head_only = set(names) <= set(self.network.head_names)
        drawn = call(self.recipe, "sampling", self.labels, self._own_features, self.rng)
        parts = batches(np.asarray(drawn), training["batch_size"])
        if self.schedule is None:
            self.schedule = Schedule(self.recipe, self.optimizer, len(parts))
        view = self.features.view(self.augment, epoch) if head_only else None
        total = torch.zeros((), device=self.task.device)
        loss = registry.get("loss", self.recipe["loss"].name).function
        params = self.recipe["loss"].params
        for chosen, inputs in ahead(parts, lambda part: (part, self._inputs(part, view))):
            total += len(chosen) * accumulate(
                self._split(chosen, inputs),
                self.network.head if head_only else self._forward,
                lambda *batch: loss(*batch, **params),
                self.counts,
            )
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            self.schedule.step()
        mean = (total / sum(map(len, parts))).item()
        if not math.isfinite(mean):
            raise TrialError("not-a-number", f"the loss was {mean} in epoch {epoch + 1}")
        self.schedule.epoch(mean)
        return mean

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """float32 probabilities `[n, C]` of rows of the pixel table, by the network as it stands."""
        return predict(self.network, self.pixels, rows, self.task.device)

    def _inputs(self, part: np.ndarray, view: np.ndarray | None) -> Tensor:
        if view is not None:
            return torch.from_numpy(view[self.rows[part]])
        pixels = self.pixels[self.rows[part]]
        if is_image_transform(self.augment):
            self.augment.set_random_seed(int(self.seeds.integers(2**31)))
            pixels = np.stack([self.augment(image=image)["image"] for image in pixels])
        return torch.from_numpy(pixels)

    def _split(self, chosen: np.ndarray, inputs: Tensor) -> list[tuple[Tensor, Tensor]]:
        """The batch in the parts that are computed one after another."""
        count = min(self.recipe.training["accumulation"], len(chosen))
        inputs = inputs.to(self.task.device, non_blocking=True)
        if self.augment is not None and inputs.ndim == 4 and not is_image_transform(self.augment):
            inputs = self.augment(inputs.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        target = self.eye[torch.as_tensor(self.labels[chosen], device=self.task.device)]
        return list(zip(inputs.tensor_split(count), target.tensor_split(count), strict=True))

    def _forward(self, images: Tensor) -> Tensor:
        with torch.autocast(self.task.device.type, torch.bfloat16, enabled=self.bfloat16):
            return self.network(images)

    def _own_features(self) -> np.ndarray:
        return self.features.plain()[self.rows]
