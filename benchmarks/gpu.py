"""On a GPU: training against the bare step, augmentation there against on the processor."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import albumentations as A
import torch
from torch.nn import functional as F

from automask.machine import setup_process
from automask.space.recipe import Recipe
from automask.training.features import Features
from automask.training.fold import FoldTrainer
from automask.training.network import build
from automask.training.task import Task
from benchmarks import tasks
from benchmarks.measure import Figure, in_turn, ratio

ROWS, SIZE, BATCH = 2_000, 224, 64


def figures() -> list[Figure]:
    """None where there is no GPU."""
    if not torch.cuda.is_available():
        return []
    setup_process()
    with tempfile.TemporaryDirectory() as name:
        paths = tasks.draw(Path(name) / "images", ROWS, 256)
        task = replace(tasks.task(paths, SIZE, Path(name) / "cache"), device=torch.device("cuda"))
        return [figure for model in ("resnet50", "convnext_tiny") for figure in on(task, model)]


def on(task: Task, model: str) -> list[Figure]:
    recipes = {
        aug: tasks.recipe(model, image_size=SIZE, augmentation=aug, batch_size=BATCH, epochs=100)
        for aug in ("none", "light")
    }
    own = {aug: trainer(task, recipe) for aug, recipe in recipes.items()}
    own["processor"] = trainer(task, recipes["light"])
    own["processor"].inputs.augment = A.Compose(
        [
            A.Affine(rotate=(-30, 30), translate_percent=(-0.06, 0.06), scale=(0.94, 1.06), p=1.0),
            A.RandomBrightnessContrast(0.15, 0.15, p=0.5),
        ]
    )
    own["processor"].inputs.by_image = True
    rows = len(own["none"].rows)
    sides = {aug: epochs(of) for aug, of in own.items()}
    times = in_turn({"bare": bare_step(task, recipes["none"], rows), **sides}, 5)
    gpu = torch.cuda.get_device_name()
    note = f"{gpu}; bare step {rows / statistics.median(times['bare']):.0f} images/s"
    return [
        ratio(f"{model}, none, over bare step", times["bare"], times["none"], 0.95, note),
        ratio(
            f"{model}, light on the GPU, over bare step", times["bare"], times["light"], 0.95, note
        ),
        ratio(
            f"{model}, augmentation on the GPU over on the processor",
            times["processor"],
            times["light"],
            1.0,
            note,
        ),
    ]


def trainer(task: Task, recipe: Recipe) -> FoldTrainer:
    network = build(recipe, task.data.attributes, {}, task.seed, 0).to(task.device)
    return FoldTrainer(task, recipe, Features(task, recipe), 0, network)


def epochs(of: FoldTrainer) -> Callable[[], None]:
    numbers = iter(range(1000))

    def run() -> None:
        of.epoch(next(numbers))
        torch.cuda.synchronize()

    return run


def bare_step(task: Task, recipe: Recipe, rows: int) -> Callable[[], None]:
    """The same network on one normalised batch that already lies on the GPU."""
    network = build(recipe, task.data.attributes, {}, task.seed, 0).to(task.device).train()
    images = torch.randn(BATCH, 3, SIZE, SIZE, device=task.device)
    images = images.to(memory_format=torch.channels_last)
    labels = torch.arange(BATCH, device=task.device) % tasks.CLASSES
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-5, fused=True)

    def run() -> None:
        for _ in range(-(-rows // BATCH)):
            with torch.autocast("cuda", torch.bfloat16):
                logits = network.head(network.backbone(images))
            F.cross_entropy(logits.float(), labels).backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        torch.cuda.synchronize()

    return run
