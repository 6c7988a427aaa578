"""What to try next: the queue, then random recipes that cost little, then the sampler's."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import optuna
from optuna.trial import BaseTrial, FrozenTrial, TrialState

from automask.errors import UserError
from automask.hpo.attributes import StudyAttributes, TrialAttributes
from automask.hpo.cost import Cost, seconds
from automask.hpo.optuna_internals import requeue
from automask.hpo.sampler import STARTUP
from automask.space.ranges import Categorical, Float, Int, Range, draw
from automask.space.recipe import Recipe
from automask.space.space import Space

#: Proposals of the sampler's that were there already or take too long, before any at random will do.
PROPOSALS = 5
#: Recipes drawn at random for one that is new and fits.
DRAWS = 200
#: While the sampler knows too little, the cheapest of so many random recipes is tried.
CHEAPEST_OF = 3
#: A trial must be expected to end before the deadline with this much to spare.
MARGIN = 1.2


@dataclass(frozen=True)
class Proposer:
    """What one worker of a study tries next, so that no recipe runs twice and each ends in time."""

    study: optuna.Study
    space: Space
    worker: str
    deadline: float | None
    seed: int
    cost: Callable[[Recipe], Cost | None]
    cheapest_of: int = CHEAPEST_OF

    def next(self) -> tuple[optuna.Trial, Recipe] | str:
        """The next trial, or why there is none. Only called under the study's lock.

        First what waits in the queue: the default recipe, the advice's, those with the probe's best
        networks, those of earlier studies, trials put back, what joined the space. Then, while the
        sampler knows too little, the cheapest of a few random recipes, and the sampler's own.
        """
        trials = self.study.get_trials(deepcopy=False)
        attributes = StudyAttributes.read(self.study)
        if not trials:
            self.study.enqueue_trial(self.space.default()[1])
            for source in attributes.QUEUES:
                for params in attributes.queue(source):
                    self.study.enqueue_trial(params)
        for params in attributes.joined or ():
            TrialAttributes(joined=True).enqueue(self.study, params)
        if attributes.joined:
            StudyAttributes(joined=[]).write(self.study)
        long: list[optuna.Trial] = []
        try:
            refused = 0
            while True:
                trials = self.study.get_trials(deepcopy=False)
                waits = any(trial.state == TrialState.WAITING for trial in trials)
                if not waits and (refused >= PROPOSALS or _is_startup(trials)):
                    why = self._enqueue_cheapest(trials, refused)
                    if why:
                        return why
                trial = self.study.ask()
                recipe = self.space.sample(suggester(trial))
                record = TrialAttributes.read(trial)
                if record.given:
                    recipe = Recipe.from_dict(record.given)
                if recipe.hash in _used(trials, trial.number):
                    self._refuse(trial, "duplicate")
                elif not record.anyway and not self._fits(recipe, trials):
                    if waits:
                        long.append(trial)
                        continue
                    self._refuse(trial, "too long")
                else:
                    return self.begin(trial, recipe, trials), recipe
                refused += not waits
        finally:
            for trial in long:
                requeue(self.study, trial)

    def _enqueue_cheapest(self, trials: list[FrozenTrial], refused: int) -> str:
        """Queue the cheapest of a few random recipes that are new and fit, or say why there is none."""
        rng = np.random.default_rng([self.seed, len(trials)])
        used, wanted = _used(trials), self.cheapest_of if refused < PROPOSALS else 1
        affordable: list[tuple[float, dict[str, Any]]] = []
        draws: list[tuple[float, dict[str, Any]]] = []
        for _ in range(DRAWS):
            params: dict[str, Any] = {}

            def suggest(name: str, range_: Range, params: dict[str, Any] = params) -> Any:
                params[name] = draw(range_, rng)
                return params[name]

            recipe = self.space.sample(suggest)
            if recipe.hash in used:
                continue
            cost = self.cost(recipe)
            draws.append((math.inf if cost is None else cost.gflop, params))
            if self._fits(recipe, trials):
                affordable.append(draws[-1])
                used.add(recipe.hash)
            if len(affordable) == wanted:
                break
        attributes = TrialAttributes(drawn=True)
        if not affordable and all(TrialAttributes.read(trial).pace is None for trial in trials):
            # No trial has told yet how long one takes: better a try than nothing to blend.
            affordable, attributes = draws, TrialAttributes(drawn=True, anyway=True)
        if affordable:
            cheapest = min(affordable, key=lambda pair: pair[0])[1]
            attributes.enqueue(self.study, cheapest)
            return ""
        if draws:
            return "no other trial is expected to end in the time that is left"
        return f"nothing new in {DRAWS} proposals: the space seems to be exhausted"

    def _fits(self, recipe: Recipe, trials: list[FrozenTrial]) -> bool:
        """Should this end before the deadline?"""
        if self.deadline is None:
            return True
        cost = self.cost(recipe)
        passes = StudyAttributes.read(self.study).passes
        expected = None if cost is None else seconds(cost, trials, passes)
        return expected is None or time.time() + MARGIN * expected <= self.deadline

    def _refuse(self, trial: optuna.Trial, reason: str) -> None:
        TrialAttributes(reason=reason).write(trial)
        self.study.tell(trial, state=TrialState.FAIL)

    def begin(self, trial: optuna.Trial, recipe: Recipe, trials: list[FrozenTrial]) -> optuna.Trial:
        """The trial with what is known of it before it runs."""
        if TrialAttributes.read(trial).hash:
            # Some of it may be done, so that its seconds say nothing of others.
            TrialAttributes(resumed=True).write(trial)
        TrialAttributes(recipe=recipe.to_dict(), hash=recipe.hash, worker=self.worker).write(trial)
        if (cost := self.cost(recipe)) is not None:
            # Also where nothing tells: another machine may have expected something.
            predicted = seconds(cost, trials)
            TrialAttributes(cost=cost.gflop, kind=cost.kind, predicted=predicted).write(trial)
        return trial


def _is_startup(trials: list[FrozenTrial]) -> bool:
    """Does the sampler know too little? It learns nothing from recipes outside the space."""
    counted = (t for t in trials if t.state in (TrialState.COMPLETE, TrialState.PRUNED))
    inside = (trial for trial in counted if not TrialAttributes.read(trial).outside)
    return len(list(islice(inside, STARTUP))) < STARTUP


def _used(trials: list[FrozenTrial], but: int | None = None) -> set[str]:
    """The hashes of all recipes of the study, without that of one trial."""
    hashes = {TrialAttributes.read(trial).hash for trial in trials if trial.number != but}
    return {hash_ for hash_ in hashes if hash_}


def suggester(trial: BaseTrial) -> Callable[[str, Range], Any]:
    """What asks Optuna for a value of a range."""

    def suggest(name: str, range_: Range) -> Any:
        match range_:
            case Float():
                return trial.suggest_float(name, range_.low, range_.high, log=range_.log)
            case Int():
                return trial.suggest_int(name, range_.low, range_.high, log=range_.log)
            case Categorical():
                return trial.suggest_categorical(name, range_.choices)
        raise UserError(f"{name}: open text can't be searched; give a list of names")

    return suggest
