"""What an ensemble is made of, chosen without the rows that it is then scored on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from automask import label_shift, machine
from automask.data.class_shares import Shares
from automask.ensembles import calibration, decisions
from automask.label_shift import MetricAt
from automask.scoring import Metric, Score, score, simplest_best
from automask.space import registry
from automask.target import SINGLE, Target

Blend = Callable[[np.ndarray], np.ndarray]
Folds = frozenset[int]
EVERYTHING: Folds = frozenset()


@dataclass(frozen=True)
class Choice:
    """The method, the view and the shift of decisions (or none), and what says so: `honest` `[n, C]` are
    the probabilities of the rows that it was chosen by, each from a blend that never saw it."""

    method: str
    view: str
    shift: np.ndarray | None
    honest: np.ndarray


@dataclass(frozen=True)
class Pool:
    """The members' out-of-fold probabilities, `[T, N, C]` a view (a way to look at an image, the plain
    one first), and blends of the `top` best of them.

    Everything is fitted without the rows of some folds, which alone it may be scored on. `labels` are
    as the `target` has them, and tables and metric are at the `shares` already.
    """

    views: Mapping[str, np.ndarray]
    labels: np.ndarray
    folds: np.ndarray
    groups: np.ndarray | None
    metric: Metric
    top: int
    seed: int
    target: Target = SINGLE
    shares: Shares | None = None
    cache: dict[tuple[str, str, Folds], np.ndarray] = field(default_factory=dict, repr=False)
    scores: dict[tuple[str, Folds], np.ndarray] = field(default_factory=dict, repr=False)

    @property
    def plain(self) -> str:
        """The first view."""
        return next(iter(self.views))

    def seen(self, without: Folds) -> np.ndarray:
        """bool `[N]`: the rows outside those folds."""
        return ~np.isin(self.folds, list(without))

    def groups_of(self, rows: np.ndarray) -> np.ndarray | None:
        return None if self.groups is None else self.groups[rows]

    def score(self, probability: np.ndarray) -> Score:
        return score(self.metric, self.labels, probability, self.groups)

    def best(
        self, view: str, among: Sequence[int] | None = None, without: Folds = EVERYTHING
    ) -> list[int]:
        """The `top` members, the best first; `among` are those that may be one."""
        table = self.views[view]
        if (view, without) not in self.scores:
            rows = self.seen(without)
            labels = self.labels[rows]
            self.scores[view, without] = np.array([self.metric(labels, one[rows]) for one in table])
        indices = np.arange(len(table)) if among is None else np.array(among)
        scores = self.scores[view, without][indices]
        best: list[int] = indices[np.argsort(-scores, kind="stable")[: self.top]].tolist()
        return best

    def fit(
        self, view: str, method: str, without: Folds, among: Sequence[int] | None = None
    ) -> tuple[list[int], Blend]:
        """The members, the best first, and their blend, fitted to rows drawn by the shares."""
        members, metric = self.best(view, among, without), self.metric
        rows = np.flatnonzero(self.seen(without))
        if isinstance(metric, MetricAt):
            rows = rows[label_shift.draw_rows(self.labels[rows], metric.shares)]
            metric = metric.metric
        table, labels = self._table(view, members, rows), self.labels[rows]
        plugin, rng = registry.get("ensemble", method), np.random.default_rng(self.seed)
        blend = plugin.function(table, labels, metric, rng, **plugin.defaults)
        return members, blend

    def _table(self, view: str, members: Sequence[int], rows: np.ndarray) -> np.ndarray:
        table: np.ndarray = self.views[view][np.ix_(np.array(members, int), rows)]
        return table

    def outside(self, view: str, method: str, without: Folds) -> np.ndarray:
        """`[m, C]`: the rows of those folds, by a blend fitted on the others. Remembered, since the
        folds k and j are left out together for either's sake."""
        key = view, method, without
        if key not in self.cache:
            members, blend = self.fit(view, method, without)
            self.cache[key] = blend(self._table(view, members, ~self.seen(without)))
        return self.cache[key]

    def crossed(self, view: str, method: str, without: Folds = EVERYTHING) -> np.ndarray:
        """`[n, C]`: the rows outside those folds, each fold of them by a blend that saw neither.

        Folds side by side, as what takes long in a blend leaves the other cores to others.
        """
        out = np.empty(self.views[view].shape[1:])

        def fill(fold: int) -> None:
            left = without | {fold}
            held = self.folds[~self.seen(left)] == fold
            out[self.folds == fold] = self.outside(view, method, left)[held]

        with ThreadPoolExecutor(machine.cores()) as executor:
            list(executor.map(fill, np.unique(self.folds[self.seen(without)]).tolist()))
        rows: np.ndarray = out[self.seen(without)]
        return rows


def choose_blend(pool: Pool, methods: Sequence[str], without: Folds = EVERYTHING) -> Choice:
    """The method, then the view, then a shift of decisions or none, by the rows outside the folds
    `without` alone.

    The method is the one with the best nested score, the simplest among equals. Another view than the
    plain one, or a shift, must gain more than a standard error.
    """
    rows = pool.seen(without)
    labels, groups, folds = pool.labels[rows], pool.groups_of(rows), pool.folds[rows]
    tables = [pool.crossed(pool.plain, method, without) for method in methods]
    method = methods[int(np.argmax([pool.metric(labels, table) for table in tables]))]
    views = list(pool.views)
    tables = [pool.crossed(view, method, without) for view in views]
    index = simplest_best(pool.metric, labels, tables, groups)
    view, honest = views[index], tables[index]
    if not decisions.sees_answers_only(pool.target, pool.metric, labels, honest):
        return Choice(method, view, None, honest)
    crossed = np.empty_like(honest)
    for fold in np.unique(folds):
        held = folds == fold
        shift = decisions.fit(pool.target, labels[~held], honest[~held], pool.metric)
        crossed[held] = decisions.apply(pool.target, honest[held], shift)
    if simplest_best(pool.metric, labels, [honest, crossed], groups) == 0:
        return Choice(method, view, None, honest)
    shift = decisions.fit(pool.target, labels, honest, pool.metric)
    return Choice(method, view, shift, crossed)


def nested_choice(pool: Pool, methods: Sequence[str]) -> tuple[np.ndarray, list[Choice]]:
    """`[N, C]`: each fold by a choice made, blend and all, without it; and these choices.

    All of the choosing is inside: members, method, view and shift.
    """
    out = np.empty(pool.views[pool.plain].shape[1:])
    choices = []
    for fold in np.unique(pool.folds).tolist():
        choice = choose_blend(pool, methods, frozenset({fold}))
        held = pool.outside(choice.view, choice.method, frozenset({fold}))
        out[pool.folds == fold] = decisions.apply(pool.target, held, choice.shift)
        choices.append(choice)
    return out, choices


def calibrate(pool: Pool, honest: np.ndarray) -> tuple[np.ndarray, float | None]:
    """`honest` `[N, C]`, each fold at the temperature of the others; that of all rows where it helps.

    It helps where the log loss of the former is lower by more than a standard error. What isn't a
    distribution over classes has no temperature.
    """
    if not pool.target.exclusive:
        return honest, None
    out, shares = np.empty_like(honest), pool.shares
    weights = None if shares is None else label_shift.row_weights(pool.labels, shares.values)

    def fit(rows: np.ndarray) -> float:
        own = None if weights is None else weights[rows]
        return calibration.temperature(pool.labels[rows], honest[rows], own)

    for fold in np.unique(pool.folds):
        held = pool.folds == fold
        out[held] = calibration.apply_temperature(honest[held], fit(~held))
    likelihood = label_shift.metric_at(calibration.log_likelihood, shares)
    helps = simplest_best(likelihood, pool.labels, [honest, out], pool.groups)
    return out, fit(pool.seen(EVERYTHING)) if helps else None


def split_in_half(folds: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """Two folds as four, where a group stays whole: without one, others are left to choose by."""
    units = np.arange(len(folds)) if groups is None else groups
    out = 2 * folds
    for fold in np.unique(folds):
        rows = folds == fold
        out[rows] += np.unique(units[rows], return_inverse=True)[1] % 2
    return out
