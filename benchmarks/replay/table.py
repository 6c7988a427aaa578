"""A recorded table of recipes: what each would have said, epoch by epoch, and what that took."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from automask.data.dataset import fold_count
from automask.hpo.cost import Cost
from automask.space import registry
from automask.space.distance import GowerDistance, parameters
from automask.space.ranges import Range
from automask.space.recipe import Recipe
from automask.space.space import Space
from automask.training import flops
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
    def cost(self) -> Callable[[Recipe], Cost | None]:
        """What a recipe costs, as a search of these rows computes it."""
        task: Any = SimpleNamespace(
            cache=Path(self._scratch.name),
            data=SimpleNamespace(labels=self.labels),
            folds=self.folds,
            test_rows=np.arange(0),
            device=SimpleNamespace(type="cpu"),
        )
        computed, known = flops.compute_cost(task), dict[str, Cost | None]()

        def cost(recipe: Recipe) -> Cost | None:
            if recipe.hash not in known:
                known[recipe.hash] = computed(recipe)
            return known[recipe.hash]

        return cost

    @cached_property
    def _scratch(self) -> tempfile.TemporaryDirectory[str]:
        return tempfile.TemporaryDirectory()

    @cached_property
    def places(self) -> GowerDistance:
        return GowerDistance(self.parameters)

    @cached_property
    def without(self) -> np.ndarray:
        """`[R, K]`: each recipe's metric over the rows of all folds but that one."""
        score = registry.get("metric", self.metric).function
        folds = range(fold_count(self.folds))
        kept = [self.folds != fold for fold in folds]
        return np.array(
            [[score(self.labels[rows], row[rows]) for rows in kept] for row in self.probability]
        )


def load(name: str, folder: Path = FOLDER) -> Table:
    """The packed table of a task."""
    import pyarrow.parquet as parquet

    file = parquet.read_table(folder / f"{name}.parquet")
    facts = json.loads(file.schema.metadata[b"task"])
    recipes = tuple(Recipe.from_dict(json.loads(text)) for text in file["recipe"].to_pylist())
    folds, labels = np.array(facts["folds"]), np.array(facts["labels"])
    shapes = {"probability": (len(labels), -1)}
    shape = (fold_count(folds), -1)
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
