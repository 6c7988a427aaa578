"""A warm start: recipes that did well in earlier studies, moved into the present space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automask.space.distance import GowerDistance, parameters
from automask.space.recipe import Recipe
from automask.space.space import Space

#: Recipes that are queued.
TOP = 5


@dataclass(frozen=True)
class Earlier:
    """An earlier study as it was asked for: the recipes of its complete trials, the best first, and
    their scores `[R]`."""

    name: str
    recipes: tuple[Recipe, ...]
    scores: np.ndarray


def portfolio(
    earlier: Sequence[Earlier],
    space: Space,
    present: Sequence[Mapping[str, Any]] = (),
    top: int = TOP,
) -> list[tuple[str, dict[str, Any]]]:
    """Up to `top` recipes, moved into the space, as their study's name and free hyperparameters.

    Chosen greedily: each is the one that most raises the mean over studies of the best score among the
    chosen, then the one with the best mean itself, so that of a single study they are its best in
    order. Recipes that become the same, or one of the `present`, are left out. The greedy portfolio is
    that of Auto-sklearn 2.0 (Feurer et al., JMLR 2022); there every recipe was trained on every task,
    here `predict_scores` stands in for that.
    """
    moved = [[space.nearest(recipe.values()) for recipe in one.recipes] for one in earlier]
    rows = [[parameters(space, recipe) for recipe, _ in study] for study in moved]
    scores = predict_scores(rows, [one.scores for one in earlier])
    entries = [
        (one.name, params) for one, study in zip(earlier, moved, strict=True) for _, params in study
    ]
    best, seen = np.zeros(len(earlier)), list(present)
    chosen: list[tuple[str, dict[str, Any]]] = []
    while len(chosen) < top:
        left = [index for index, (_, values) in enumerate(entries) if values not in seen]
        if not left:
            break
        gains = np.maximum(best, scores[left]).mean(1)
        # Stable: of those that tie, the better one of its study comes first.
        pick = left[np.lexsort((-scores[left].mean(1), -gains))[0]]
        best = np.maximum(best, scores[pick])
        chosen.append(entries[pick])
        seen.append(entries[pick][1])
    return chosen


def predict_scores(
    rows: Sequence[Sequence[dict[str, Any]]], scores: Sequence[np.ndarray]
) -> np.ndarray:
    """`[all recipes, studies]`: what each recipe would score in each study, from 0, the study's worst,
    to 1, its best: as the nearest recipe there by Gower's distance, in its own study itself.

    `rows` are the `distance.parameters` of each study's recipes, the best first.
    """
    every = [row for study in rows for row in study]
    columns = []
    for study, values in zip(rows, scores, strict=True):
        places, room = GowerDistance(list(study)), np.ptp(values) or 1.0
        nearest = [int(np.argmin(places.distances(row))) for row in every]
        columns.append(((values - values.min()) / room)[nearest])
    return np.stack(columns, axis=1)
