"""What to try next: the queue, then random recipes, then the sampler's, and at last the best again."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from automask.hpo.attributes import StudyAttributes, TrialAttributes
from automask.hpo.clock import Clock
from automask.hpo.cost import Cost, seconds
from automask.hpo.optuna_internals import claim, requeue
from automask.hpo.race import LONGER, Race, candidates, heads_are_beaten
from automask.hpo.sampler import is_startup
from automask.hpo.suggester import suggester
from automask.hpo.trials import fold_scores
from automask.space.ranges import Range, draw
from automask.space.recipe import Recipe
from automask.space.space import Space

#: Proposals of the sampler's that can't be taken, before any at random will do.
PROPOSALS = 5
#: Recipes drawn at random for one that is new and fits.
DRAWS = 200
#: The last trial begins once so many times what it takes is left.
LAST = 1.25


@dataclass(frozen=True)
class Proposal:
    """A trial to run with its recipe: to be looked at, or trained on all folds."""

    trial: optuna.Trial
    recipe: Recipe
    look: bool


@dataclass(frozen=True)
class Proposer:
    """What one worker of a study tries next, so that no recipe runs twice and each ends in time.

    Where there is a `race`, recipes are looked at before they are trained.
    """

    study: optuna.Study
    space: Space
    worker: str
    deadline: float | None
    seed: int
    cost: Callable[[Recipe], Cost | None]
    race: Race | None = None

    @property
    def clock(self) -> Clock:
        passes = StudyAttributes.read(self.study).passes
        return Clock(self.deadline, *self.space.epochs, self.cost, passes)

    def next(self) -> Proposal | str:
        """The next trial, or why there is none. Only called under the study's lock.

        Where the time left suffices for one more trial, that is the best of those looked at. Else what
        waits in the queue comes first: what an ensemble can be had of at once, recipes that did best
        elsewhere, the advice's, those with the probe's best networks, those of earlier studies, trials
        put back, what joined the space. Then random recipes while the sampler knows too little, and the
        sampler's own.
        """
        self._fill_queue()
        long: list[optuna.Trial] = []
        try:
            refused = 0
            while True:
                trials = self.study.get_trials(deepcopy=False)
                if last := self._last(trials):
                    return last
                waits = any(trial.state == TrialState.WAITING for trial in trials)
                if not waits and (refused >= PROPOSALS or is_startup(trials)):
                    why = self._enqueue_random(trials)
                    if why:
                        return why
                trial = self.study.ask()
                recipe = self.space.sample(suggester(trial))
                record = TrialAttributes.read(trial)
                if record.hash and record.recipe:
                    recipe = Recipe.from_dict(record.recipe)
                elif record.given:
                    recipe = Recipe.from_dict(record.given)
                if why := self._unwanted(recipe, record, trials, trial.number):
                    self._refuse(trial, why)
                    refused += not waits
                    continue
                fitting = self._fitting(recipe, record, trials)
                smaller = self._smaller(recipe, fitting, record, trials)
                if smaller is not None:
                    self._refuse(trial, "too long")
                    record = TrialAttributes(drawn=record.drawn, smaller=True)
                    record.enqueue(self.study, smaller)
                    refused += not waits
                elif fitting is not None:
                    look = self._wants_look(recipe, record, trials)
                    return self.begin(trial, recipe if look else fitting, trials, look)
                elif waits:
                    long.append(trial)
                else:
                    self._refuse(trial, "too long")
                    refused += 1
        finally:
            for trial in long:
                requeue(self.study, trial)

    def _fill_queue(self) -> None:
        attributes = StudyAttributes.read(self.study)
        if not self.study.get_trials(deepcopy=False):
            queues = [attributes.queue(source) for source in attributes.QUEUES]
            queues.insert(1, [self.space.default()[1]])
            for params in itertools.chain(*queues):
                self.study.enqueue_trial(params)
        for params in attributes.joined or ():
            TrialAttributes(joined=True).enqueue(self.study, params)
        if attributes.joined:
            StudyAttributes(joined=[]).write(self.study)

    def go_on(self, trial: optuna.Trial, recipe: Recipe, look: float) -> Proposal | None:
        """The trial that was looked at, to be trained on all folds where it leads and has the time; it
        is noted then. Only called under the study's lock."""
        trials = [t for t in self.study.get_trials(deepcopy=False) if t.number != trial.number]
        assert self.race is not None
        fitting = self.clock.shorten(recipe, trials) if self.race.goes_on(look, trials) else None
        proposal = None if fitting is None else self.begin(trial, fitting, trials, new=True)
        TrialAttributes(look=look).write(trial)
        return proposal

    def _last(self, trials: list[FrozenTrial]) -> Proposal | None:
        """The best of those looked at, once there is time for one trial more and not for two.

        One that was trained already is so again where it gets more epochs.
        """
        if self.deadline is None or self.race is None:
            return None
        used = {TrialAttributes.read(trial).hash for trial in trials}
        # Another worker may have come to its last one, too.
        taken = {TrialAttributes.read(trial).again for trial in trials}
        for trial in candidates(trials):
            if trial.number in taken:
                continue
            noted = TrialAttributes.read(trial)
            recipe = Recipe.from_dict(noted.recipe or {}).with_epochs(self.race.high)
            expected = self.clock.seconds(recipe, trials)
            if expected is None or self.clock.left > LAST * expected:
                return None
            fitting = self.clock.shorten(recipe, trials)
            if fitting is None or fitting.hash in used:
                continue
            before = trial.state != TrialState.PRUNED or bool(fold_scores(trial))
            epochs = (noted.recipe or {})["training"]["epochs"]
            if before and fitting.training["epochs"] < LONGER * epochs:
                continue
            params = self.space.nearest(recipe.values())[1]
            TrialAttributes(given=fitting.to_dict(), again=trial.number).enqueue(self.study, params)
            made = self.study.get_trials(deepcopy=False)[-1]
            claimed = claim(self.study, made)
            self.space.sample(suggester(claimed))
            return self.begin(claimed, fitting, trials)
        return None

    def _enqueue_random(self, trials: list[FrozenTrial]) -> str:
        """Queue a random recipe that is new and fits, or say why there is none."""
        rng = np.random.default_rng([self.seed, len(trials)])
        used, first = _used(trials), dict[str, Any]()
        for _ in range(DRAWS):
            params: dict[str, Any] = {}

            def suggest(name: str, range_: Range, params: dict[str, Any] = params) -> Any:
                params[name] = draw(range_, rng)
                return params[name]

            recipe = self.space.sample(suggest)
            if recipe.hash in used or self._is_beaten(recipe, trials):
                continue
            first = first or params
            if self._fitting(recipe, TrialAttributes(), trials) is not None:
                TrialAttributes(drawn=True).enqueue(self.study, params)
                return ""
        if first and all(TrialAttributes.read(trial).pace is None for trial in trials):
            # No trial has told yet how long one takes: better a try than nothing to blend.
            TrialAttributes(drawn=True, anyway=True).enqueue(self.study, first)
            return ""
        if first:
            return "no other trial is expected to end in the time that is left"
        return f"nothing new in {DRAWS} proposals: the space seems to be exhausted"

    def _unwanted(
        self, recipe: Recipe, record: TrialAttributes, trials: list[FrozenTrial], number: int
    ) -> str:
        """Why a proposal isn't to be tried, whatever its time; empty where it is."""
        if not record.given and self._base(recipe) in _used(trials, number):
            return "duplicate"
        return "beaten" if not record.hash and self._is_beaten(recipe, trials) else ""

    def _smaller(
        self,
        recipe: Recipe,
        fitting: Recipe | None,
        record: TrialAttributes,
        trials: list[FrozenTrial],
    ) -> dict[str, Any] | None:
        """The free hyperparameters of the recipe at the largest smaller image size at which the time
        suffices for enough epochs, where it doesn't at its own; else at the one that gets the most, if
        these are more than at its own. None where there is none, or time enough."""
        clock = self.clock
        if self.deadline is None or record.hash or record.given or record.anyway or record.smaller:
            return None
        if not clock.is_short(fitting):
            return None
        own, used, best = recipe.training["image_size"], _used(trials), None
        most = 0 if fitting is None else fitting.training["epochs"]
        sizes = [int(s) for s in self.space.training["image_size"].corners() if s < own]
        for size in sorted(sizes, reverse=True):
            other, params = self.space.nearest({**recipe.values(), "training.image_size": size})
            if other.training["image_size"] == own or self._base(other) in used:
                continue
            shorter = clock.fitting(other, trials)
            if shorter is not None and shorter.training["epochs"] > most:
                best, most = params, shorter.training["epochs"]
            if not clock.is_short(shorter):
                break
        return best

    def _is_beaten(self, recipe: Recipe, trials: list[FrozenTrial]) -> bool:
        """Are only heads trained by it, and worse than what else was tried?"""
        return (
            self.race is not None and heads_are_beaten(trials) and self.clock.trains_heads(recipe)
        )

    def _wants_look(
        self, recipe: Recipe, record: TrialAttributes, trials: list[FrozenTrial]
    ) -> bool:
        """Is it to be looked at first? Not where only heads train, which is as cheap."""
        if self.race is None or record.given or record.look is not None:
            return False
        clock = self.clock
        return not clock.trains_heads(recipe) and not clock.is_dear(
            recipe, self.race.epochs, trials
        )

    def _fitting(
        self, recipe: Recipe, record: TrialAttributes, trials: list[FrozenTrial]
    ) -> Recipe | None:
        """The recipe as it should end before the deadline, or None; what was begun stays as it is."""
        if record.anyway or record.hash:
            return recipe
        if record.given:
            return recipe if self.clock.fits(recipe, trials) else None
        return self.clock.fitting(recipe, trials)

    def _base(self, recipe: Recipe) -> str:
        """The hash of the recipe with the most epochs: whatever it is given, it isn't proposed again."""
        return recipe.with_epochs(self.space.epochs[1]).hash

    def _refuse(self, trial: optuna.Trial, reason: str) -> None:
        TrialAttributes(reason=reason).write(trial)
        self.study.tell(trial, state=TrialState.FAIL)

    def begin(
        self,
        trial: optuna.Trial,
        recipe: Recipe,
        trials: list[FrozenTrial],
        look: bool = False,
        new: bool = False,
    ) -> Proposal:
        """The trial with what is known of it before it runs; nothing of a `new` one is done yet."""
        if not new and TrialAttributes.read(trial).hash == recipe.hash:
            # Some of it may be done, so that its seconds say nothing of others.
            TrialAttributes(resumed=True).write(trial)
        base = self._base(recipe)
        TrialAttributes(
            recipe=recipe.to_dict(), hash=recipe.hash, base=base, worker=self.worker
        ).write(trial)
        if (cost := self.cost(recipe)) is not None:
            # Also where nothing tells: another machine may have expected something.
            predicted = seconds(cost, trials)
            TrialAttributes(cost=cost.gflop, kind=cost.kind, predicted=predicted).write(trial)
        return Proposal(trial, recipe, look)


def _used(trials: list[FrozenTrial], but: int | None = None) -> set[str]:
    """What tells all recipes of the study apart but for their epochs, without that of one trial."""
    noted = (TrialAttributes.read(trial) for trial in trials if trial.number != but)
    return {hash_ for one in noted if (hash_ := one.base or one.hash)}
