"""One network in place of a study's blend: ways to make it, each scored on rows that it never saw.

For fold k a way sees nothing of the fold, neither its images nor its labels, nor networks, recipes or
blends that were chosen or trained by them. What it makes of all rows by the same steps is the network
to hand on. A soup of folds is the exception: each of its networks has seen the others' rows, so that
what is scored are soups within a fold; it is measured and never chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from automask.data.dataset import fold_count, test_fingerprint
from automask.ensembles import blend as blends
from automask.ensembles import export, members
from automask.ensembles.cost import Clock, Cost
from automask.ensembles.ensemble import AUTO, PLAIN, Ensemble, Member
from automask.ensembles.fold_networks import predict_rows
from automask.ensembles.selection import EVERYTHING, Pool
from automask.ensembles.soup import Soups
from automask.ensembles.teaching import Teaching
from automask.errors import TrialError, UserError
from automask.listener import note, progress
from automask.space import registry
from automask.storage.disk import TOP
from automask.storage.files import short_hash
from automask.storage.trial_store import FoldResult, TrialStore
from automask.study.session import Session
from automask.training.task import Lessons, Task
from automask.training.trial import fit_alone

#: The ways, and what each does.
WAYS = {
    "refit": "the best trial's recipe, trained on all rows",
    "distilled": "the same, taught by the blend",
    "soup": "averaged weights of neighbouring trials and of their folds",
}
#: Those whose networks are scored as they are made; the network to hand on is one of these.
SCORED = ("refit", "distilled")
#: Networks that an earlier version made otherwise aren't taken for these.
VERSION = 1


@dataclass(frozen=True)
class Way:
    """A network's `blend` of itself alone (with a shift of decisions where that helps, as any blend
    has), its cost, and the share of the test rows where it answers what the whole blend does: None
    without any, and where these answers were what it learned."""

    name: str
    blend: Ensemble
    cost: Cost
    agreement: float | None


@dataclass(frozen=True)
class Singles:
    """The blend of a study with its cost, the ways to one network, and the `best` of these: its nested
    score is of rows that the way to it was chosen without, too."""

    blend: Ensemble
    cost: Cost
    ways: tuple[Way, ...]
    best: Ensemble

    @property
    def best_name(self) -> str:
        store = self.best.parts[0].member.single
        assert store is not None
        return store.folder.name


def make(session: Session) -> Singles:
    """Train and score every way; what is there already isn't trained again.

    Raises `UserError` where no trial's weights were kept, where pretrained weights are others by now,
    where several pictures make a row, or where a network can't be trained.
    """
    task, able = session.task(), _able(session)
    blended = blends.fit_members(session, {PLAIN: able}, AUTO, TOP)
    key = _key(session, able)
    session.store.remove_singles(but=key)
    maker, clock = _Maker(session, task, able, key), Clock(session, task)
    ways = []
    for index, name in enumerate(WAYS):
        progress("one network", index, len(WAYS))
        maker.make(name)
        own = _blend(session, [maker.member(name)])
        agreement = _agreement(task, own, blended) if name != "distilled" else None
        ways.append(Way(name, own, clock.cost(own.members), agreement))
    progress("one network", len(WAYS), len(WAYS))
    best = _blend(session, [maker.member(name) for name in SCORED])
    return Singles(blended, clock.cost(blended.members), tuple(ways), best)


def load(session: Session) -> Ensemble:
    """The best network of those that `make` made. Raises `UserError` where it has made none."""
    able = _able(session)
    maker = _Maker(session, session.task(), able, _key(session, able))
    if not all(maker.is_made(name) for name in SCORED):
        raise UserError(
            f"--single: no network of the present trials is made yet: run automask distill"
            f"{session.options.flag}"
        )
    return _blend(session, [maker.member(name) for name in SCORED])


def _able(session: Session) -> list[Member]:
    """The trials that networks are made of, the best first."""
    registry.load(session.options.project)
    if session.data.units is not None:
        raise UserError(
            "one network can't stand for the blend where several pictures make a row: "
            f"automask export MODEL --top 1{session.options.flag} is the best trial alone"
        )
    if session.store.load_pseudo() is not None:
        raise UserError(
            "this study trains on pseudo-labels of another, which one network can't learn again: "
            "distil the study that it learns from"
        )
    if why := members.explain_other_weights(session):
        raise UserError(f"no network can be trained as the trials were: {why}")
    plain = export.exportable(session, members.load_members(session))
    able = [member for member in plain if member.able]
    if not able:
        raise UserError(
            "of no trial the weights are kept, so that nobody can teach: search with more --disk"
        )
    return able


def _key(session: Session, able: Sequence[Member]) -> str:
    """Equal where the networks are."""
    hashes = [member.recipe.hash for member in able]
    return short_hash(repr((VERSION, hashes, test_fingerprint(session.data))))


def _blend(session: Session, singles: Sequence[Member]) -> Ensemble:
    """The best of single networks, as a blend."""
    return blends.fit_members(session, {PLAIN: singles}, "best", 1)


def _agreement(task: Task, own: Ensemble, blended: Ensemble) -> float | None:
    if not len(own.test):
        return None
    target = task.data.target
    differ = target.differ(target.decide(own.test), target.decide(blended.test))
    return 1 - float(differ.mean())


class _Maker:
    """Makes what isn't made yet. A way's network of all rows is that of a fold that no row is in."""

    def __init__(self, session: Session, task: Task, able: Sequence[Member], key: str) -> None:
        self.session, self.task, self.members, self.key = session, task, able, key
        self.count, data = fold_count(session.folds), session.data
        tables = np.stack([member.validation for member in able]).astype(np.float64)
        self.pool = Pool(
            {PLAIN: tables},
            data.labels,
            session.folds,
            data.groups,
            session.metric,
            TOP,
            seed=0,
            target=data.target,
        )
        self.soups = Soups(session, task, able, self.pool)
        self.teaching = Teaching(session, task, able, self.pool)

    def is_made(self, way: str) -> bool:
        return self._store(way).has(self.count)

    def member(self, way: str) -> Member:
        """The network that a way made, as the only member of a blend."""
        store = self._store(way)
        chosen = self.members[self._best(self.count)]
        return replace(
            chosen,
            validation=store.out_of_fold(self.session.folds),
            test=lambda: store.load(self.count).test,
            single=store,
        )

    def make(self, way: str) -> None:
        """Every fold that isn't there yet, and last the network of all rows."""
        steps: dict[str, Callable[[int], FoldResult]] = {
            "refit": self._refit,
            "distilled": self._distil,
            "soup": self._soup,
        }
        store = self._store(way)
        for fold in range(self.count + 1):
            if store.has(fold):
                continue
            try:
                result = steps[way](fold)
            except TrialError as error:
                raise UserError(f"{way}: {error} ({error.reason})") from error
            if fold == self.count:
                store.save_single(fold, result)
            else:
                store.save_probabilities(fold, result)
            progress(way, fold + 1, self.count + 1)

    def _store(self, way: str) -> TrialStore:
        return self.session.store.single(self.key, way, self.session.room())

    def _best(self, fold: int) -> int:
        """The best trial by the rows outside a fold."""
        return self.pool.best(PLAIN, without=self._without(fold))[0]

    def _without(self, fold: int) -> frozenset[int]:
        return frozenset({fold}) if fold < self.count else EVERYTHING

    def _refit(self, fold: int) -> FoldResult:
        chosen = self.members[self._best(fold)]
        if fold == self.count:
            return fit_alone(self.task, chosen.recipe, fold)
        stored = self.session.store.trial(chosen.recipe.hash).load(fold)
        return replace(stored, test_key=self.task.test_key)

    def _distil(self, fold: int) -> FoldResult:
        lessons: Lessons = self.teaching.teacher(fold)
        task = replace(self.task, lessons=lessons)
        return fit_alone(task, self.members[self._best(fold)].recipe, fold)

    def _soup(self, fold: int) -> FoldResult:
        joined = self.soups.greedy(self._without(fold))
        recipe, task = self.members[joined[0]].recipe, self.task
        folds = [fold] if fold < self.count else list(range(self.count))
        state = self.soups.average(joined, folds, fold)
        if fold == self.count:
            note(f"soup: {len(joined)} trials of {len(self.members)}, {self.count} folds each")
        _, scored = task.fold_rows(fold)
        validation, test = (
            predict_rows(task, recipe, state, fold, rows) for rows in (scored, task.test_rows)
        )
        return FoldResult(validation, test, task.test_key, state)
