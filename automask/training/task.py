"""What all trials of a study share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from automask.data.class_shares import Shares
from automask.data.dataset import Dataset, fold_count, test_fingerprint
from automask.data.images import Images, Prepared
from automask.data.labels import Attributes
from automask.data.preprocessing import prepare
from automask.label_shift import correct, metric_at
from automask.space import registry
from automask.space.recipe import Recipe
from automask.training.pretrained import Checkpoint


class Lessons(Protocol):
    """What a training learns beside the labels: pseudo-labels, or a teacher's predictions."""

    def rows(self, fold: int) -> np.ndarray:
        """The test rows that a fold trains on, in order."""

    def labels(self, fold: int) -> np.ndarray:
        """The label of each of these rows."""

    def aims(
        self, fold: int, aims: np.ndarray, aim_of_row: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """What the fold aims at, float32 `[T, C]`, and which of them each row has, int64 `[N + M]`,
        from the same of the train rows' labels."""


@dataclass(frozen=True)
class Task:
    """All that trials of a study share. `folds` is the fold of each train row `[N]`.

    With `lessons` each fold also trains on test rows, whose numbers follow those of train. Where classes
    have other `shares` in test than in train, scores are of predictions corrected for them, at them.
    """

    data: Dataset
    folds: np.ndarray
    metric: str
    seed: int
    images: Images
    cache: Path
    weights: Mapping[str, Checkpoint]
    device: torch.device
    lessons: Lessons | None = None
    shares: Shares | None = None

    def score(self, rows: np.ndarray, prediction: np.ndarray) -> float:
        """The metric of predictions `[n, C]` of train rows."""
        metric = metric_at(registry.get("metric", self.metric).function, self.shares)
        if self.shares is not None:
            prediction = correct(prediction, self.data.counts / len(self.data.labels), self.shares)
        return float(metric(*self.data.scored(rows, prediction)))

    @cached_property
    def test_key(self) -> str:
        return test_fingerprint(self.data)

    def pixels(self, recipe: Recipe, fold: int) -> np.ndarray:
        """uint8 `[N + M, S, S, 3]`, the train rows and then the test rows, as that fold sees them."""
        prepared = self.prepared(recipe, fold)
        return self.images.at(recipe["resize"].name, recipe.training["image_size"], prepared)

    def pixels_of(self, recipe: Recipe, fold: int, rows: np.ndarray) -> np.ndarray:
        """uint8 `[n, S, S, 3]` of some rows, for which no map of that size is made."""
        prepared = self.prepared(recipe, fold)
        size = recipe.training["image_size"]
        return self.images.read(rows, recipe["resize"].name, size, prepared)

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

    @property
    def fold_count(self) -> int:
        return fold_count(self.folds)

    def fold_rows(self, fold: int) -> tuple[np.ndarray, np.ndarray]:
        """The rows to train on and those to score."""
        return np.flatnonzero(self.folds != fold), np.flatnonzero(self.folds == fold)

    @property
    def test_rows(self) -> np.ndarray:
        count = len(self.data.labels)
        return np.arange(count, count + (len(self.data.test) if self.data.test else 0))


def call_plugin(recipe: Recipe, kind: str, *arguments: Any) -> Any:
    """The recipe's plugin of that kind, called with its hyperparameters."""
    choice = recipe[kind]
    return registry.get(kind, choice.name).function(*arguments, **choice.params)


#: Up to so many classes are listed with their rows.
MOST_CLASSES = 30


@dataclass(frozen=True)
class Pseudo:
    """What a study learns from the study `source`.

    `probability` float32 `[K, M, C]` of the test rows that `test_key` identifies, as each fold is to
    learn them where they reach its `confidence` `[K]`; `before` float32 `[N, C]` is what the earlier
    study predicted out of fold, blends chosen without the rows that they predict.
    """

    source: str
    test_key: str
    probability: np.ndarray
    confidence: np.ndarray
    before: np.ndarray

    def rows(self, fold: int) -> np.ndarray:
        """The test rows that a fold trains on, in order."""
        return np.flatnonzero(self.probability[fold].max(1) >= self.confidence[fold])

    def labels(self, fold: int) -> np.ndarray:
        """The likeliest class of each of these rows."""
        classes: np.ndarray = self.probability[fold][self.rows(fold)].argmax(1)
        return classes

    def aims(
        self, fold: int, aims: np.ndarray, aim_of_row: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Those of the labels, and one a test row."""
        test = self.probability[fold]
        return np.append(aims, test, 0), np.append(aim_of_row, len(aims) + np.arange(len(test)))

    @property
    def summary(self) -> str:
        """How many rows at which confidence, over folds."""
        folds = [k for k in range(len(self.confidence)) if len(self.rows(k))]
        rows = _span([f"{len(self.rows(fold)):,}" for fold in folds])
        return f"{rows} test rows a fold at confidence ≥ {_span(_figures(self.confidence[folds]))}"

    def notes(self, attributes: Attributes) -> tuple[str, ...]:
        """Sentences on the rows of each fold, class by class where these aren't many."""
        lines = []
        for fold, confidence in enumerate(self.confidence.tolist()):
            labels = self.labels(fold)
            if not len(labels):
                lines.append(f"fold {fold + 1}: no test row is sure enough to train on")
                continue
            counts = np.bincount(labels, minlength=len(attributes.classes)).tolist()
            listed = ", ".join(f"{attributes.describe(k)} {n}" for k, n in enumerate(counts))
            shown = listed if len(counts) <= MOST_CLASSES else f"{np.count_nonzero(counts)} classes"
            lines.append(
                f"fold {fold + 1} also trains on {len(labels):,} of {len(self.probability[fold]):,} "
                f"test rows, at confidence ≥ {confidence:.3f}: {shown}"
            )
        return (f"pseudo-labels are those of study '{self.source}'", *lines)


def _figures(values: np.ndarray) -> list[str]:
    return [f"{value:.3f}" for value in values]


def _span(texts: Sequence[str]) -> str:
    """The least and the most of them, or the one that all are."""
    ordered = sorted(texts, key=lambda text: float(text.replace(",", "")))
    return ordered[0] if ordered[0] == ordered[-1] else f"{ordered[0]} to {ordered[-1]}"
