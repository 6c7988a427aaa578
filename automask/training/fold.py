"""Training one fold of a recipe whose backbone trains."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from automask.errors import TrialError
from automask.hpo.progress import RUNGS, Report, Step
from automask.space.recipe import Recipe
from automask.storage.json_cache import get, put
from automask.storage.trial_store import FoldResult
from automask.training import hardware, mixing
from automask.training.batches import EpochRows, Inputs, draw_epoch, read_rows, resident, to_device
from automask.training.features import Features
from automask.training.hardware import run_halving
from automask.training.network import Network, build, parameter_groups, predict
from automask.training.optim import Average, Schedule, accumulate, batches
from automask.training.task import Task, call_plugin


def fit_fold(
    task: Task, recipe: Recipe, features: Features, fold: int, report: Report
) -> FoldResult:
    """Train one fold from fresh weights and predict its scored rows and the test rows."""
    network = build(recipe, task.data.attributes, task.weights, task.seed, fold).to(task.device)
    trainer = FoldTrainer(task, recipe, features, fold, network)
    epochs = recipe.training["epochs"]
    rungs = [math.ceil(share * epochs) for share in RUNGS] if fold == 0 else []
    for epoch in range(epochs):
        loss = trainer.epoch(epoch)
        step = Step(fold, epoch + 1, epochs, loss)
        if trainer.halved:
            step = replace(step, micro_batch=trainer.micro_batch)
        if epoch + 1 in rungs and epoch + 1 < epochs:
            score = task.score(task.data.labels[trainer.scored], trainer.predict(trainer.scored))
            step = replace(step, score=score, rung=rungs.index(epoch + 1))
        report(step)
    return FoldResult(
        validation=trainer.predict(trainer.scored),
        test=trainer.predict(task.test_rows),
        test_key=task.test_key,
        state={
            key: value.cpu().contiguous()
            for key, value in trainer.average.module.state_dict().items()
        },
    )


class FoldTrainer:
    """One fold's network with its optimizer, schedule and random numbers; its average predicts.

    `micro_batch` rows are computed at once and `halved` says that memory sufficed for no more: from
    then on it is known of this model on this machine.
    """

    def __init__(
        self, task: Task, recipe: Recipe, features: Features, fold: int, network: Network
    ) -> None:
        self.task, self.recipe, self.network, self.features = task, recipe, network, features
        self.fold, (_, self.scored) = fold, task.fold_rows(fold)
        self.rows, self.labels = task.training_part(recipe, fold)
        classes = len(task.data.attributes.classes)
        counts = np.bincount(self.labels, minlength=classes)
        self.counts = torch.as_tensor(counts, dtype=torch.float32, device=task.device)
        targets = task.targets(fold)[task.target_of(self.rows, self.labels)]
        self.targets = torch.from_numpy(targets).to(task.device)
        self.optimizer = call_plugin(recipe, "optimizer", parameter_groups(network))
        self.augment = call_plugin(recipe, "augmentation", recipe.training["image_size"])
        self.rng = np.random.default_rng([task.seed, fold])
        seeds = np.random.default_rng([task.seed, fold, 1])
        self.mixing = np.random.default_rng([task.seed, fold, 2])
        self.mixes_features = not mixing.refusal(recipe)
        self.average = Average(network, recipe.training["ema_decay"])
        self.pixels = task.pixels(recipe, fold)
        table = resident(self.pixels, task.device)
        self.inputs = Inputs(self.pixels, self.augment, task.device, seeds, table)
        self.schedule: Schedule | None = None
        size, model = recipe.training["image_size"], recipe["backbone"].params.get("model", "")
        name = f"{recipe['backbone'].name} {model}"
        self.precision = hardware.choose(
            network, name, size, task.device, task.cache / "precision.json"
        )
        # float16's gradients would vanish below its range. Torch begins at 65,536, where the first
        # steps of some networks overflow and are lost: of a short training too many.
        self.scaler = torch.amp.GradScaler(
            task.device.type, init_scale=1024.0, enabled=self.precision == torch.float16
        )
        self.memory_file, self.memory_key = (
            task.cache / "memory.json",
            f"{name} {size}px {task.device}",
        )
        asked = -(-recipe.training["batch_size"] // recipe.training["accumulation"])
        self.micro_batch = min(asked, get(self.memory_file, self.memory_key, asked))
        self.halved = self.micro_batch < asked
        torch.manual_seed(task.seed * 1000 + fold + 1)

    def epoch(self, epoch: int) -> float:
        """Train one epoch; returns its mean loss. Raises `TrialError` where that isn't finite."""
        training = self.recipe.training
        names = call_plugin(self.recipe, "freeze", self.network.stages, epoch / training["epochs"])
        self.network.train_only(names)
        head_only = set(names) <= set(self.network.head_names)
        drawn = draw_epoch(self.recipe, self.labels, self._own_features, self.rng)
        parts = batches(np.arange(len(drawn.rows)), training["batch_size"])
        if self.schedule is None:
            self.schedule = Schedule(self.recipe, self.optimizer, len(parts))
        # A mix of pixels isn't dropped: it goes through the backbone, frozen or not.
        cached = head_only and self.mixes_features
        view = self.features.view(self.augment, epoch, self.fold) if cached else None
        total = torch.zeros((), device=self.task.device)
        for places in parts:
            total += len(places) * self._backward(drawn.at(places), view)
            self.scaler.step(self.optimizer)
            self.scaler.update()
            self.average.step()
            self.optimizer.zero_grad(set_to_none=True)
            self.schedule.step()
        mean = (total / len(drawn.rows)).item()
        if not math.isfinite(mean):
            raise TrialError("not-a-number", f"the loss was {mean} in epoch {epoch + 1}")
        self.schedule.epoch(mean)
        return mean

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """float32 probabilities `[n, C]` of rows of the pixel table, by the network as it stands."""
        return predict(self.average.module, self.pixels, rows, self.task.device)

    def _backward(self, chosen: EpochRows, view: np.ndarray | None) -> Tensor:
        """Leave the batch's gradient in the network; its mean loss.

        In as many parts as memory asks for. Batch norm has then counted the rows of those that
        didn't fit, too.
        """
        own = chosen.of(self.rows)
        device = self.task.device
        inputs = self.inputs(*own) if view is None else to_device(read_rows(view, *own), device)
        target = self.targets[to_device(chosen.rows, device)]
        # Once for the whole batch: its parts, and a second try in smaller ones, are of the same mixture.
        inputs, target = mixing.mix_batch(self.recipe, self.mixing, inputs, target)

        def backward(micro_batch: int) -> Tensor:
            self.optimizer.zero_grad(set_to_none=True)
            count = -(-len(target) // micro_batch)
            if micro_batch > 1:
                # Rather one row more than a part of a single one, which batch norm couldn't take.
                count = min(count, max(1, len(target) // 2))
            parts = zip(inputs.tensor_split(count), target.tensor_split(count), strict=True)
            forward = self._forward if view is None else self.network.head
            return accumulate(list(parts), forward, self._loss, self.counts, self.scaler.scale)

        loss, fitted = run_halving(backward, min(self.micro_batch, len(target)))
        if fitted < min(self.micro_batch, len(target)):
            self.micro_batch, self.halved = fitted, True
            put(self.memory_file, self.memory_key, fitted)
        return loss

    def _loss(self, logits: Tensor, target: Tensor, class_counts: Tensor) -> Tensor:
        return call_plugin(self.recipe, "loss", logits, target, class_counts)

    def _forward(self, images: Tensor) -> Tensor:
        half = self.precision != torch.float32
        with torch.autocast(self.task.device.type, self.precision, enabled=half):
            return self.network(images)

    def _own_features(self) -> np.ndarray:
        return self.features.plain(self.fold)[self.rows]
