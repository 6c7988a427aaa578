"""The data of a study: classes, folds, and what identifies them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from automask.data.depth import Depth
from automask.data.forms import suit
from automask.data.labels import Attributes, encode, find_target
from automask.data.pooling import Pooling
from automask.data.shared_rows import refuse_shared
from automask.data.tables import Form, Numeric, Rows, Tables
from automask.errors import PluginError, UserError
from automask.space import registry
from automask.storage.files import content_digest, short_hash
from automask.target import MULTI, SINGLE, Number, Target

#: What counts where nothing else is said.
METRIC = "macro_f1"


@dataclass(frozen=True)
class Dataset:
    """Train and test rows with labels, as the `target` has them, and groups `[N]` (or None).

    Rows of one of the `units` `[N]` are pictures of one thing (None where each is its own). A study's
    groups are the declared ones, which hold units whole, joined where near-duplicates are in both.
    `numbers` are those behind the attributes whose values are bands of a number, `depth` is how
    deep images are scaled.
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
    form: Form = field(default_factory=Form)
    units: np.ndarray | None = None
    depth: Depth = field(default_factory=Depth)

    @cached_property
    def pooling(self) -> Pooling | None:
        """How train rows make units; None where each is its own."""
        return None if self.units is None else Pooling.of(self.units)

    @cached_property
    def test_pooling(self) -> Pooling | None:
        """The same of the test rows."""
        units = self.test.units if self.test else None
        return None if units is None else Pooling.of(units)

    @property
    def scored_rows(self) -> np.ndarray:
        """The first train row of each unit, `[U]`: where predictions are those of units, what counts."""
        return np.arange(len(self.labels)) if self.pooling is None else self.pooling.first

    def scored(self, rows: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Labels and predictions of train rows `[n]` as a metric takes them: a row a unit."""
        labels = self.labels[rows]
        if self.units is None:
            return labels, prediction
        pooling = Pooling.of(self.units[rows])
        return labels[pooling.first], pooling.mean(prediction)

    @property
    def counts(self) -> np.ndarray:
        """`[C]` rows of each class, or with each label."""
        return self.target.counts(self.labels, len(self.attributes.classes))

    @property
    def single_labels(self) -> np.ndarray:
        """A class for each row, int `[N]`, for what can tell single classes apart alone."""
        return self.target.single_classes(self.labels)

    def describe_answer(self, answer: Any) -> str:
        """In words what stands in a row of `labels`, or of answers like them."""
        if isinstance(self.target, Number):
            return f"{answer:.6g}"
        labels = np.flatnonzero(answer) if np.ndim(answer) else [answer]
        return ", ".join(self.attributes.describe(int(label)) for label in labels) or "no label"

    def answer_columns(self, answers: np.ndarray) -> dict[str, np.ndarray]:
        """Answers, as `labels` are, as the columns of a table by name.

        The texts of each attribute, or each label's "0" and "1" as train has them, or the number.
        """
        if isinstance(self.target, Number):
            return {self.attributes.describe(0): answers}
        if answers.ndim == 2:
            return {
                self.attributes.describe(label): answers[:, label].astype(str).astype(object)
                for label in range(answers.shape[1])
            }
        attributes = self.attributes
        return {
            name: np.array(values, object)[attributes.classes[answers, index]]
            for index, (name, values) in enumerate(
                zip(attributes.names, attributes.values, strict=True)
            )
        }

    @property
    def has_label(self) -> np.ndarray:
        """bool `[N, C]`: which classes or labels each row has; of a number, all."""
        if self.labels.ndim == 2:
            return self.labels > 0
        count = len(self.attributes.classes)
        return (
            self.labels[:, None] == np.arange(count)
            if count > 1
            else np.ones((len(self.labels), 1), bool)
        )

    @property
    def paths(self) -> list[Path]:
        """The images of train, then those of test."""
        return self.train.paths + (self.test.paths if self.test else [])


def prepare(tables: Tables, metric: str = METRIC, as_text: bool = False) -> Dataset:
    """The tables with their labels and groups as numbers, for a search by that metric.

    Classes that are numbers are in their order; `as_text` has them in that of their texts, as studies of
    early versions do. Raises `UserError` where train has a single class or shares images with test, or
    where the metric isn't for such a target, `PluginError` where the numbers behind a target aren't
    those of its classes.
    """
    columns = tables.train.attributes
    for name, numeric in tables.numbers.items():
        if name not in columns or numeric.texts != columns[name].tolist():
            raise PluginError(f"the reader's numbers of '{name}' don't make that target's classes")
    target = find_target(tables, metric)
    attributes, labels = encode(tables, target, as_text)
    if tables.test is not None:
        refuse_shared(tables.train, tables.test)
    return Dataset(
        train=tables.train,
        test=tables.test,
        attributes=attributes,
        labels=labels,
        groups=declared_groups(tables.train),
        sample=tables.sample,
        id_column=tables.id_column,
        codes=dict(tables.codes) if tables.codes else None,
        numbers=dict(tables.numbers),
        target=target,
        form=suit(tables.form, target, registry.get("metric", metric).function),
        units=_units(tables.train, labels),
    )


def declared_groups(train: Rows) -> np.ndarray | None:
    """The groups `[N]` of the table, as numbers, or None where it has none.

    Units are groups of their own, and join those that they lie in.
    """
    columns = [column for column in (train.groups, train.units) if column is not None]
    if len(columns) < 2:
        return np.unique(columns[0], return_inverse=True)[1] if columns else None
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    first, second = (np.unique(column, return_inverse=True)[1] for column in columns)
    places = first, second + first.max() + 1
    count = int(places[1].max()) + 1
    graph = coo_array((np.ones(len(first), bool), places), shape=(count, count))
    return np.unique(connected_components(graph, directed=False)[1][first], return_inverse=True)[1]


def _units(train: Rows, labels: np.ndarray) -> np.ndarray | None:
    """The unit of each row `[N]`; raises `UserError` where rows of one have other labels."""
    if train.units is None:
        return None
    pooling = Pooling.of(train.units)
    other = labels != pooling.spread(labels[pooling.first])
    if len(differing := np.flatnonzero(other.any(1) if other.ndim == 2 else other)):
        names = list(dict.fromkeys(train.units[row] for row in differing))
        raise UserError(
            f"{len(names)} units have pictures with different labels, such as {', '.join(names[:3])}: "
            "a unit is answered once; mend the labels, or name another column as unit"
        )
    return pooling.unit_of_row


def fingerprint(data: Dataset, folds: np.ndarray) -> dict[str, str]:
    """What must stay the same while a study goes on, as short hashes by what they cover.

    Groups count as they were declared: which copies join them is found once and kept with the folds.
    Of earlier studies the contents of the images aren't known.
    """
    sizes = [path.stat().st_size for path in data.train.paths]
    return {
        "data": _hash(zip(data.train.ids, sizes, strict=True)),
        "images": _hash(map(content_digest, data.train.paths)),
        "labels": labels_fingerprint(data),
        "rows in folds": _hash(folds.tolist()),
    }


def labels_fingerprint(data: Dataset) -> str:
    """What identifies labels and declared groups."""
    groups = declared_groups(data.train)
    return _hash(
        [data.attributes.names, data.attributes.values, data.labels.tolist()]
        + ([] if groups is None else [groups.tolist()])
        + [(name, n.values.tolist(), n.limits) for name, n in data.numbers.items()]
    )


def test_fingerprint(data: Dataset) -> str:
    """What identifies the test rows; empty where there are none."""
    if data.test is None:
        return ""
    rows = list(zip(data.test.ids, data.test.paths, strict=True))
    contents = _hash(content_digest(path) for _, path in rows)
    return f"{_hash((name, path.stat().st_size) for name, path in rows)}-{contents}"


def describe(data: Dataset) -> list[str]:
    """What was understood, in a few sentences."""
    lines = [
        f"{len(data.train):,} train and {len(data.test) if data.test else 0:,} test images",
        _describe_target(data),
    ]
    if data.groups is not None:
        lines.append(f"{data.groups.max() + 1:,} groups, each on one side of every split")
    return lines


def _describe_target(data: Dataset) -> str:
    name = data.attributes.describe
    if isinstance(data.target, Number):
        low, middle, high = np.quantile(data.labels, [0, 0.5, 1])
        return f"{name(0)} is a number: from {low:g} to {high:g}, half of the rows below {middle:g}"
    counts = Counter(dict(enumerate(data.counts.tolist()))).most_common()
    (most, high), (least, low) = counts[0], counts[-1]
    span = f"from {high} of {name(most)} to {low} of {name(least)}"
    if data.target == MULTI:
        return f"{len(counts)} labels, {data.labels.sum(1).mean():.2f} a row: {span}"
    names = " × ".join(
        f"{name} ({len(values)})"
        for name, values in zip(data.attributes.names, data.attributes.values, strict=True)
    )
    return f"{len(counts)} classes of {names}: {span}"


def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """float `[N, C]` with a one at each row's label."""
    table: np.ndarray = np.eye(classes)[labels]
    return table


def fold_count(folds: np.ndarray) -> int:
    """How many folds there are, by the fold of each row `[N]`."""
    return int(folds.max()) + 1


def _hash(values: Iterable[Any]) -> str:
    return short_hash("".join(map(repr, values)))
