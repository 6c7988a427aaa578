"""Several pictures of one thing: its prediction is the mean of theirs, and it is scored once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Pooling:
    """Which of U units each of N rows is a picture of, `unit_of_row` `[N]`, and the `first` row `[U]` of
    each; units are in the order in which they first appear."""

    unit_of_row: np.ndarray
    first: np.ndarray

    @classmethod
    def of(cls, units: Sequence[str] | np.ndarray) -> Pooling:
        _, first, unit = np.unique(np.asarray(units), return_index=True, return_inverse=True)
        order = np.argsort(first)
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        return cls(place[unit.reshape(-1)], first[order])

    def mean(self, table: np.ndarray) -> np.ndarray:
        """`[U, C]` the mean over each unit's rows of `[N, C]`."""
        total = np.zeros((len(self.first), table.shape[1]), np.float64)
        np.add.at(total, self.unit_of_row, table)
        counts = np.bincount(self.unit_of_row, minlength=len(self.first))
        return total / counts[:, None]

    def spread(self, table: np.ndarray) -> np.ndarray:
        """`[N, C]` each row with what its unit has in `[U, C]`."""
        rows: np.ndarray = table[self.unit_of_row]
        return rows
