"""Splits: rows dealt out to folds (`automask.space.protocols.SplitPlugin`)."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from automask import split
from automask.plugins._iterative import deal_units

if TYPE_CHECKING:
    import numpy as np


@split(target="any")
def stratified(labels: np.ndarray, groups: np.ndarray | None, folds: int, seed: int) -> np.ndarray:
    """Every fold has its share of each class or label, and a group is never on two sides.

    Numbers come as bands of them. Sets of labels are dealt out by iterative stratification (Sechidis et
    al., 2011), a group at once.
    When to use: always, unless rows have an order in time.
    """
    return (_deal_sets if labels.ndim == 2 else _deal_classes)(labels, groups, folds, seed)


def _deal_classes(
    labels: np.ndarray, groups: np.ndarray | None, folds: int, seed: int
) -> np.ndarray:
    import numpy as np
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    # Bands of fewer rows than folds are joined with their neighbours.
    while np.bincount(labels).max() < min(folds, len(labels)):
        labels = labels // 2
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    splitter = kind(folds, shuffle=True, random_state=seed)
    fold = np.full(len(labels), -1)
    with warnings.catch_warnings():
        # Classes with fewer rows than folds are named by automask in its own words.
        warnings.simplefilter("ignore", UserWarning)
        for index, (_, scored) in enumerate(splitter.split(labels, labels, groups)):
            fold[scored] = index
    return fold


def _deal_sets(labels: np.ndarray, groups: np.ndarray | None, folds: int, seed: int) -> np.ndarray:
    import numpy as np

    units = np.arange(len(labels)) if groups is None else np.unique(groups, return_inverse=True)[1]
    sizes = np.bincount(units)
    counts = np.zeros((len(sizes), labels.shape[1]), np.int64)
    np.add.at(counts, units, labels)
    return deal_units(counts, sizes, folds, np.random.default_rng(seed))[units]
