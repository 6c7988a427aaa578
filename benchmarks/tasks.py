"""Drawn tasks and plain recipes: what is measured needs no download."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image

from automask.data import dataset
from automask.data.images import Images
from automask.data.tables import Rows, Tables
from automask.machine import cores
from automask.space import registry
from automask.space.kinds import DEFAULTS
from automask.space.recipe import TRAINING_DEFAULTS, Choice, Recipe
from automask.training.task import Task

CLASSES = 10


def draw(folder: Path, count: int, side: int) -> list[Path]:
    """JPEG files with the grain of photographs: smooth shapes under a little noise."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{index}.jpg" for index in range(count)]

    def one(index: int) -> None:
        rng = np.random.default_rng(index)
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC), np.int16)
        noisy = smooth + rng.integers(-12, 13, (side, side, 1))
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(paths[index], quality=90)

    with ThreadPoolExecutor(cores()) as pool:
        list(pool.map(one, [i for i, path in enumerate(paths) if not path.exists()]))
    return paths


def task(paths: list[Path], largest: int, cache: Path, folds: int = 5) -> Task:
    """A task over those images, with labels in turn and no test rows."""
    labels = [str(index % CLASSES) for index in range(len(paths))]
    rows = Rows([path.stem for path in paths], paths, pd.DataFrame({"label": labels}))
    resizes = {plugin.name: plugin.function for plugin in registry.plugins("resize").values()}
    return Task(
        data=dataset.prepare(Tables(rows)),
        folds=np.arange(len(paths)) // CLASSES % folds,
        metric="macro_f1",
        seed=0,
        images=Images(paths, largest, resizes, cache),
        cache=cache,
        weights={},
        device=torch.device("cpu"),
    )


def recipe(model: str, **changes: Any) -> Recipe:
    """Training of everything from random weights; a keyword names a plugin or sets the training's."""
    names = {**DEFAULTS, "augmentation": "none"}
    del names["backbone"]
    training = {
        **TRAINING_DEFAULTS,
        "pretrained": False,
        "image_size": 96,
        "warmup_epochs": 0,
        "batch_size": 32,
    }
    training |= {key: value for key, value in changes.items() if key not in names}
    names |= {key: value for key, value in changes.items() if key in names}
    choices = {
        kind: Choice(name, registry.get(kind, name).defaults) for kind, name in names.items()
    }
    return Recipe(
        {"backbone": Choice("timm", {"model": model, "drop_path_rate": 0.0}), **choices}, training
    )
