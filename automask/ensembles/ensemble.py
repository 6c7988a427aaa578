"""Blending the best trials of a study, with an honest estimate of what the blend is worth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from automask import label_shift
from automask.data.class_shares import Shares
from automask.ensembles import calibration, decisions, selection
from automask.ensembles.selection import Blend, Pool
from automask.errors import UserError
from automask.scoring import Metric, Score
from automask.space import registry
from automask.space.recipe import Recipe
from automask.storage.trial_store import TrialStore
from automask.target import SINGLE, Target

F = TypeVar("F", bound=Callable[..., Any])
#: The name for: the method that is best where the choice of it is scored too.
AUTO = "auto"
#: The view of images as they are.
PLAIN = "none"

# Matrices are so small that threads wait for each other longer than they work.
_one_thread: Callable[[F], F] = threadpool_limits.wrap(limits=1, user_api="blas")


@dataclass(frozen=True)
class Member:
    """A complete trial: out-of-fold probabilities `[N, C]`, and a function for those of the test rows,
    `[M, C]`, averaged over folds.

    One that isn't `able` to predict the test rows is left out of the blend in the end. It still stands
    for choice in the nested score: whose weights were kept went by all rows, those scored included.
    Of a network that stands for the whole study `single` is where it is kept.
    """

    number: int
    recipe: Recipe
    validation: np.ndarray
    test: Callable[[], np.ndarray]
    able: bool = True
    single: TrialStore | None = None


@dataclass(frozen=True)
class Part:
    """What a member is in the blend: its weight (None for a method without weights), the share of rows
    where its class is another than the blend's, and what the out-of-fold score loses without it, the
    others weighted as before."""

    member: Member
    weight: float | None
    score: float
    differs: float
    adds: float


@dataclass(frozen=True)
class MethodScores:
    """What a method scores on rows that it and its members were chosen without, and on all of them."""

    nested: Score
    plain: Score


@dataclass(frozen=True)
class Ensemble:
    """A blend of members, what it predicts and what it scores.

    `asked` is the method that was asked for, `method` the one that came of it, and `chosen` counts
    those that came of it fold by fold. `parts` are the members with a part in the blend, which on
    average differ from one another in a share `disagreement` of the rows.

    `nested` is the score of the `honest` probabilities `[N, C]`: each fold by a blend that was chosen
    without it, members, method, view and shift included. `validation` `[N, C]` and `test` `[M, C]` are
    those of the `blend`, `plain` the score of the former; `test` is divided by the `temperature`, where
    there is one, and has the same likeliest classes; `undecided` is the same without the shift of
    decisions. `calibrated` are the honest ones, each fold at the
    temperature of the others. `methods` are scored on the plain view and `views`, nested, with the
    method that was chosen, both without a shift. Where there are other `shares` of the classes in test
    than in train, all predictions and scores are at these.
    """

    asked: str
    method: str
    view: str
    shift: np.ndarray | None
    temperature: float | None
    blend: Blend
    parts: tuple[Part, ...]
    disagreement: float
    validation: np.ndarray
    honest: np.ndarray
    calibrated: np.ndarray
    test: np.ndarray
    undecided: np.ndarray
    plain: Score
    nested: Score
    single: Score
    methods: Mapping[str, MethodScores]
    views: Mapping[str, Score]
    chosen: Mapping[str, int]
    notes: tuple[str, ...] = ()
    shares: Shares | None = None

    @property
    def members(self) -> tuple[Member, ...]:
        return tuple(part.member for part in self.parts)

    @property
    def weights(self) -> np.ndarray | None:
        """`[T]`, or None for a method without weights."""
        weights = [part.weight for part in self.parts if part.weight is not None]
        return np.array(weights) if weights else None

    def scored_rows(self, labels: np.ndarray) -> np.ndarray:
        """The rows that stand for the test set: all, or those drawn by the class shares there."""
        if self.shares is None:
            return np.arange(len(labels))
        return label_shift.draw_rows(labels, self.shares.values)


def _corrected(members: Sequence[Member], train: np.ndarray, shares: Shares) -> list[Member]:
    def correct(prediction: np.ndarray) -> np.ndarray:
        return label_shift.correct(prediction, train, shares)

    def correct_one(member: Member) -> Member:
        return replace(
            member, validation=correct(member.validation), test=lambda: correct(member.test())
        )

    return [correct_one(member) for member in members]


@_one_thread
def fit(
    views: Mapping[str, Sequence[Member]],
    labels: np.ndarray,
    folds: np.ndarray,
    groups: np.ndarray | None,
    metric: Metric,
    method: str,
    top: int,
    seed: int = 0,
    target: Target = SINGLE,
    shares: Shares | None = None,
) -> Ensemble:
    """Blend the `top` best of the members by an ensemble plugin, or by the one that `auto` finds.

    `views` are the same members as they see an image in one way or another, the plain one first.
    `labels` are as the `target` has them, `folds` `[N]`; the nested score goes by the study's own
    folds, or by their halves where there are but two. At other `shares` of the classes than train's
    members are corrected for them, and everything is chosen and scored on rows drawn by them.
    """
    if shares is not None:
        train = np.bincount(labels, minlength=len(shares.values)) / len(labels)
        views = {name: _corrected(one, train, shares) for name, one in views.items()}
        metric = label_shift.metric_at(metric, shares)
    plain = next(iter(views))
    tables = {
        view: np.stack([member.validation for member in members]).astype(np.float64)
        for view, members in views.items()
    }
    if len(np.unique(folds)) == 2:
        folds = selection.split_in_half(folds, groups)
    pool = Pool(tables, labels, folds, groups, metric, top, seed, target, shares)
    methods, notes = _methods(pool, method)
    honest, choices = selection.nested_choice(pool, methods)
    choice = selection.choose_blend(pool, methods)
    table, members = tables[choice.view], views[choice.view]
    able = [index for index, member in enumerate(views[plain]) if member.able]

    def blended(among: Sequence[int]) -> tuple[list[int], Blend, np.ndarray]:
        indices, blend = pool.fit(choice.view, choice.method, selection.EVERYTHING, among)
        return indices, blend, decisions.apply(target, blend(table[indices]), choice.shift)

    indices, blend, validation = blended(able)

    def without(index: int) -> np.ndarray:
        """The blend's predictions without a member: the others' weights stay where it has some."""
        others = [other for other in indices if other != index]
        weights = getattr(blend, "weights", None)
        if weights is None:
            return blended(others)[2]
        shares = np.array([weights[indices.index(other)] for other in others])
        if not shares.any():
            return blended(others)[2]
        rest = np.tensordot(shares / shares.sum(), table[others], axes=1)
        return decisions.apply(target, rest, choice.shift)

    value = metric(labels, validation)
    weights = getattr(blend, "weights", [None] * len(indices))
    answers = [target.decide(member) for member in table]
    own = target.decide(validation)
    parts = []
    for index, weight in zip(indices, weights, strict=True):
        if weight is None or weight > 0:
            others = [other for other in indices if other != index]
            parts.append(
                Part(
                    members[index],
                    None if weight is None else float(weight),
                    float(metric(labels, table[index])),
                    float(target.differ(answers[index], own).mean()),
                    float(value - metric(labels, without(index))) if others else 0.0,
                )
            )
    undecided = blend(np.stack([members[index].test() for index in indices]))
    test = decisions.apply(target, undecided, choice.shift)
    calibrated, temperature = selection.calibrate(pool, honest)
    return Ensemble(
        asked=method,
        method=choice.method,
        view=choice.view,
        shift=choice.shift,
        temperature=temperature,
        blend=blend,
        parts=tuple(parts),
        disagreement=disagreement(target, [answers[index] for index in indices]),
        validation=validation,
        honest=honest,
        calibrated=calibrated,
        test=_at(test, temperature),
        undecided=_at(undecided, temperature),
        plain=pool.score(validation),
        nested=pool.score(honest),
        single=pool.score(tables[plain][pool.best(plain, able)[0]]),
        methods={name: _scores(pool, name, able) for name in methods},
        views={name: pool.score(pool.crossed(name, choice.method)) for name in views},
        chosen=Counter(choice.method for choice in choices),
        notes=tuple(notes),
        shares=shares,
    )


def _at(probability: np.ndarray, temperature: float | None) -> np.ndarray:
    if temperature is None:
        return probability
    return calibration.apply_temperature(probability, temperature)


def disagreement(target: Target, answers: Sequence[np.ndarray]) -> float:
    """The mean share of rows in which two of the members, whose answers are given, differ."""
    pairs = [
        target.differ(answers[i], answers[j]).mean() for i in range(len(answers)) for j in range(i)
    ]
    return float(np.mean(pairs)) if pairs else 0.0


def _methods(pool: Pool, method: str) -> tuple[list[str], list[str]]:
    """The methods to choose from, the simplest first; and why others can't be used here.

    Where the metric reads probabilities, those that give answers only aren't among them.
    """
    if method != AUTO:
        return [registry.get("ensemble", method).name], []
    usable, notes = [], []
    mean = pool.views[pool.plain].mean(0)
    answers = decisions.sees_answers_only(pool.target, pool.metric, pool.labels, mean)
    for name, plugin in registry.plugins("ensemble").items():
        if not plugin.takes(pool.target) or (plugin.abilities["answers_only"] and not answers):
            continue
        try:
            pool.crossed(pool.plain, name)
            usable.append(name)
        except UserError as error:
            notes.append(f"not among the methods: {error}")
    return usable, notes


def _scores(pool: Pool, method: str, able: Sequence[int]) -> MethodScores:
    """Without a shift of decisions, on the plain view."""
    members, blend = pool.fit(pool.plain, method, selection.EVERYTHING, able)
    plain = blend(pool.views[pool.plain][members])
    return MethodScores(pool.score(pool.crossed(pool.plain, method)), pool.score(plain))
