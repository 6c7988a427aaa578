"""Training one fold of a recipe whose backbone trains."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from automask.errors import TrialError
from automask.hpo.progress import Interrupted, Report, Step
from automask.space.recipe import Recipe
from automask.storage import checkpoint
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

#: Seconds between two checkpoints: writing one takes some hundredths of a second.
INTERVAL = 20.0


def fit_fold(
    task: Task,
    recipe: Recipe,
    features: Features,
    fold: int,
    report: Report,
    file: Path | None = None,
) -> FoldResult:
    """Train one fold from fresh weights, or from the checkpoint in that file, and predict its scored
    rows and the test rows."""
    trainer = train_fold(task, recipe, features, fold, report, file)
    average: Any = trainer.optimization.average.module
    trainer.merge(average.backbone)
    return FoldResult(
        validation=trainer.predict(trainer.data.scored),
        test=trainer.predict(task.test_rows),
        test_key=task.test_key,
        state={key: value.cpu().contiguous() for key, value in average.state_dict().items()},
    )


def train_fold(
    task: Task,
    recipe: Recipe,
    features: Features,
    fold: int,
    report: Report,
    file: Path | None = None,
) -> FoldTrainer:
    """Train one fold to its end; with a `file` checkpoints are kept there, and gone on from."""
    network = build(recipe, task.data.attributes, task.weights, task.seed, fold).to(task.device)
    trainer = FoldTrainer(task, recipe, features, fold, network)
    epochs, first, saved = recipe.training["epochs"], 0, time.monotonic()
    before = checkpoint.load(file) if file else None
    if before and before["epochs"] == epochs:
        first = before["epoch"]
        trainer.restore(before["trainer"])
    for epoch in range(first, epochs):
        step = Step(fold, epoch + 1, epochs, trainer.epoch(epoch))
        if trainer.micro_batch.halved:
            step = replace(step, micro_batch=trainer.micro_batch.rows)
        if file and epoch + 1 < epochs and time.monotonic() - saved >= INTERVAL:
            _save(file, trainer, epochs, epoch + 1)
            saved = time.monotonic()
        try:
            report(step)
        except Interrupted:
            if file and epoch + 1 < epochs:
                _save(file, trainer, epochs, epoch + 1)
            raise
    return trainer


def _save(file: Path, trainer: FoldTrainer, epochs: int, epoch: int) -> None:
    # Without it an interrupted fold begins anew. An optimizer of a plugin's may have a state that can't
    # be written, and a disk may be full, which whatever must be written will tell.
    with suppress(OSError, TypeError):
        state = {"epochs": epochs, "epoch": epoch, "trainer": trainer.state()}
        checkpoint.save(file, state)


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

    def state(self) -> dict[str, Any]:
        """What `restore` goes on from, after an epoch."""
        cuda = self.task.device.type == "cuda"
        return {
            "network": self.network.state_dict(),
            "optimization": self.optimization.state(),
            "streams": [stream.bit_generator.state for stream in self.data.streams],
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state(self.task.device) if cuda else None,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on as whatever gave that state would have."""
        self.network.load_state_dict(state["network"])
        self.optimization.restore(state["optimization"])
        for stream, own in zip(self.data.streams, state["streams"], strict=True):
            stream.bit_generator.state = own
        torch.set_rng_state(state["torch"])
        if state["cuda"] is not None:
            torch.cuda.set_rng_state(state["cuda"], self.task.device)

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
        value: Tensor = call_plugin(self.recipe, "loss", logits, target, class_counts)
        return value

    def _forward(self, images: Tensor) -> Tensor:
        half = self.precision != torch.float32
        with torch.autocast(self.task.device.type, self.precision, enabled=half):
            logits: Tensor = self.network(images)
            return logits
