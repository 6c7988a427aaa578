"""Class limits as `automask.toml` writes them, and the classes that they make of a column of numbers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from automask.data.csv_file import Csv, quoted, repeats, shorten_list
from automask.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from automask.data.tables import Numeric


def read_limits(
    train: Csv, targets: Collection[str], lines: Sequence[str]
) -> Mapping[str, Numeric]:
    """The numbers of the targets that `lines` such as "age: 30, 60" give limits to, by column.

    Raises `UserError` where a line can't be read, names no target, or where a cell is no number.
    """
    pairs = [_parse_line(line) for line in lines]
    if twice := repeats(name for name, _ in pairs):
        raise UserError(f"limits: '{twice[0]}' is there more than once; write its limits in one")
    for name, _ in pairs:
        if name not in targets:
            raise UserError(f"limits: '{name}' is no target{did_you_mean(name, targets)}")
    return {name: _numeric(train, name, limits) for name, limits in pairs}


def band_names(limits: Sequence[float], whole: bool) -> tuple[str, ...]:
    """The bands' names: <30, 30-59 and >=60 of whole numbers, 0.5 to 1 of others."""
    pairs = itertools.pairwise(limits)
    between = [f"{a:g}-{b - 1:g}" if whole else f"{a:g} to {b:g}" for a, b in pairs]
    return (f"<{limits[0]:g}", *between, f">={limits[-1]:g}")


def _parse_line(line: str) -> tuple[str, tuple[float, ...]]:
    name, _, rest = line.rpartition(":")
    limits = [_number(cell) for cell in rest.split(",")]
    if not name or any(map(math.isnan, limits)) or sorted({*limits}) != limits:
        raise UserError(
            f"limits: '{line}' isn't a column and its ascending limits, such as 'age: 30, 60'"
        )
    return name.strip(), tuple(limits)


def _numeric(train: Csv, column: str, limits: tuple[float, ...]) -> Numeric:
    import numpy as np

    from automask.data.tables import Numeric

    values = np.array([_number(cell) for cell in train[column]])
    if odd := np.flatnonzero(np.isnan(values)).tolist():
        cells = shorten_list(quoted(train[column][row] for row in odd))
        raise UserError(
            f"{train.at(odd)}: {cells} in column '{column}' isn't a number, and it has limits; correct "
            "it or take the row out"
        )
    whole = all(map(float.is_integer, (*values.tolist(), *limits)))
    return Numeric(values, limits, band_names(limits, whole))


def _number(text: str) -> float:
    """The number that a text is, or not-a-number."""
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan
