"""What all trials of a study share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from automask import registry
from automask.data import Data, test_fingerprint
from automask.images import Images
from automask.prepared import Prepared, prepare
from automask.recipe import Recipe
from automask.weights import Weights


@dataclass(frozen=True)
class Task:
    """All that trials of a study share. `folds` is the fold of each train row `[N]`."""

    data: Data
    folds: np.ndarray
    metric: str
    seed: int
    images: Images
    cache: Path
    weights: Mapping[str, Weights]
    device: torch.device

    @cached_property
    def score(self) -> Callable[[np.ndarray, np.ndarray], float]:
        return registry.get("metric", self.metric).function

    @cached_property
    def test_key(self) -> str:
        return test_fingerprint(self.data)

    def pixels(self, recipe: Recipe, fold: int) -> np.ndarray:
        """uint8 `[N + M, S, S, 3]`, the train rows and then the test rows, as that fold sees them."""
        prepared = self.prepared(recipe, fold)
        return self.images.at(recipe["resize"].name, recipe.training["image_size"], prepared)

    def prepared(self, recipe: Recipe, fold: int) -> Prepared | None:
        """The recipe's preprocessing, fitted to the rows that the fold trains on."""
        choice = recipe["preprocessing"]
        key = repr(choice), fold
        if key not in self._prepared:
            rows, _ = self.fold_rows(fold)
            self._prepared[key] = prepare(choice, self.data, rows, self.images, self.cache)
        return self._prepared[key]

    @cached_property
    def _prepared(self) -> dict[tuple[str, int], Prepared | None]:
        return {}

    def fold_rows(self, fold: int) -> tuple[np.ndarray, np.ndarray]:
        """The rows to train on and those to score."""
        return np.flatnonzero(self.folds != fold), np.flatnonzero(self.folds == fold)

    @property
    def test_rows(self) -> np.ndarray:
        count = len(self.data.labels)
        return np.arange(count, count + (len(self.data.test) if self.data.test else 0))


def call(recipe: Recipe, kind: str, *arguments: Any) -> Any:
    """The recipe's plugin of that kind, called with its hyperparameters."""
    choice = recipe[kind]
    return registry.get(kind, choice.name).function(*arguments, **choice.params)
