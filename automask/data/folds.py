"""The folds of a study: drawn by a split, or the table's own."""

from __future__ import annotations

import numpy as np

from automask.data.dataset import Dataset
from automask.errors import UserError
from automask.space import registry


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
    if data.target.exclusive and data.counts.max() < folds:
        raise UserError(
            f"no class has as many rows as there are folds ({folds}; the largest has "
            f"{data.counts.max()}): use fewer --folds"
        )
    plugin = registry.get("split", split)
    if not plugin.takes(data.target):
        raise UserError(f"split '{split}' isn't for {data.target.phrase}: leave it out")
    if (own := own_folds(data)) is not None:
        return own
    fold: np.ndarray = plugin.function(data.target.strata(data.labels), groups, folds, seed)
    if sorted(set(fold.tolist())) != list(range(folds)):
        raise UserError(f"split '{split}' left a fold of {folds} empty; use fewer --folds")
    if groups is not None and len(np.unique(np.stack([groups, fold]), axis=1).T) > units:
        raise UserError(f"split '{split}' put one group into two folds")
    return fold


def own_folds(data: Dataset) -> np.ndarray | None:
    """The user's own fold of each row `[N]`, from 0 on in the order of their names; None without any."""
    names = data.train.folds
    if names is None:
        return None
    texts = sorted({*names}, key=lambda name: (len(name), name))
    place = {name: index for index, name in enumerate(texts)}
    return np.array([place[name] for name in names])


def warn_parted(data: Dataset, folds: np.ndarray) -> list[str]:
    """A sentence where the user's own folds part groups; none where all are whole."""
    if data.groups is None or data.train.folds is None:
        return []
    parted = len(np.unique(np.stack([data.groups, folds]), axis=1).T) - (int(data.groups.max()) + 1)
    return [
        f"the table's own folds part {parted:,} groups, or near-duplicates of each other: scores may be "
        'too high (fold = "" in automask.toml draws folds that hold them whole)'
    ] * bool(parted)


def warn_rare(data: Dataset, folds: int) -> list[str]:
    """A sentence for the classes with fewer rows or groups than folds; none where all have enough."""
    what = "images" if data.groups is None else "groups"
    units = data.groups if data.groups is not None else np.arange(len(data.labels))
    rare, has = [], data.has_label
    for label in range(len(data.attributes.classes)):
        count = len(np.unique(units[has[:, label]]))
        if count < folds:
            rare.append(f"{data.attributes.describe(label)} ({count})")
    if not rare:
        return []
    return [
        f"{len(rare)} of {len(data.counts)} classes have fewer {what} than the {folds} folds, so that "
        f"some folds can't score or can't train them: {', '.join(rare)}"
    ]
