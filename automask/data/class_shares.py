"""The shares of the classes among the test rows, where they are others than in train."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from automask.data.csv_file import quoted, read_csv, repeats, shorten_list
from automask.data.dataset import Dataset
from automask.errors import UserError, did_you_mean

#: Shares by name: those of train (nothing is corrected), the same for all, those that test looks like.
TRAIN, EVEN, ESTIMATED = "train", "even", "estimated"


@dataclass(frozen=True)
class Shares:
    """The share of each class `[C]` among the test rows, and where it is from: a name or a file."""

    source: str
    values: np.ndarray

    @property
    def text(self) -> str:
        """The shares in words, equal where they are."""
        return " ".join(f"{value:.4g}" for value in self.values)


def read(asked: str, data: Dataset, key: str = "--test-shares") -> Shares | None:
    """The shares asked for by name or file; None for those of train.

    `key` is what asks for them, in words. Those that are `ESTIMATED` are another's to find. Raises
    `UserError` where rows haven't one class each, or a file isn't right.
    """
    if asked == TRAIN:
        return None
    if not data.target.exclusive:
        raise UserError(
            f"{key} {asked}: only classes of which a row has exactly one have shares to correct "
            f"for, and this task asks for {data.target.phrase}; leave it out"
        )
    if asked == EVEN:
        count = len(data.counts)
        return Shares(EVEN, np.full(count, 1 / count))
    file = Path(asked)
    if not file.is_file():
        names = (TRAIN, EVEN, ESTIMATED)
        raise UserError(
            f"{key} {asked}: neither a file nor one of {', '.join(names)}"
            f"{did_you_mean(asked, names)}; a file is a CSV with the columns class,share"
        )
    classes = [data.attributes.describe(label) for label in range(len(data.counts))]
    return Shares(asked, read_file(file, classes))


def read_file(file: Path, classes: Sequence[str]) -> np.ndarray:
    """Shares `[C]` from a CSV with the columns class,share, scaled so that they sum to 1."""
    table = read_csv(file)
    names, shares = table["class"], dict[str, float]()
    for name, cell, line in zip(names, table["share"], table.lines, strict=True):
        if name not in classes:
            raise UserError(
                f"{file}, line {line}: train has no class '{name}'{did_you_mean(name, classes)}"
            )
        try:
            share = float(cell)
        except ValueError:
            share = -1.0
        if not 0 <= share < float("inf"):
            raise UserError(
                f"{file}, line {line}: the share of '{name}' is '{cell}'; write a number from 0 up "
                "(shares, percentages or counts: they are scaled to sum to 1)"
            )
        shares[name] = share
    if twice := repeats(names):
        raise UserError(f"{file}: {shorten_list(quoted(twice))} stands there more than once")
    if missing := [name for name in classes if name not in shares]:
        raise UserError(
            f"{file} lacks {shorten_list(quoted(missing))}: write a line for each of the "
            f"{len(classes)} classes, as '{missing[0]},0' where none is expected"
        )
    values: np.ndarray = np.array([shares[name] for name in classes])
    if not values.any():
        raise UserError(f"{file}: all shares are 0")
    values = values / values.sum()
    return values
