"""Splits: rows dealt out to folds (`automask.space.protocols.SplitPlugin`)."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from automask import split

if TYPE_CHECKING:
    import numpy as np


@split()
def stratified(labels: np.ndarray, groups: np.ndarray | None, folds: int, seed: int) -> np.ndarray:
    """Every fold has its share of each class, and a group is never on two sides.

    When to use: always, unless rows have an order in time.
    """
    import numpy as np
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    splitter = kind(folds, shuffle=True, random_state=seed)
    fold = np.full(len(labels), -1)
    with warnings.catch_warnings():
        # Classes with fewer rows than folds are named by automask in its own words.
        warnings.simplefilter("ignore", UserWarning)
        for index, (_, scored) in enumerate(splitter.split(labels, labels, groups)):
            fold[scored] = index
    return fold
