"""The rows of an epoch, as a sampling draws them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from automask.space.recipe import Recipe
from automask.task import call_plugin


class Table(Protocol):
    """Rows by their numbers: an array, or one a fold."""

    def __getitem__(self, rows: np.ndarray) -> np.ndarray: ...


class EpochRows(NamedTuple):
    """Rows in order; with `partners`, row i is the point at `weights[i]` on the way to its partner."""

    rows: np.ndarray
    partners: np.ndarray | None = None
    weights: np.ndarray | None = None

    def at(self, places: np.ndarray | int) -> EpochRows:
        """Those at some places of the order."""
        if self.partners is None or self.weights is None:
            return EpochRows(self.rows[places])
        return EpochRows(self.rows[places], self.partners[places], self.weights[places])

    def of(self, table: np.ndarray) -> EpochRows:
        """The same by row numbers of a larger table, `table[i]` being that of row i."""
        partners = None if self.partners is None else table[self.partners]
        return EpochRows(table[self.rows], partners, self.weights)


def draw_epoch(
    recipe: Recipe,
    labels: np.ndarray,
    features: Callable[[], np.ndarray],
    rng: np.random.Generator,
) -> EpochRows:
    """An epoch of a training part by the recipe's sampling."""
    drawn = call_plugin(recipe, "sampling", labels, features, rng)
    return EpochRows(*drawn) if isinstance(drawn, tuple) else EpochRows(np.asarray(drawn))


def stack_epochs(folds: Sequence[EpochRows]) -> EpochRows:
    """Several folds' rows `[steps, B]` as one, `[steps, folds, B]`."""
    if all(fold.partners is None for fold in folds):
        return EpochRows(np.stack([fold.rows for fold in folds], axis=1))
    whole = [
        fold
        if fold.partners is not None
        else EpochRows(fold.rows, fold.rows, np.zeros(fold.rows.shape))
        for fold in folds
    ]
    return EpochRows(*(np.stack(parts, axis=1) for parts in zip(*whole, strict=True)))


def read_rows(
    table: Table,
    rows: np.ndarray,
    partners: np.ndarray | None = None,
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """Rows of pixels or features in the table's type, blended with their partners by weight."""
    values = table[rows]
    if partners is None or weights is None:
        return values
    own = values.astype(np.float32)
    wide = weights.astype(np.float32).reshape(*weights.shape, *[1] * (own.ndim - weights.ndim))
    blended = own + wide * (table[partners] - own)
    return blended if values.dtype.kind == "f" else np.rint(blended).astype(values.dtype)
