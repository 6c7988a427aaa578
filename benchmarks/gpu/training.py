"""Training epochs against the bare step, a plain script, and augmentation on the processor."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import albumentations as A
import timm
import torch
from torch.nn import functional as F

from automask.space.recipe import Recipe
from automask.training.features import Features
from automask.training.fold import FoldTrainer
from automask.training.network import build
from automask.training.task import Task
from benchmarks import epochs, tasks
from benchmarks.measure import Figure, in_turn, ratio

BATCH = 64
MODELS = ("resnet50", "convnext_tiny")


def figures(
    folder: Path,
    models: Sequence[str] = MODELS,
    rows: int = 2_000,
    size: int = 224,
    rounds: int = 5,
    workers: Sequence[int] = (4, 16),
) -> Iterator[Figure]:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    paths = tasks.draw(folder / "images", rows, 256)
    task = replace(tasks.task(paths, size, folder / "cache"), device=device)
    for model in models:
        name = f"{model} {size} px"
        recipes = {
            aug: tasks.recipe(
                model, image_size=size, augmentation=aug, batch_size=BATCH, epochs=100
            )
            for aug in ("none", "light")
        }
        own = {aug: trainer(task, recipe) for aug, recipe in recipes.items()}
        yield from over_bare(name, recipes["none"], own, rounds)
        mine = [paths[row] for row in own["light"].data.rows]
        scripts = {
            f"{count} workers": script(mine, model, size, count, device, own["none"].precision)
            for count in workers
        }
        yield over_script(name, own["light"], scripts)
        if model == models[0]:
            yield over_processor(name, own["light"], trainer(task, recipes["light"]))


def over_bare(
    name: str, recipe: Recipe, own: dict[str, FoldTrainer], rounds: int
) -> Iterator[Figure]:
    of = own["none"]
    step = bare_step(of.task, recipe, len(of.data.rows), of.precision)
    times = in_turn({"bare": step, **{aug: epoch(each) for aug, each in own.items()}}, rounds)
    speed = len(of.data.rows) / statistics.median(times["bare"])
    note = f"bare step {speed:.0f} images/s, {str(of.precision)[6:]}"
    for aug in own:
        name_ = f"{name}, epoch with {aug} over the bare step"
        yield ratio(name_, times["bare"], times[aug], 0.95, note)


def over_script(
    name: str, own: FoldTrainer, scripts: dict[str, Callable[[], None]], rounds: int = 2
) -> Figure:
    times = in_turn({"automask": epoch(own), **scripts}, rounds)
    middle = {side: statistics.median(of) for side, of in times.items()}
    note = ", ".join(
        f"{side} {len(own.data.rows) / each:.0f} images/s" for side, each in middle.items()
    )
    best = times[min(scripts, key=middle.__getitem__)]
    return ratio(f"{name}, light, over a DataLoader script", best, times["automask"], 1.0, note)


def over_processor(name: str, own: FoldTrainer, other: FoldTrainer) -> Figure:
    """The augmentation as the batch's, on the device, over albumentations image by image."""
    other.inputs.augment = A.Compose(
        [
            A.Affine(rotate=(-30, 30), translate_percent=(-0.06, 0.06), scale=(0.94, 1.06), p=1.0),
            A.RandomBrightnessContrast(0.15, 0.15, p=0.5),
        ]
    )
    other.inputs.by_image = True
    times = in_turn({"there": epoch(own), "here": epoch(other)}, 1)
    name = f"{name}, augmentation on the GPU over on the processor"
    return ratio(name, times["here"], times["there"], 1.0)


def trainer(task: Task, recipe: Recipe) -> FoldTrainer:
    network = build(recipe, task.data.attributes, {}, task.seed, 0).to(task.device)
    return FoldTrainer(task, recipe, Features(task, recipe), 0, network)


def epoch(of: FoldTrainer) -> Callable[[], None]:
    numbers = iter(range(1000))
    return lambda: of.epoch(next(numbers)) and None


def bare_step(task: Task, recipe: Recipe, rows: int, precision: torch.dtype) -> Callable[[], None]:
    """The same network on one normalised batch that already lies on the device."""
    network = build(recipe, task.data.attributes, {}, task.seed, 0).to(task.device).train()
    size = recipe.training["image_size"]
    images = torch.randn(BATCH, 3, size, size, device=task.device)
    images = images.to(memory_format=torch.channels_last)
    labels = torch.arange(BATCH, device=task.device) % tasks.CLASSES
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-5, fused=True)
    half = precision != torch.float32

    def run() -> None:
        loss = images.new_zeros(())
        for _ in range(-(-rows // BATCH)):
            with torch.autocast(task.device.type, precision, enabled=half):
                logits = network.head(network.backbone(images))
            loss = F.cross_entropy(logits.float(), labels)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        loss.item()

    return run


def script(
    paths: list[Path],
    model: str,
    size: int,
    workers: int,
    device: torch.device,
    precision: torch.dtype,
) -> Callable[[], None]:
    """What a notebook does with a GPU: workers decode and augment, the step is autocast."""
    network = timm.create_model(model, num_classes=tasks.CLASSES).to(device)
    network = network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-5, fused=True)
    half, pinned = precision != torch.float32, device.type == "cuda"
    loader = torch.utils.data.DataLoader(
        epochs.Files(paths, size),
        BATCH,
        shuffle=True,
        num_workers=workers,
        persistent_workers=True,
        pin_memory=pinned,
    )

    def run() -> None:
        loss = torch.zeros((), device=device)
        for images, labels in loader:
            images = images.to(device, non_blocking=True, memory_format=torch.channels_last)
            with torch.autocast(device.type, precision, enabled=half):
                logits = network(images)
            loss = F.cross_entropy(logits.float(), labels.to(device, non_blocking=True))
            loss.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        loss.item()

    return run
