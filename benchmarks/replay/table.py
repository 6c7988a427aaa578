"""A recorded table of recipes: what each would have said, epoch by epoch, and what that took."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from automask import registry
from automask.ranges import Categorical, Range
from automask.recipe import Recipe
from automask.space import Space
from benchmarks.replay import ranges

FOLDER, SCRATCH = Path(__file__).parent, Path("/tmp/replay-record")
TASKS = ("sign-digits", "face-mask", "clothing")
#: What a recipe's row of the file holds; arrays lie flat, and not-a-number stands for what never was.
ARRAYS = ("score", "seconds", "scoring", "probability")


@dataclass(frozen=True)
class Table:
    """R recipes of a task, trained on K folds for up to E epochs.

    `score`, `seconds` of training and `scoring` seconds are `[R, K, E]`, each epoch's own; `value` is
    the metric over the out-of-fold `probability` `[R, N, C]`. Of a recipe `at_once` only the last epoch
    was scored, and the first fold's seconds there are all. Recipes that weren't `drawn` are what a
    search tries first. `wanted` recipes were meant to be recorded, and `failed` of those that were
    said nothing.
    """

    name: str
    space: Space
    metric: str
    labels: np.ndarray
    folds: np.ndarray
    recipes: tuple[Recipe, ...]
    drawn: np.ndarray
    at_once: np.ndarray
    value: np.ndarray
    score: np.ndarray
    seconds: np.ndarray
    scoring: np.ndarray
    probability: np.ndarray
    wanted: int
    failed: int = 0

    def __len__(self) -> int:
        return len(self.recipes)

    @cached_property
    def epochs(self) -> np.ndarray:
        """`[R]`"""
        return np.array([recipe.training["epochs"] for recipe in self.recipes])

    @cached_property
    def parameters(self) -> list[dict[str, tuple[Any, Range]]]:
        """Each recipe's free hyperparameters by name, as a study of this space would hold them."""
        return [parameters(self.space, recipe) for recipe in self.recipes]

    @cached_property
    def places(self) -> Places:
        return Places(self.parameters)

    @cached_property
    def without(self) -> np.ndarray:
        """`[R, K]`: each recipe's metric over the rows of all folds but that one."""
        score = registry.get("metric", self.metric).function
        folds = range(int(self.folds.max()) + 1)
        kept = [self.folds != fold for fold in folds]
        return np.array(
            [[score(self.labels[rows], row[rows]) for rows in kept] for row in self.probability]
        )


class Places:
    """Where recipes lie in their space, as a row of numbers each: numbers go from 0 to 1, and choices
    are counted. What a recipe doesn't have is not-a-number."""

    def __init__(self, rows: list[dict[str, tuple[Any, Range]]]) -> None:
        self.names = sorted({_plain(name) for row in rows for name in row})
        self.choices: dict[str, list[Any]] = {name: [] for name in self.names}
        self.categorical = np.zeros(len(self.names), bool)
        for row in rows:
            for name, (_, range_) in row.items():
                if isinstance(range_, Categorical):
                    self.categorical[self.names.index(_plain(name))] = True
        self.rows = np.array([self.of(row) for row in rows])

    def of(self, row: Mapping[str, tuple[Any, Range]]) -> np.ndarray:
        """`[P]`; what no recipe of the table has is left out, as it tells none from another."""
        place = np.full(len(self.names), np.nan)
        for name, (value, range_) in row.items():
            plain = _plain(name)
            if plain in self.choices:
                place[self.names.index(plain)] = self._number(plain, value, range_)
        return place

    def distances(self, row: Mapping[str, tuple[Any, Range]]) -> np.ndarray:
        """`[R]`: Gower's (1971), summed over what both have: 1 where choices differ, else the
        difference as a share of the range (of its logarithm where that is what is drawn evenly)."""
        difference = np.abs(self.rows - self.of(row))
        difference[:, self.categorical] = np.where(
            np.isnan(difference[:, self.categorical]),
            np.nan,
            difference[:, self.categorical] > 0,
        )
        return np.nansum(difference, axis=1)

    def _number(self, name: str, value: Any, range_: Range) -> float:
        if isinstance(range_, Categorical):
            known = self.choices[name]
            if value not in known:
                known.append(value)
            return float(known.index(value))
        low, high = range_.low, range_.high
        if low == high:
            return 0.0
        if range_.log:
            return float(np.log(value / low) / np.log(high / low))
        return float((value - low) / (high - low))


def parameters(space: Space, recipe: Recipe) -> dict[str, tuple[Any, Range]]:
    """A recipe's free hyperparameters by the names that `Space.sample` gives them, with their ranges."""
    found: dict[str, tuple[Any, Range]] = {}

    def told(name: str, range_: Range) -> Any:
        kind, _, rest = _plain(name).partition(".")
        if kind == "training":
            value = recipe.training[rest]
        elif not rest:
            value = recipe[kind].name
        else:
            value = recipe[kind].params[rest.partition(".")[2]]
        found[name] = value, range_
        return value

    space.sample(told)
    return found


def load(name: str, folder: Path = FOLDER) -> Table:
    """The packed table of a task."""
    import pyarrow.parquet as parquet

    file = parquet.read_table(folder / f"{name}.parquet")
    facts = json.loads(file.schema.metadata[b"task"])
    recipes = tuple(Recipe.from_dict(json.loads(text)) for text in file["recipe"].to_pylist())
    folds, labels = np.array(facts["folds"]), np.array(facts["labels"])
    shapes = {"probability": (len(labels), -1)}
    shape = (int(folds.max()) + 1, -1)
    arrays = {
        key: np.stack([row.reshape(shapes.get(key, shape)) for row in _rows(file[key])])
        for key in ARRAYS
    }
    return Table(
        name=name,
        space=ranges.from_json(facts["space"]),
        metric=facts["metric"],
        labels=labels,
        folds=folds,
        recipes=recipes,
        drawn=np.array(file["drawn"].to_pylist()),
        at_once=np.array(file["at_once"].to_pylist()),
        value=np.array(file["value"].to_pylist()),
        wanted=facts["wanted"],
        failed=facts["failed"],
        **arrays,
    )


def _rows(column: Any) -> list[np.ndarray]:
    return [row.values.to_numpy(zero_copy_only=False) for row in column]


def _plain(name: str) -> str:
    """Without what rules left of the choices."""
    return name.partition(" of ")[0]
