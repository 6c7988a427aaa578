"""The data of a study: classes, folds, and what identifies them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from automask.data.tables import Numeric, Rows, Tables
from automask.errors import PluginError, UserError
from automask.space import registry
from automask.storage.files import short_hash
from automask.target import SINGLE, Target


@dataclass(frozen=True)
class Attributes:
    """The target columns and the classes that they combine to.

    `names` [A]; `values` [A] tuples of the texts that occur in train, sorted, bands of a number by
    that; `classes` [C, A] the index of each class's value, for the combinations that occur in train.
    """

    names: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]
    classes: np.ndarray

    def combination(self, label: int) -> tuple[str, ...]:
        """The attribute values of a class."""
        indices = self.classes[label]
        return tuple(values[i] for values, i in zip(self.values, indices, strict=True))

    def describe(self, label: int) -> str:
        return " × ".join(self.combination(label))

    def marginal(self, probability: np.ndarray, attribute: int) -> np.ndarray:
        """`[N, values]` probabilities of one attribute from joint ones `[N, C]`."""
        out = np.zeros((len(probability), len(self.values[attribute])))
        np.add.at(out.T, self.classes[:, attribute], probability.T)
        return out


@dataclass(frozen=True)
class Dataset:
    """Train and test rows with integer labels `[N]` and groups `[N]` (or None).

    A study's groups are the declared ones, joined where near-duplicates are in both.
    `numbers` are those behind the attributes whose values are bands of a number.
    """

    train: Rows
    test: Rows | None
    attributes: Attributes
    labels: np.ndarray
    groups: np.ndarray | None
    sample: pd.DataFrame | None
    id_column: str
    codes: dict[tuple[str, ...], str] | None
    numbers: Mapping[str, Numeric] = field(default_factory=dict)
    target: Target = SINGLE

    @property
    def counts(self) -> np.ndarray:
        """`[C]` rows of each class."""
        return np.bincount(self.labels, minlength=len(self.attributes.classes))

    @property
    def paths(self) -> list[Path]:
        """The images of train, then those of test."""
        return self.train.paths + (self.test.paths if self.test else [])


def prepare(tables: Tables) -> Dataset:
    """The tables with their labels and groups as numbers.

    Raises `UserError` where train has a single class or shares ids with test, `PluginError` where
    the numbers behind a target aren't those of its classes.
    """
    columns = tables.train.attributes
    for name, numeric in tables.numbers.items():
        if name not in columns or numeric.texts != columns[name].tolist():
            raise PluginError(f"the reader's numbers of '{name}' don't make that target's classes")
    values = tuple(
        _values(columns[name].unique(), tables.numbers.get(str(name))) for name in columns
    )
    index = np.stack(
        [
            pd.Categorical(columns[name], categories=list(texts)).codes
            for name, texts in zip(columns, values, strict=True)
        ],
        axis=1,
    ).astype(np.int64)
    classes, labels = np.unique(index, axis=0, return_inverse=True)
    if len(classes) < 2:
        raise UserError(f"every row of train is '{values[0][0]}': there is nothing to learn")
    if tables.test is not None:
        shared = sorted(set(tables.train.ids) & set(tables.test.ids))
        if shared:
            raise UserError(
                f"train and test share {len(shared)} ids, such as {', '.join(shared[:3])}: a test "
                "row that is also trained on has no honest score; remove it from one of them"
            )
    return Dataset(
        train=tables.train,
        test=tables.test,
        attributes=Attributes(tuple(map(str, columns)), values, classes),
        labels=labels.reshape(-1),
        groups=declared_groups(tables.train),
        sample=tables.sample,
        id_column=tables.id_column,
        codes=dict(tables.codes) if tables.codes else None,
        numbers=dict(tables.numbers),
    )


def declared_groups(train: Rows) -> np.ndarray | None:
    """The groups `[N]` of the table, as numbers, or None where it has none."""
    return None if train.groups is None else np.unique(train.groups, return_inverse=True)[1]


def _values(texts: Collection[str], numeric: Numeric | None) -> tuple[str, ...]:
    return tuple(sorted(texts) if numeric is None else [b for b in numeric.bands if b in texts])


def draw_folds(data: Dataset, split: str, folds: int, seed: int) -> np.ndarray:
    """The fold of each train row `[N]`, by a split plugin.

    Raises `UserError` where there are fewer rows or groups than folds, or where the plugin puts a
    group on two sides or leaves a fold empty.
    """
    groups = data.groups
    units, what = (len(data.labels), "rows") if groups is None else (groups.max() + 1, "groups")
    if folds < 2 or units < folds:
        hint = f"use --folds {units} or fewer" if units >= 2 else "there is nothing to hold out"
        raise UserError(f"{folds} folds of {units} {what}: {hint if folds >= 2 else 'at least 2'}")
    if data.counts.max() < folds:
        raise UserError(
            f"no class has as many rows as there are folds ({folds}; the largest has "
            f"{data.counts.max()}): use fewer --folds"
        )
    fold = registry.get("split", split).function(data.labels, groups, folds, seed)
    if sorted(set(fold.tolist())) != list(range(folds)):
        raise UserError(f"split '{split}' left a fold of {folds} empty; use fewer --folds")
    if groups is not None and len(np.unique(np.stack([groups, fold]), axis=1).T) > units:
        raise UserError(f"split '{split}' put one group into two folds")
    return fold


def warn_rare(data: Dataset, folds: int) -> list[str]:
    """A sentence for the classes with fewer rows or groups than folds; none where all have enough."""
    what = "images" if data.groups is None else "groups"
    units = data.groups if data.groups is not None else np.arange(len(data.labels))
    rare = []
    for label in range(len(data.attributes.classes)):
        count = len(np.unique(units[data.labels == label]))
        if count < folds:
            rare.append(f"{data.attributes.describe(label)} ({count})")
    if not rare:
        return []
    return [
        f"{len(rare)} of {len(data.counts)} classes have fewer {what} than the {folds} folds, so that "
        f"some folds can't score or can't train them: {', '.join(rare)}"
    ]


def fingerprint(data: Dataset, folds: np.ndarray) -> dict[str, str]:
    """What must stay the same while a study goes on, as short hashes by what they cover.

    Groups count as they were declared: which copies join them is found once and kept with the folds.
    """
    groups = declared_groups(data.train)
    sizes = [path.stat().st_size for path in data.train.paths]
    return {
        "data": _hash(zip(data.train.ids, sizes, strict=True)),
        "labels": _hash(
            [data.attributes.names, data.attributes.values, data.labels.tolist()]
            + ([] if groups is None else [groups.tolist()])
            + [(name, n.values.tolist(), n.limits) for name, n in data.numbers.items()]
        ),
        "rows in folds": _hash(folds.tolist()),
    }


def test_fingerprint(data: Dataset) -> str:
    """What identifies the test rows; empty where there are none."""
    if data.test is None:
        return ""
    return _hash((i, p.stat().st_size) for i, p in zip(data.test.ids, data.test.paths, strict=True))


def describe(data: Dataset) -> list[str]:
    """What was understood, in a few sentences."""
    names = " × ".join(
        f"{name} ({len(values)})"
        for name, values in zip(data.attributes.names, data.attributes.values, strict=True)
    )
    counts = Counter(dict(enumerate(data.counts.tolist()))).most_common()
    (most, high), (least, low) = counts[0], counts[-1]
    name = data.attributes.describe
    lines = [
        f"{len(data.train):,} train and {len(data.test) if data.test else 0:,} test images",
        f"{len(counts)} classes of {names}: from {high} of {name(most)} to {low} of {name(least)}",
    ]
    if data.groups is not None:
        lines.append(f"{data.groups.max() + 1:,} groups, each on one side of every split")
    return lines


def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """float `[N, C]` with a one at each row's label."""
    return np.eye(classes)[labels]


def fold_count(folds: np.ndarray) -> int:
    """How many folds there are, by the fold of each row `[N]`."""
    return int(folds.max()) + 1


def _hash(values: Iterable[Any]) -> str:
    return short_hash("".join(map(repr, values)))
