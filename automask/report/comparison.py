"""Two submissions held against each other: which rows differ, in what, from which class to which."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from automask.data.dataset import Dataset
from automask.errors import UserError
from automask.report import answers
from automask.report.answers import Classes, Form
from automask.storage.study_store import EnsembleFile

BANDS = 5


class Flow(NamedTuple):
    """From a class, or value, of A to another in B; so many rows."""

    source: str
    target: str
    rows: int


class ClassCounts(NamedTuple):
    """In how many rows A gives a class, B does, and both do."""

    name: str
    a: int
    b: int
    both: int


class Band(NamedTuple):
    """Rows of similar confidence: its range, their number, and how many of them differ."""

    lowest: float
    highest: float
    rows: int
    differ: int


@dataclass(frozen=True)
class Comparison:
    """Files A and B, with their columns in one order of ids, and the class of each row in `classes`."""

    paths: tuple[Path, Path]
    form: Form
    frames: tuple[pd.DataFrame, pd.DataFrame]
    classes: Classes

    @cached_property
    def differs(self) -> np.ndarray:
        """bool `[N]`: do they give the row another class?"""
        return self.classes.rows[0] != self.classes.rows[1]

    def describe(self, label: int) -> str:
        return self.form.describe(self.classes.cells[label])

    @cached_property
    def parts(self) -> np.ndarray:
        """`[K, attributes]`: the value of each attribute of each class, as text."""
        return np.array([self.form.parts(cells) for cells in self.classes.cells], object)

    @property
    def class_counts(self) -> list[ClassCounts]:
        """Of each class that either file gives."""
        first, second = self.classes.rows
        counts = by_class(first, second, len(self.classes.cells)).tolist()
        return [
            ClassCounts(self.describe(label), a, b, both)
            for label, (a, b, both) in enumerate(counts)
            if a or b
        ]

    @property
    def flows(self) -> list[Flow]:
        """Of the rows that differ, from class to class, the most first."""
        return [
            Flow(self.describe(source), self.describe(target), rows)
            for source, target, rows in flows(*self.classes.rows)
        ]

    @property
    def attribute_flows(self) -> dict[str, list[Flow]]:
        """The same by the values of each attribute."""
        a, b = self.classes.rows
        by_name = {}
        for index, name in enumerate(self.form.attributes):
            values, texts = pd.factorize(self.parts[:, index])
            by_name[name] = [
                Flow(texts[source], texts[target], rows)
                for source, target, rows in flows(values[a], values[b])
            ]
        return by_name


def compare(a: Path, b: Path, data: Dataset | None) -> Comparison:
    """Read both; raises `UserError` where they don't fit each other or the data."""
    form, (first, second) = answers.read([a, b], data)
    classes = answers.classify_answers(form, [first, second])
    return Comparison((a, b), form, (first, second), classes)


def flows(a: np.ndarray, b: np.ndarray) -> list[tuple[int, int, int]]:
    """(class in A, class in B, rows), of all rows that differ, the most first."""
    differs = a != b
    pairs, counts = np.unique(np.stack([a, b])[:, differs], axis=1, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return [(int(pairs[0, i]), int(pairs[1, i]), int(counts[i])) for i in order]


def by_class(a: np.ndarray, b: np.ndarray, classes: int) -> np.ndarray:
    """`[K, 3]` counts of rows: that A gives the class, that B gives it, that both do."""
    return np.stack(
        [np.bincount(rows, minlength=classes) for rows in (a, b, a[a == b])],
        axis=1,
    )


def by_confidence(differs: np.ndarray, confidence: np.ndarray) -> list[Band]:
    """Bands of equally many rows by their confidence `[N]`, the surest first."""
    parts = np.array_split(np.argsort(-confidence, kind="stable"), BANDS)
    return [
        Band(confidence[p].min(), confidence[p].max(), len(p), int(differs[p].sum()))
        for p in parts
        if len(p)
    ]


def probability(
    compared: Comparison,
    ensemble: EnsembleFile,
    adjust: Callable[[np.ndarray], np.ndarray] = lambda table: table,
) -> np.ndarray:
    """A study's test probabilities `[N, K]`, in the order of the comparison's ids and classes.

    `adjust` may change them first, while they are in the order of the study's classes.
    Raises `UserError` where they are of other rows or classes than the data have now.
    """
    ids, table = ensemble.probability()
    form = compared.form
    data = form.data
    rows = pd.Index(ids).get_indexer(form.ids)
    if data is None or (rows < 0).any() or table.shape[1] != len(data.attributes.classes):
        raise UserError(
            f"{ensemble.file}: that ensemble predicted other rows or classes than these"
        )
    table = adjust(table)
    out = np.zeros((len(rows), len(compared.classes.cells)), np.float32)
    index = {tuple(parts): label for label, parts in enumerate(compared.parts.tolist())}
    names = data.attributes.names
    order = [names.index(name) if name in names else 0 for name in form.attributes]
    for label in range(table.shape[1]):
        combination = data.attributes.combination(label)
        out[:, index[tuple(combination[i] for i in order)]] += table[rows, label]
    return out
