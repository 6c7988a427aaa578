"""Training one fold of a recipe whose backbone trains."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from automask.errors import TrialError
from automask.hpo.progress import RUNGS, Report, Step
from automask.space.recipe import Recipe
from automask.storage.cache import Cache
from automask.storage.trial_store import FoldResult
from automask.training import hardware, mixing
from automask.training.adapters import adapt
from automask.training.batches import EpochRows, Inputs, read_rows, resident, to_device
from automask.training.features import Features
from automask.training.fold_data import fold_data
from automask.training.hardware import MicroBatch
from automask.training.network import Network, build, parameter_groups, predict
from automask.training.optim import Optimization, accumulate, batches
from automask.training.plan import Plan
from automask.training.random_streams import torch_seed
from automask.training.task import Task, call_plugin


def fit_fold(
    task: Task, recipe: Recipe, features: Features, fold: int, report: Report
) -> FoldResult:
    """Train one fold from fresh weights and predict its scored rows and the test rows."""
    network = build(recipe, task.data.attributes, task.weights, task.seed, fold).to(task.device)
    trainer = FoldTrainer(task, recipe, features, fold, network)
    epochs, scored = recipe.training["epochs"], trainer.data.scored
    rungs = [math.ceil(share * epochs) for share in RUNGS] if fold == 0 else []
    for epoch in range(epochs):
        loss = trainer.epoch(epoch)
        step = Step(fold, epoch + 1, epochs, loss)
        if trainer.micro_batch.halved:
            step = replace(step, micro_batch=trainer.micro_batch.rows)
        if epoch + 1 in rungs and epoch + 1 < epochs:
            score = task.score(scored, trainer.predict(scored))
            step = replace(step, score=score, rung=rungs.index(epoch + 1))
        report(step)
    average: Any = trainer.optimization.average.module
    trainer.merge(average.backbone)
    return FoldResult(
        validation=trainer.predict(scored),
        test=trainer.predict(task.test_rows),
        test_key=task.test_key,
        state={key: value.cpu().contiguous() for key, value in average.state_dict().items()},
    )


class FoldTrainer:
    """One fold's network in training, by `FoldData` and an `Optimization`, whose average predicts."""

    def __init__(
        self, task: Task, recipe: Recipe, features: Features, fold: int, network: Network
    ) -> None:
        self.task, self.recipe, self.features, self.network = task, recipe, features, network
        self.merge = adapt(recipe, network.backbone)
        self.data = fold_data(task, recipe, fold)
        self.plan = Plan(recipe, network.stages)
        size, model = recipe.training["image_size"], recipe["backbone"].params.get("model", "")
        self.augment = call_plugin(recipe, "augmentation", size)
        self.pixels = task.pixels(recipe, fold)
        self.inputs = Inputs(
            self.pixels,
            self.augment,
            task.device,
            self.data.streams.augmentation,
            resident(self.pixels, task.device),
        )
        name = f"{recipe['backbone'].name} {model}"
        self.precision = hardware.choose_precision(
            network, name, size, task.device, Cache(task.cache).precision
        )
        self.optimization = Optimization(recipe, network, parameter_groups(network), self.precision)
        self.micro_batch = MicroBatch(
            Cache(task.cache).memory,
            f"{name} {size}px {task.device}",
            -(-recipe.training["batch_size"] // recipe.training["accumulation"]),
        )
        torch.manual_seed(torch_seed(task.seed, fold))

    def epoch(self, epoch: int) -> float:
        """Train one epoch; returns its mean loss. Raises `TrialError` where that isn't finite."""
        self.network.train_only(self.plan.trainable(epoch))
        drawn = self.data.draw(self.recipe, self.features)
        parts = batches(np.arange(len(drawn.rows)), self.recipe.training["batch_size"])
        self.optimization.begin(len(parts))
        table = None
        if self.plan.cached[epoch]:
            table = self.features.table(self.augment, epoch, self.data.fold)
        total = torch.zeros((), device=self.task.device)
        for places in parts:
            total += len(places) * self._backward(drawn.at(places), table)
            self.optimization.step()
        mean = (total / len(drawn.rows)).item()
        if not math.isfinite(mean):
            raise TrialError("not-a-number", f"the loss was {mean} in epoch {epoch + 1}")
        self.optimization.end(mean)
        return mean

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """float32 predictions `[n, C]` of rows of the pixel table, by the network as it stands."""
        network, target = self.optimization.average.module, self.task.data.target
        return predict(network, self.pixels, rows, self.task.device, target)

    def _backward(self, batch: EpochRows, table: np.ndarray | None) -> Tensor:
        """Leave the batch's gradient in the network; its mean loss.

        In as many parts as memory asks for. Batch norm has then counted the rows of those that
        didn't fit, too. The head alone computes where there is a `table` of features to read.
        """
        device = self.task.device
        inputs = (
            self.inputs(*batch) if table is None else to_device(read_rows(table, *batch), device)
        )
        # Once for the whole batch: its parts, and a second try in smaller ones, are of the same mixture.
        inputs, target = mixing.mix_batch(
            self.recipe, self.data.streams.mix, inputs, self.data.target(batch.rows)
        )

        def backward(rows: int) -> Tensor:
            self.network.zero_grad(set_to_none=True)
            count = -(-len(target) // rows)
            if rows > 1:
                # Rather one row more than a part of a single one, which batch norm couldn't take.
                count = min(count, max(1, len(target) // 2))
            parts = zip(inputs.tensor_split(count), target.tensor_split(count), strict=True)
            forward = self._forward if table is None else self.network.head
            counts, scale = self.data.class_counts, self.optimization.scaler.scale
            return accumulate(list(parts), forward, self._loss, counts, scale)

        return self.micro_batch.fit(backward, len(target))

    def _loss(self, logits: Tensor, target: Tensor, class_counts: Tensor) -> Tensor:
        return call_plugin(self.recipe, "loss", logits, target, class_counts)

    def _forward(self, images: Tensor) -> Tensor:
        half = self.precision != torch.float32
        with torch.autocast(self.task.device.type, self.precision, enabled=half):
            return self.network(images)
