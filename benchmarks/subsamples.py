"""Real tasks cut down to some hundred rows, on which a run takes seconds."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from filelock import FileLock

from automask.data import dataset
from automask.data.folds import draw_folds
from automask.data.images import Images
from automask.data.synthetic.competition import draw_table
from automask.data.tables import Rows, Tables
from automask.space import registry
from automask.training import pretrained
from automask.training.task import Task

SHARED = Path(__file__).parents[2] / "shared"
FOLDS, LARGEST = 2, 96


@dataclass(frozen=True)
class Source:
    """Where a task's rows come from, and how many of them a run takes at most.

    `has` names what plugins may need (see `techniques.NEEDS`); a task with `kinds` is for these alone.
    """

    read: Callable[[Path], Tables]
    rows: int
    has: Collection[str] = ()
    kinds: Collection[str] = ()


def shared(name: str, cache: Path) -> Tables:
    return registry.get("reader", "table").function(SHARED / "data" / name)


def drawn(people: int, target: list[str], cache: Path) -> Tables:
    """The drawn mask competition as a table: ages in years, and a box around each face."""
    folder = cache / f"drawn-{people}"
    with FileLock(cache / f"{folder.name}.lock"):
        if not (folder / "answers.csv").exists():
            draw_table(folder, people=people, test_people=6)
    return registry.get("reader", "table").function(folder, target=target, limits=["age: 30, 60"])


SOURCES: dict[str, Source] = {
    "sign-digits": Source(functools.partial(shared, "sign-digits"), 300),
    "face-mask": Source(functools.partial(shared, "face-mask"), 300),
    "clothing": Source(functools.partial(shared, "clothing"), 300, has=["attributes"]),
    "drawn": Source(
        functools.partial(drawn, 120, ["mask", "gender", "age"]),
        300,
        has=["attributes", "boxes"],
        kinds=["head", "preprocessing"],
    ),
    # Few people are near an age limit, so that these are many, and nothing but their age is asked.
    "drawn ages": Source(
        functools.partial(drawn, 300, ["age"]), 1400, has=["numbers"], kinds=["labelling"]
    ),
}


def subsample(rows: Rows, count: int, seed: int) -> np.ndarray:
    """At most `count` row numbers in whole groups, none of which is more than a quarter of them.

    A class of which fewer than two groups are left is dropped: no fold could train and score it.
    """
    groups = np.arange(len(rows)) if rows.groups is None else np.asarray(rows.groups)
    group = np.unique(groups, return_inverse=True)[1]
    sizes, chosen, total = np.bincount(group), [], 0
    for index in np.random.default_rng(seed).permutation(len(sizes)):
        if sizes[index] <= min(count // 4, count - total):
            chosen.append(index)
            total += sizes[index]
    kept = np.flatnonzero(np.isin(group, chosen))
    classes = pd.Series(map(tuple, rows.attributes.iloc[kept].to_numpy()), dtype=object)
    spread = pd.Series(group[kept]).groupby(classes).transform("nunique")
    return kept[(spread >= 2).to_numpy(bool)]


def rows_at(rows: Rows, index: np.ndarray) -> Rows:
    def part(column: Any) -> Any:
        if column is None or not len(column):
            return column
        if isinstance(column, pd.DataFrame):
            return column.iloc[index].reset_index(drop=True)
        return column[index] if isinstance(column, np.ndarray) else [column[i] for i in index]

    return Rows(**{f.name: part(getattr(rows, f.name)) for f in dataclasses.fields(rows)})


@functools.lru_cache(maxsize=1)
def task(
    name: str,
    seed: int,
    cache: Path,
    *,
    rows: int | None = None,
    folds: int = FOLDS,
    largest: int = LARGEST,
) -> Task:
    """The task on a subsample, with folds and a training seed that all go by `seed`; no test rows."""
    tables = SOURCES[name].read(cache)
    kept = subsample(tables.train, rows or SOURCES[name].rows, seed)
    numbers = {k: replace(n, values=n.values[kept]) for k, n in tables.numbers.items()}
    train = rows_at(tables.train, kept)
    data = dataset.prepare(replace(tables, train=train, numbers=numbers, test=None, sample=None))
    resizes = {plugin.name: plugin.function for plugin in registry.plugins("resize").values()}
    return Task(
        data=data,
        folds=draw_folds(data, "stratified", folds, seed),
        metric="macro_f1",
        seed=seed,
        images=Images(data.paths, largest, resizes, cache),
        cache=cache,
        weights=pretrained.read_folder(SHARED / "weights"),
        device=torch.device("cpu"),
    )
