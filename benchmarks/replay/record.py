"""`python -m benchmarks.replay.record`: train every recipe of the table once, and keep what it said.

A recipe is a file in the folder of its task as soon as it is through, so that the same command goes on
where it stopped, by whatever. A process records on one thread, and a task by one process at a time.
Tasks take turns, two recipes of the first to one of each other, so that a part is of use for all.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import numpy as np
from filelock import FileLock, Timeout

from automask.deadline import TimeUp, until
from automask.errors import DiskError, TrialError
from automask.machine import setup_process
from automask.space.recipe import Recipe
from automask.storage.files import atomic_write
from automask.training.features import Features
from automask.training.fold import FoldTrainer
from automask.training.heads import fit_heads
from automask.training.network import build
from automask.training.plan import Plan
from automask.training.task import Task
from benchmarks.replay import tasks
from benchmarks.replay.ranges import to_json
from benchmarks.replay.table import SCRATCH, TASKS

#: Seconds after which a recipe is given up: it is a failed one of the table.
LIMIT = 300


class Recorded:
    """What a recipe said: `score`, `seconds` of training and `scoring` seconds, each `[K, epochs]`.

    Seconds are those of the processor, of each epoch alone; what comes before it (images, networks,
    features) counts to the first. A recipe of which only the head trains does so in all folds at once:
    it has no scores but the last epoch's, and all its seconds are that of the first fold.
    """

    def __init__(self, folds: int, epochs: int) -> None:
        self.score, self.seconds, self.scoring = np.full((3, folds, epochs), np.nan, np.float32)


def record(task: Task, recipe: Recipe) -> tuple[Recorded, np.ndarray, bool]:
    """Train all folds as `training.fit` does, scoring after every epoch.

    What it said, out-of-fold probabilities `[N, C]`, and whether only heads trained.
    """
    count, epochs = task.fold_count, recipe.training["epochs"]
    said, clock = Recorded(count, epochs), _Clock()
    table = np.empty((len(task.folds), len(task.data.counts)), np.float32)
    features = Features(task, recipe)
    at_once = Plan(recipe, features.facts.stages).trains_only_head
    if at_once:
        results = fit_heads(task, [recipe], features, lambda step: None)[0]
        said.seconds[:, -1], said.seconds[0, -1], said.scoring[:, -1] = 0, clock.lap(), 0
        for fold, result in enumerate(results):
            _, rows = task.fold_rows(fold)
            table[rows] = result.validation
            said.score[fold, -1] = task.score(rows, table[rows])
        return said, table, at_once
    for fold in range(count):
        network = build(recipe, task.data.attributes, task.weights, task.seed, fold)
        trainer = FoldTrainer(task, recipe, features, fold, network)
        scored = trainer.data.scored
        for epoch in range(epochs):
            trainer.epoch(epoch)
            said.seconds[fold, epoch] = clock.lap()
            table[scored] = trainer.predict(scored)
            said.score[fold, epoch] = task.score(scored, table[scored])
            said.scoring[fold, epoch] = clock.lap()
    return said, table, at_once


def save(task: Task, recipe: Recipe, origin: str, file: Path) -> str:
    """Record a recipe into a file, also where it fails; what to tell of it."""
    begin, reason = time.process_time(), ""
    count = task.fold_count
    said, table, at_once = Recorded(count, recipe.training["epochs"]), np.empty((0, 0)), False
    try:
        with until(time.time() + LIMIT):
            said, table, at_once = record(task, recipe)
        if not np.isfinite(table).all():
            reason = "not-a-number"
    except TrialError as error:
        reason = error.reason
    except TimeUp:
        reason = "timed out"
    except DiskError:
        raise
    except Exception as error:
        reason = f"plugin error: {error}"
    seconds = time.process_time() - begin
    value = np.nan if reason else task.score(np.arange(len(table)), table)
    facts = {
        "recipe": recipe.to_json(),
        "origin": origin,
        "reason": reason,
        "at_once": at_once,
        "value": float(value),
        "seconds": seconds,
    }
    with atomic_write(file) as beside, open(beside, "wb") as opened:
        np.savez_compressed(
            opened,
            facts=np.array(json.dumps(facts)),
            score=said.score,
            seconds=said.seconds,
            scoring=said.scoring,
            probability=table.astype(np.float16),
        )
    return f"{value:.4f} {seconds:6.1f} s {recipe.describe()} {reason}"


def listed(name: str, task: Task, folder: Path) -> list[tuple[str, Recipe]]:
    """The task's recipes with where each is from, the same ones from the first start on."""
    file = folder / name / "task.json"
    if not file.exists():
        chosen = tasks.cheap(task)
        queued = tasks.queued(task, chosen)
        drawn = [tasks.drawn(chosen, index) for index in range(tasks.RECIPES[name])]
        told = {
            "space": to_json(chosen),
            "metric": task.metric,
            "labels": task.data.labels.tolist(),
            "folds": task.folds.tolist(),
            "groups": None if task.data.groups is None else task.data.groups.tolist(),
            "recipes": [("queue", recipe.to_dict()) for recipe in queued]
            + [("drawn", recipe.to_dict()) for recipe in drawn],
        }
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(file) as beside:
            beside.write_text(json.dumps(told))
    told = json.loads(file.read_text())
    return [(origin, Recipe.from_dict(recipe)) for origin, recipe in told["recipes"]]


def turns(counts: dict[str, int]) -> Iterator[tuple[str, int]]:
    """Every (task, index), two of the first task to one of each other."""
    first, *others = counts
    left = {name: iter(range(count)) for name, count in counts.items()}
    while left:
        for name in (first, first, *others):
            if name in left and (index := next(left[name], None)) is not None:
                yield name, index
            else:
                left.pop(name, None)


class _Clock:
    """Seconds of the processor since the last lap."""

    def __init__(self) -> None:
        self.last = time.process_time()

    def lap(self) -> float:
        now = time.process_time()
        self.last, since = now, now - self.last
        return since


def prepared(name: str, folder: Path) -> Task:
    """The task with every plain map made, which no recipe is charged for."""
    cache = folder / name / "cache"
    # What a killed process left half used is nobody's.
    for left in cache.glob("*.npy"):
        left.unlink()
    task, sizes = tasks.task(name, cache), tasks.CHEAP["image_size"].corners()
    for resize, size in itertools.product(task.images.resizes, sizes):
        task.images.at(resize, size)
    return task


def main() -> None:
    parser = argparse.ArgumentParser("benchmarks.replay.record", description=__doc__)
    parser.add_argument("--folder", type=Path, default=SCRATCH, help="where recipes are kept")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument("--most", type=int, help="stop after so many recipes")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    try:
        with ExitStack() as stack:
            for name in asked.tasks:
                stack.enter_context(FileLock(asked.folder / f"{name}.lock", timeout=0))
            run(asked.folder, asked.tasks, asked.most)
    except Timeout as error:
        print(f"another process holds {error.lock_file}")


def run(folder: Path, names: Sequence[str] = TASKS, most: int | None = None) -> None:
    setup_process(threads=1)
    found: dict[str, tuple[Task, list[tuple[str, Recipe]], set[Path]]] = {}
    for name in names:
        task = prepared(name, folder)
        plain = set(task.cache.glob("images-*.npy"))
        found[name] = task, listed(name, task, folder), plain
    counts = {name: len(recipes) for name, (_, recipes, _) in found.items()}
    todo = [(n, i) for n, i in turns(counts) if not _file(folder, n, i).exists()]
    for done, (name, index) in enumerate(todo[:most], start=1):
        task, recipes, plain = found[name]
        origin, recipe = recipes[index]
        line = save(task, recipe, origin, _file(folder, name, index))
        print(f"{time.strftime('%H:%M:%S')} {done}/{len(todo)} {name} {index} {line}", flush=True)
        # Each recipe pays for its own features, and for images that went through a preprocessing.
        for left in set(task.cache.glob("*.npy")) - plain:
            left.unlink()


def _file(folder: Path, name: str, index: int) -> Path:
    return folder / name / f"{index:04d}.npz"


if __name__ == "__main__":
    main()
