"""Two submissions held against each other: which rows differ, in what, from which class to which."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from automask.data.dataset import Dataset
from automask.errors import UserError
from automask.report import answers
from automask.report.answers import Classes
from automask.report.layout import Layout
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


class Distance(NamedTuple):
    """How far the numbers of a column are apart: the mean and the largest difference, and Pearson's
    correlation (None where one side is constant)."""

    column: str
    mean: float
    largest: float
    correlation: float | None


@dataclass(frozen=True)
class Comparison:
    """Files A and B, with their columns in one order of ids, and the class of each row in `classes`."""

    paths: tuple[Path, Path]
    layout: Layout
    frames: tuple[pd.DataFrame, pd.DataFrame]
    classes: Classes

    @cached_property
    def differs(self) -> np.ndarray:
        """bool `[N]`: do they give the row another class, or number?"""
        return _differ(self.layout, self.frames, self.classes)

    @property
    def distances(self) -> list[Distance]:
        """How far the numbers or probabilities of each column are apart; empty for files of labels."""
        if not self.layout.is_numeric:
            return []
        a, b = (self.layout.values(frame) for frame in self.frames)
        return [
            Distance(name, *_distance(a[:, place], b[:, place]))
            for place, name in enumerate(self.layout.columns)
        ]

    def describe(self, label: int) -> str:
        return self.layout.describe(self.classes.cells[label])

    @cached_property
    def parts(self) -> np.ndarray:
        """`[K, attributes]`: the value of each attribute of each class, as text."""
        return np.array([self.layout.parts(cells) for cells in self.classes.cells], object)

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
        for index, name in enumerate(self.layout.attributes):
            values, texts = pd.factorize(self.parts[:, index])
            by_name[name] = [
                Flow(texts[source], texts[target], rows)
                for source, target, rows in flows(values[a], values[b])
            ]
        return by_name


def compare(a: Path, b: Path, data: Dataset | None) -> Comparison:
    """Read both; raises `UserError` where they don't fit each other or the data."""
    layout, (first, second) = answers.read([a, b], data)
    classes = answers.classify_answers(layout, [first, second])
    return Comparison((a, b), layout, (first, second), classes)


def differing(layout: Layout, frames: Sequence[pd.DataFrame]) -> np.ndarray:
    """bool `[N]`: in which rows do two files give another class, or number?"""
    return _differ(layout, frames, answers.classify_answers(layout, frames))


def _differ(layout: Layout, frames: Sequence[pd.DataFrame], classes: Classes) -> np.ndarray:
    if layout.style != "numbers":
        different: np.ndarray = classes.rows[0] != classes.rows[1]
        return different
    a, b = (layout.values(frame) for frame in frames)
    different = ~np.isclose(a, b, rtol=1e-6, atol=0).all(1)
    return different


def _distance(a: np.ndarray, b: np.ndarray) -> tuple[float, float, float | None]:
    apart, varied = np.abs(a - b), a.std() > 0 and b.std() > 0
    correlation = float(np.corrcoef(a, b)[0, 1]) if varied else None
    return float(apart.mean()), float(apart.max()), correlation


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
    layout = compared.layout
    data = layout.data
    if data is not None and data.test is not None and data.test.units is not None:
        units = dict(zip(data.test.ids, data.test.units, strict=True))
        ids = [units.get(name, name) for name in ids]
    names = pd.Index(ids)
    rows = names.unique().get_indexer(layout.ids)
    if data is None or (rows < 0).any() or table.shape[1] != len(data.attributes.classes):
        raise UserError(
            f"{ensemble.file}: that ensemble predicted other rows or classes than these"
        )
    table = adjust(table[~names.duplicated()])
    out = np.zeros((len(rows), len(compared.classes.cells)), np.float32)
    index = {tuple(parts): label for label, parts in enumerate(compared.parts.tolist())}
    targets = data.attributes.names
    order = [targets.index(name) if name in targets else 0 for name in layout.attributes]
    for label in range(table.shape[1]):
        combination = data.attributes.combination(label)
        out[:, index[tuple(combination[i] for i in order)]] += table[rows, label]
    return out
