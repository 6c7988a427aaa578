"""Trials that train only heads: cached features against the frozen backbone, all heads at once."""

from __future__ import annotations

import functools
import statistics
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import nn

from automask.hpo.progress import Step
from automask.machine import setup_process
from automask.space.recipe import Choice, Recipe
from automask.storage.trial_store import TrialStore
from automask.training import heads, trial
from automask.training.batches import Inputs
from automask.training.features import Features
from automask.training.network import build
from automask.training.task import Task, call_plugin
from benchmarks import tasks
from benchmarks.measure import Figure, in_turn, ratio, seconds

EPOCHS, FOLDS = 20, 5


def figures() -> list[Figure]:
    setup_process()
    with tempfile.TemporaryDirectory() as folder:
        paths = tasks.draw(Path(folder) / "images", 1000, 160)
        found = [
            against_the_frozen_backbone(
                tasks.task(paths[:rows], size, Path(folder) / "cache"), model, size
            )
            for model, size, rows in (("mobilenetv3_small_050", 96, 500), ("regnetx_002", 128, 200))
        ]
        task = tasks.task(paths, 96, Path(folder) / "cache")
        return found + at_once(task)


def quiet(step: Step) -> None:
    pass


def against_the_frozen_backbone(task: Task, model: str, size: int) -> Figure:
    """The whole trial, saved probabilities included, by the same one without a cache."""
    recipe = tasks.recipe(model, image_size=size, freeze="head_only", epochs=EPOCHS)
    numbers = iter(range(1000))

    def cached() -> None:
        trial.fit(task, recipe, TrialStore(task.cache / f"{model}-{next(numbers)}"), quiet)

    cached()
    ours = [seconds(cached) for _ in range(5)]
    theirs = seconds(functools.partial(through_the_backbone, task, recipe))
    return ratio(
        f"head-only trial, cached over computed, {model} {size} px",
        [theirs] * len(ours),
        ours,
        50.0,
        f"{len(task.folds)} images: {statistics.median(ours):.2f} s and {theirs:.0f} s",
    )


def through_the_backbone(task: Task, recipe: Recipe) -> None:
    pixels = task.pixels(recipe, 0)
    labels = torch.as_tensor(task.data.labels)
    inputs = Inputs(pixels, None, task.device, np.random.default_rng(0))
    for fold in range(FOLDS):
        network = build(recipe, task.data.attributes, {}, task.seed, fold)
        network.backbone.eval()
        optimizer = torch.optim.AdamW(network.head.parameters(), lr=1e-3, fused=True)
        rows, scored = task.fold_rows(fold)
        for _ in range(EPOCHS):
            for part in np.array_split(np.random.permutation(rows), -(-len(rows) // 32)):
                with torch.no_grad():
                    features = network.features(inputs(part))
                loss = nn.functional.cross_entropy(network.head(features), labels[part])
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()
        with torch.no_grad():
            network(inputs(scored))


def at_once(task: Task) -> list[Figure]:
    """Heads of five folds, and those at four learning rates, against one after the other."""
    model, rates = "regnetx_002", (3e-4, 1e-3, 3e-3, 1e-2)
    recipe = tasks.recipe(model, image_size=96, freeze="head_only", epochs=5)
    several = [
        Recipe(
            {
                **recipe.choices,
                "optimizer": Choice("adamw", {**recipe["optimizer"].params, "lr": lr}),
            },
            recipe.training,
        )
        for lr in rates
    ]
    features = Features(task, recipe)
    features.plain(0)
    times = in_turn(
        {
            "folds": lambda: heads.fit_heads(task, [recipe], features, quiet),
            "folds alone": lambda: one_by_one(task, [recipe], features),
            "all": lambda: heads.fit_heads(task, several, features, quiet),
            "all alone": lambda: one_by_one(task, several, features),
        },
        5,
    )
    note = f"D {features.facts.D}, {len(task.data.labels)} rows, batches of 32"
    return [
        ratio(
            "heads of 5 folds x 4 learning rates at once over one by one",
            times["all alone"],
            times["all"],
            3.0,
            note,
        ),
        ratio(
            "heads of 5 folds at once over one by one",
            times["folds alone"],
            times["folds"],
            3.0,
            note,
        ),
    ]


def one_by_one(task: Task, recipes: list[Recipe], features: Features) -> None:
    """Each head by a plain loop over tensors in memory."""
    table, labels = torch.from_numpy(np.array(features.plain(0))), torch.as_tensor(task.data.labels)
    for recipe in recipes:
        for fold in range(FOLDS):
            head = nn.Linear(features.facts.D, tasks.CLASSES)
            rows, scored = task.fold_rows(fold)
            group = {"params": list(head.parameters()), "stage": 0, "head": True, "decay": True}
            optimizer = call_plugin(recipe, "optimizer", [group])
            steps, epochs = -(-len(rows) // 32), recipe.training["epochs"]
            schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps * epochs)
            for _ in range(epochs):
                for part in np.array_split(np.random.permutation(rows), steps):
                    nn.functional.cross_entropy(head(table[part]), labels[part]).backward()
                    optimizer.step()
                    optimizer.zero_grad()
                    schedule.step()
            with torch.no_grad():
                head(table[scored]).softmax(-1)
