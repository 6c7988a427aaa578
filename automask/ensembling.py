"""Blending the best trials of a study, with an honest estimate of what the blend is worth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from automask import registry
from automask.recipe import Recipe
from automask.scores import Metric, Score, score

Blend = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Member:
    """A complete trial: out-of-fold probabilities `[N, C]`, and a function for those of the test rows,
    `[M, C]`, averaged over folds.

    One that isn't `able` to predict the test rows is left out of the blend in the end. It still stands
    for choice in the nested score: whose weights were kept went by all rows, those scored included.
    """

    number: int
    recipe: Recipe
    validation: np.ndarray
    test: Callable[[], np.ndarray]
    able: bool = True


@dataclass(frozen=True)
class Ensemble:
    """A blend of members, what it predicts and what it scores.

    `weights` are zero for members left out, and None for a method without weights. `nested` is the
    score of blends that were chosen, members included, without the rows that they are scored on.
    """

    method: str
    members: tuple[Member, ...]
    weights: np.ndarray | None
    validation: np.ndarray
    test: np.ndarray
    plain: Score
    nested: Score
    single: Score


def fit(
    members: Sequence[Member],
    target: np.ndarray,
    folds: np.ndarray,
    groups: np.ndarray | None,
    metric: Metric,
    method: str,
    top: int,
    seed: int = 0,
) -> Ensemble:
    """Blend the `top` best of `members` by an ensemble plugin.

    `target` and `folds` are `[N]`; the nested score goes by the study's own folds.
    """
    table = np.stack([member.validation for member in members])
    able = np.array([index for index, member in enumerate(members) if member.able])
    chosen = able[_best(table[able], target, metric, top)].tolist()
    blend = _blend(table[chosen], target, metric, method, seed)
    nested = np.empty_like(table[0])
    for fold in range(int(folds.max()) + 1):
        seen, held = folds != fold, folds == fold
        inside = _best(table[:, seen], target[seen], metric, top)
        inner = _blend(table[inside][:, seen], target[seen], metric, method, seed)
        nested[held] = inner(table[inside][:, held])
    validation = blend(table[chosen])
    return Ensemble(
        method=method,
        members=tuple(members[index] for index in chosen),
        weights=getattr(blend, "weights", None),
        validation=validation,
        test=blend(np.stack([members[index].test() for index in chosen])),
        plain=score(metric, target, validation, groups),
        nested=score(metric, target, nested, groups),
        single=score(metric, target, table[chosen[0]], groups),
    )


def _best(table: np.ndarray, target: np.ndarray, metric: Metric, top: int) -> list[int]:
    """The indices of the `top` best members, the best first."""
    scores = np.array([metric(target, member) for member in table])
    return np.argsort(-scores, kind="stable")[:top].tolist()


def _blend(
    probability: np.ndarray, target: np.ndarray, metric: Metric, method: str, seed: int
) -> Blend:
    plugin = registry.get("ensemble", method)
    rng = np.random.default_rng(seed)
    return plugin.function(probability, target, metric, rng, **plugin.defaults)
