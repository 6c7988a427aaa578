"""What a fold trains on and what it is scored on, whichever loop trains it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from automask.data.dataset import Dataset
from automask.errors import TrialError
from automask.space.recipe import Recipe
from automask.training.batches import EpochRows, draw_epoch, to_device
from automask.training.features import Features
from automask.training.random_streams import Streams, streams
from automask.training.task import Task, call_plugin


@dataclass(frozen=True)
class FoldData:
    """A fold's rows, by their numbers in the table of all `N` train rows and then `M` test rows.

    It trains on `rows` `[n]` with their `labels` as the target has them (`automask.target`), test rows
    at the end, and is scored on the rows `scored` `[m]`. The loss gets `class_counts`
    float32 `[C]` and aims at `targets` float32 `[T, C]`, of which a row has the one that
    `target_of_row` int64 says, `[N]` or, where test rows are trained on, `[N + M]`. Tensors lie on the
    task's device.
    """

    fold: int
    rows: np.ndarray
    labels: np.ndarray
    scored: np.ndarray
    class_counts: Tensor
    targets: Tensor
    target_of_row: Tensor
    streams: Streams

    def draw(self, recipe: Recipe, features: Features) -> EpochRows:
        """The next epoch by the recipe's sampling, in rows of the table."""

        def own_features() -> np.ndarray:
            own: np.ndarray = features.plain(self.fold)[self.rows]
            return own

        return draw_epoch(recipe, self.labels, own_features, self.streams.sampling).renumber(
            self.rows
        )

    def target(self, rows: np.ndarray) -> Tensor:
        """float32 `[len(rows), C]`, what these rows are to be predicted as."""
        return self.targets[self.target_of_row[to_device(rows, self.targets.device)]]


def fold_data(task: Task, recipe: Recipe, fold: int) -> FoldData:
    """The data of one fold, its random streams at their beginning.

    Rows that the recipe's labelling leaves out aren't trained on. Raises `TrialError` where that leaves
    less than two classes.
    """
    rows, labels = _training_part(task, recipe, fold)
    classes, train = len(task.data.attributes.classes), len(task.data.labels)
    target, every = task.data.target, task.data.labels.copy()
    every[rows[rows < train]] = labels[rows < train]
    # Of all rows, so that the folds' tables are alike and can be stacked.
    targets, target_of_row = target.aims(every, classes)
    if task.lessons is not None:
        targets, target_of_row = task.lessons.aims(fold, targets, target_of_row)
    counts = target.counts(labels, classes)
    return FoldData(
        fold,
        rows,
        labels,
        scored=task.fold_rows(fold)[1],
        class_counts=torch.as_tensor(counts, dtype=torch.float32, device=task.device),
        targets=torch.from_numpy(targets).to(task.device),
        target_of_row=torch.from_numpy(target_of_row).to(task.device),
        streams=streams(task.seed, fold),
    )


def training_labels(
    data: Dataset, rows: np.ndarray, labelling: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> np.ndarray:
    """The class to train each of the rows on, `[n]`, or -1 for one to leave out.

    `labelling` says it of the attributes that are numbers, from the rows' values and the limits. A row
    whose attributes it combines to no class of train keeps its own.
    """
    attributes, own = data.attributes, data.labels[rows]
    indices, left_out = attributes.classes[own], np.zeros(len(rows), bool)
    for name, numeric in data.numbers.items():
        band = labelling(numeric.values[rows], np.array(numeric.limits, float))
        column = attributes.names.index(name)
        index_of = {text: index for index, text in enumerate(attributes.values[column])}
        indices[:, column] = np.array([index_of.get(text, -1) for text in numeric.bands])[band]
        left_out |= band < 0
    classes = {tuple(values): label for label, values in enumerate(attributes.classes.tolist())}
    combined = zip(indices.tolist(), own.tolist(), strict=True)
    labels = np.array([classes.get(tuple(values), label) for values, label in combined], np.int64)
    return np.where(left_out, -1, labels)


def _training_part(task: Task, recipe: Recipe, fold: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows to train on, test rows at the end, and their labels."""
    rows, _ = task.fold_rows(fold)
    labels = task.data.labels[rows]
    if task.data.numbers:
        labels = training_labels(
            task.data, rows, functools.partial(call_plugin, recipe, "labelling")
        )
        rows, labels = rows[labels >= 0], labels[labels >= 0]
        if len(np.unique(labels)) < 2:
            raise TrialError(
                "bad data",
                f"{recipe['labelling'].name} leaves fold {fold + 1} less than two classes",
            )
    if task.lessons is None:
        return rows, labels
    more = len(task.data.labels) + task.lessons.rows(fold)
    return np.append(rows, more), np.append(labels, task.lessons.labels(fold), 0)
