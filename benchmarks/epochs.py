"""A training epoch against the bare step, and against what people would otherwise write."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from torch import nn
from torch.nn import functional as F

from automask.machine import setup_process
from automask.space.recipe import Recipe
from automask.training.features import Features
from automask.training.fold import FoldTrainer
from automask.training.network import build
from automask.training.task import Task
from benchmarks import tasks
from benchmarks.measure import Figure, in_turn, ratio

BATCH = 32
#: Name, edge in pixels, images, rounds, and the goal with augmentation: as near to 1 as it gets for
#: the small ones, of whose time the augmentation itself is a larger share.
MODELS = (
    ("mobilenetv3_small_050", 96, 480, 7, 0.9),
    ("resnet18", 96, 160, 5, 0.95),
    ("regnetx_002", 128, 240, 5, 0.9),
)


def figures() -> list[Figure]:
    setup_process()
    found = []
    with tempfile.TemporaryDirectory() as folder:
        paths = tasks.draw(Path(folder) / "images", 1000, 160)
        for model, size, rows, rounds, light_goal in MODELS:
            task = tasks.task(paths[:rows], size, Path(folder) / "cache")
            found += against_the_bare_step(task, model, size, rounds, light_goal)
        task = tasks.task(paths[:800], 96, Path(folder) / "cache")
        found.append(against_a_script(task, paths[:800], Path(folder)))
    return found


def against_the_bare_step(
    task: Task, model: str, size: int, rounds: int, light_goal: float
) -> list[Figure]:
    """Images a second of an epoch by those of the bare step, without and with augmentation."""
    own = {aug: trainer(task, recipe(model, size, aug)) for aug in ("none", "light")}
    rows = len(own["none"].data.rows)
    times = in_turn(
        {
            "bare": bare_step(task, recipe(model, size, "none"), rows, own["none"].precision),
            **{aug: epochs(of) for aug, of in own.items()},
        },
        rounds,
    )
    speed = rows / statistics.median(times["bare"])
    note = f"bare step {speed:.0f} images/s, {own['none'].precision}"
    return [
        ratio(
            f"epoch over bare step, {model} {size} px, {aug}", times["bare"], times[aug], goal, note
        )
        for aug, goal in (("none", 0.95), ("light", light_goal))
    ]


def recipe(model: str, size: int, augmentation: str) -> Recipe:
    return tasks.recipe(
        model, image_size=size, augmentation=augmentation, batch_size=BATCH, epochs=100
    )


def trainer(task: Task, of: Recipe) -> FoldTrainer:
    network = build(of, task.data.attributes, {}, task.seed, 0)
    return FoldTrainer(task, of, Features(task, of), 0, network)


def epochs(of: FoldTrainer) -> Callable[[], None]:
    numbers = iter(range(1000))
    return lambda: of.epoch(next(numbers)) and None


def bare_step(task: Task, of: Recipe, rows: int, precision: torch.dtype) -> Callable[[], None]:
    """The same network on normalised tensors in memory: forward, backward, step and nothing else."""
    network = build(of, task.data.attributes, {}, task.seed, 0).train()
    size = of.training["image_size"]
    images = torch.randn(rows, 3, size, size).to(memory_format=torch.channels_last)
    labels = torch.arange(rows) % tasks.CLASSES
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-5, fused=True)
    parts = np.array_split(np.arange(rows), -(-rows // BATCH))

    def run() -> None:
        for part in parts:
            chosen = slice(part[0], part[-1] + 1)
            with torch.autocast("cpu", precision, enabled=precision != torch.float32):
                logits = network.head(network.backbone(images[chosen]))
            F.cross_entropy(logits.float(), labels[chosen]).backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    return run


class Files(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """What a notebook has: Pillow opens a file, albumentations resizes, moves and normalises it."""

    def __init__(self, paths: list[Path], size: int) -> None:
        import albumentations as A
        from albumentations.pytorch import ToTensorV2

        self.paths = paths
        self.transform = A.Compose(
            [
                A.Resize(size, size),
                A.Affine(
                    rotate=(-30, 30), translate_percent=(-0.06, 0.06), scale=(0.94, 1.06), p=1.0
                ),
                A.RandomBrightnessContrast(0.15, 0.15, p=0.5),
                A.Normalize(),
                ToTensorV2(),
            ]
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        from PIL import Image

        with Image.open(self.paths[index]) as file:
            image = np.asarray(file.convert("RGB"))
        return self.transform(image=image)["image"], index % tasks.CLASSES


def against_a_script(task: Task, paths: list[Path], folder: Path) -> Figure:
    """An epoch with augmentation against a DataLoader's, with the best number of its workers."""
    model, size = "mobilenetv3_small_050", 96
    own = trainer(task, recipe(model, size, "light"))
    mine = [paths[row] for row in own.data.rows]
    sides: dict[str, Any] = {"automask": epochs(own)}
    for workers in (0, 1, 2):
        sides[f"{workers} workers"] = script(Files(mine, size), model, workers)
    times = in_turn(sides, 3)
    best = min(list(sides)[1:], key=lambda name: statistics.median(times[name]))
    note = f"{best}; " + ", ".join(
        f"{name} {len(mine) / statistics.median(of):.0f} images/s" for name, of in times.items()
    )
    return ratio(
        f"epoch over a DataLoader's, {model} {size} px, light",
        times[best],
        times["automask"],
        2.0,
        note,
    )


def script(files: Files, model: str, workers: int) -> Callable[[], None]:
    network = timm.create_model(model, num_classes=tasks.CLASSES)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-5)
    loader = torch.utils.data.DataLoader(
        files, BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0
    )
    loss = nn.CrossEntropyLoss()

    def run() -> None:
        for images, labels in loader:
            optimizer.zero_grad()
            loss(network(images), labels).backward()
            optimizer.step()

    return run
