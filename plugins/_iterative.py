"""Iterative stratification: sets of labels dealt out to folds, the rarest label first."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def deal_units(
    counts: np.ndarray, sizes: np.ndarray, folds: int, rng: np.random.Generator
) -> np.ndarray:
    """The fold of each unit `[U]`, a row or a group of rows that stay together.

    `counts` int `[U, C]` are a unit's rows of each label, `sizes` int `[U]` its rows. After Sechidis et
    al. (2011): of the label of which the fewest rows are left, each unit goes where that label is most
    lacking, of such folds where rows are, and of those to any. Where a unit is more than a row, those
    with the most of the label come first, so that the small ones even out. There is no empty fold where
    there are as many units: one lacks the most of everything.
    """
    import numpy as np

    left = np.ones(len(sizes), bool)
    fold = np.full(len(sizes), -1)
    # In rows times folds, which are whole numbers, so that equals are equal.
    lacking, room = np.tile(counts.sum(0), (folds, 1)), np.full(folds, sizes.sum())
    remaining = counts.sum(0)

    def deal(units: np.ndarray, lacks: np.ndarray) -> None:
        for unit, chance in zip(units, rng.random((len(units), folds)), strict=True):
            chosen = fold[unit] = np.lexsort((chance, room, lacks))[-1]
            lacking[chosen] -= folds * counts[unit]
            room[chosen] -= folds * sizes[unit]
        left[units] = False

    while remaining.any():
        label = np.where(remaining > 0, remaining, remaining.max() + 1).argmin()
        units = rng.permutation(np.flatnonzero(left & (counts[:, label] > 0)))
        units = units[np.argsort(-counts[units, label], kind="stable")]
        deal(units, lacking[:, label])
        remaining = remaining - counts[units].sum(0)
    units = rng.permutation(np.flatnonzero(left))
    deal(units[np.argsort(-sizes[units], kind="stable")], np.zeros(folds))
    return fold
