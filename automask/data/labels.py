"""The answers of a table as labels: what target they are, its classes, and each row's."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from automask.data.tables import Numeric, Tables
from automask.errors import UserError
from automask.space import registry
from automask.target import MULTI, ORDERED, SINGLE, Number, Target


@dataclass(frozen=True)
class Attributes:
    """The target columns and the classes that they combine to.

    `names` [A]; `values` [A] tuples of the texts that occur in train, sorted (numbers as numbers),
    bands of a number by that; `classes` [C, A] the index of each class's value, for the combinations
    that occur in train. Of several labels a row there is one name, "labels", and a class a label; of a
    number its column's name, which is the only class.
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


def find_target(tables: Tables, metric: str) -> Target:
    """What the metric makes of the answers that the tables hold.

    Raises `UserError` where it isn't for such answers.
    """
    targets, plugin = possible_targets(tables), registry.get("metric", metric)
    for target in targets:
        if plugin.takes(target):
            return target
    metrics = registry.plugins("metric").values()
    usable = [one.name for one in metrics if any(map(one.takes, targets))]
    raise UserError(
        f"metric {metric} isn't for {' or '.join(one.phrase for one in targets)}, which is what "
        f"{', '.join(map(str, tables.train.attributes.columns[:3]))} of train holds: take one of "
        f"{', '.join(usable)} (--metric, or metric in automask.toml)"
    )


def possible_targets(tables: Tables) -> list[Target]:
    """What the answers can be taken as, the most usual first."""
    columns = tables.train.attributes
    if tables.kind == MULTI.name:
        return [MULTI]
    numbers = _as_numbers(columns.iloc[:, 0].tolist()) if columns.shape[1] == 1 else None
    as_number = [] if numbers is None else [Number(float(numbers.mean()), _scale(numbers))]
    if tables.kind == Number.name:
        return [*as_number]
    in_order = columns.shape[1] == 1 and (numbers is not None or bool(tables.numbers))
    return [SINGLE, *[ORDERED] * in_order, *as_number]


def _scale(numbers: np.ndarray) -> float:
    return float(numbers.std()) or 1.0


def _as_numbers(texts: Sequence[str]) -> np.ndarray | None:
    """The texts as floats; None where one is none."""
    try:
        numbers = np.array([float(text) for text in texts])
    except ValueError:
        return None
    return numbers if np.isfinite(numbers).all() else None


def encode(tables: Tables, target: Target, as_text: bool) -> tuple[Attributes, np.ndarray]:
    """The classes, and each row's labels as the target has them."""
    columns = tables.train.attributes
    if target == MULTI:
        names, labels = tuple(map(str, columns)), (columns == "1").to_numpy(np.int64)
        if idle := [name for name, count in zip(names, labels.sum(0), strict=True) if not count]:
            raise UserError(
                f"no row of train has the label {', '.join(idle[:3])}: take its column out of the "
                "targets, there is nothing to learn"
            )
        return Attributes(("labels",), (names,), np.arange(len(names))[:, None]), labels
    if isinstance(target, Number):
        name, numbers = str(columns.columns[0]), columns.iloc[:, 0].astype(float).to_numpy()
        if numbers.min() == numbers.max():
            raise UserError(f"every row of train is {numbers[0]:g}: there is nothing to learn")
        return Attributes((name,), ((name,),), np.zeros((1, 1), np.int64)), numbers
    values = tuple(
        _values(columns[name].unique(), tables.numbers.get(str(name)), as_text) for name in columns
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
    return Attributes(tuple(map(str, columns)), values, classes), labels.reshape(-1)


def _values(
    texts: Collection[str], numeric: Numeric | None, as_text: bool = False
) -> tuple[str, ...]:
    """In order: that of the bands, of numbers, or of texts."""
    if numeric is not None:
        return tuple(band for band in numeric.bands if band in texts)
    ordered = sorted(texts)
    numbers = None if as_text else _as_numbers(ordered)
    return tuple(
        ordered if numbers is None else [ordered[i] for i in numbers.argsort(kind="stable")]
    )
