"""What is recorded: three small tasks, and recipes of the full space in settings that take seconds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from automask.diagnostics import advice
from automask.space import space_file
from automask.space.ranges import Categorical, Int, Range
from automask.space.recipe import Recipe
from automask.space.space import Space
from automask.study import adaptation
from automask.training.task import Task
from benchmarks import subsamples
from benchmarks.replay import ranges

#: Rows and recipes of each task, sign-digits being all of it.
ROWS = {"sign-digits": 486, "face-mask": 600, "clothing": 600}
RECIPES = {"sign-digits": 300, "face-mask": 150, "clothing": 150}
FOLDS, SEED = 5, 0

#: The full space's training, so small that a recipe takes some ten seconds of a slow processor.
CHEAP: dict[str, Range] = {
    "image_size": Categorical(32, 48),
    "epochs": Int(3, 4),
    "warmup_epochs": Int(0, 1),
    "batch_size": Categorical(64, 128),
}
#: Takes minutes a recipe on a processor, as its matrices are multiplied in bfloat16.
LEFT_OUT = ("optimizer", "muon")


def task(name: str, cache: Path) -> Task:
    sizes: Any = CHEAP["image_size"]
    largest = max(sizes.choices)
    return subsamples.task(name, SEED, cache, rows=ROWS[name], folds=FOLDS, largest=largest)


def cheap(of: Task) -> Space:
    """The full space, adapted to the task as a search does it, with `CHEAP` training and without what
    is `LEFT_OUT`."""
    checkpoints = dict(of.weights)
    chosen, _ = adaptation.for_target(space_file.load("full"), of.data.target)
    chosen, _ = adaptation.drop_unavailable(chosen, checkpoints, None)
    chosen, _ = adaptation.adapt(chosen, of.data, checkpoints, of.device.type)
    kind, out = LEFT_OUT
    kept = {name: ranges for name, ranges in chosen.competitors[kind].items() if name != out}
    return replace(chosen, competitors={**chosen.competitors, kind: kept}).with_training(**CHEAP)


def queued(of: Task, chosen: Space) -> list[Recipe]:
    """What a search tries first: the default recipe, the advice's, those of the probe's best."""
    return [chosen.default()[0], *advice.advice(of, chosen).recipes]


def drawn(chosen: Space, index: int) -> Recipe:
    """A recipe drawn evenly over the space, always the same at an index."""
    return chosen.sample(ranges.drawing(np.random.default_rng([SEED, index])))
