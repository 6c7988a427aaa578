"""The search: Optuna proposes recipes, somebody trains them, the outcome is reported.

Knows Optuna and nothing of training. A recipe is trained by a function that is given; what it
reports are `Step`s, and what becomes of a trial are `Event`s, published (`automask.listener`).
"""

from __future__ import annotations

import math
import multiprocessing
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

import optuna
from filelock import FileLock
from optuna.trial import TrialState

from automask.deadline import TimeUp
from automask.errors import UserError
from automask.hpo.abandoned_trials import requeue_abandoned
from automask.hpo.attributes import StudyAttributes, TrialAttributes
from automask.hpo.cost import Cost, facts
from automask.hpo.limits import Limits
from automask.hpo.optuna_internals import claim, requeue
from automask.hpo.progress import Event, Interrupted, Report
from automask.hpo.proposer import Proposal, Proposer
from automask.hpo.pruners import LOOKED
from automask.hpo.race import Race
from automask.hpo.reporter import Reporter
from automask.hpo.suggester import suggester
from automask.hpo.trial_outcome import Outcome, outcome
from automask.listener import publish
from automask.space.recipe import Recipe
from automask.space.space import Space
from automask.storage.disk import out_of_space
from automask.storage.study_store import StudyStore

LATE = "the time is up"
MOVED = "another command has changed the study's space: start this one again"
#: A trial that takes so many times what was expected is ended, though never within a minute.
PATIENCE, LEAST = 5.0, 60.0
PAUSE = 0.5
#: Trains a recipe whole, by a time (Unix time) if it must.
Train = Callable[[Recipe, Report, float], float]
#: Trains a recipe's first fold alone.
Look = Callable[[Recipe, Report], float]
#: What is left of the time once the last trial should have ended: it is still to be saved and told.
RESERVE = 1.0


@dataclass
class Searcher:
    """One worker's loop over a study that any number of workers share.

    Recipes are looked at before they are trained where there is a `look` for it (see `race`).
    `cost` computes what a recipe costs, where that can be told; `so_far` gives the ensemble's score
    after each complete trial. It ends where the study has gone on to another space than `declared`, and
    after the epoch under way once `interrupted`, which raises `KeyboardInterrupt`.
    """

    study: optuna.Study
    space: Space
    store: StudyStore
    limits: Limits
    train: Train
    seed: int = 0
    cost: Callable[[Recipe], Cost | None] = lambda recipe: None
    so_far: Callable[[], list[float]] = list
    declared: str = ""
    look: Look | None = None
    interrupted: Callable[[], bool] = lambda: False
    worker: str = field(default_factory=lambda: uuid.uuid4().hex)
    begun: datetime = field(default_factory=datetime.now)

    @cached_property
    def _proposer(self) -> Proposer:
        race = Race(*self.space.epochs)
        return Proposer(
            self.study,
            self.space,
            self.worker,
            self._ends,
            self.seed,
            self.cost,
            race if self.look is not None and race.is_on else None,
        )

    @property
    def _ends(self) -> float | None:
        """When the last trial is to end."""
        return None if self.limits.deadline is None else self.limits.deadline - RESERVE

    def run(self) -> str:
        """Propose and train until the limits; why it ended, as a sentence.

        Raises `UserError` where the storage fails.
        """
        try:
            with FileLock(self.store.worker_lock(self.worker)):
                return self._search()
        except optuna.exceptions.OptunaError as error:
            reason = str(error.__cause__ or error).strip().splitlines()[0]
            other = UserError(f"the study's storage: {reason}; the same command goes on")
            raise out_of_space(error, self.store.runs) or other from error

    def _search(self) -> str:
        while True:
            if self.interrupted():
                raise KeyboardInterrupt
            with FileLock(self.store.lock):
                ended = self._ended()
                trials = self.study.get_trials(deepcopy=False)
                vain = "" if ended else self.limits.in_vain(trials, self.begun, self.so_far)
                if not any(trial.state == TrialState.RUNNING for trial in trials):
                    ended = ended or vain
                waits = bool(ended or vain) or self.limits.are_under_way(trials)
                proposal = None if waits else self._proposer.next()
            if ended:
                return ended
            if proposal is None:
                # What others train may yet fail, be lost, or be better than all before.
                time.sleep(PAUSE)
            elif isinstance(proposal, str):
                return proposal
            else:
                self._run(proposal)

    def _ended(self) -> str:
        """Why the search is over, whatever becomes of trials under way; empty while it isn't."""
        if self._moved():
            return MOVED
        requeue_abandoned(self.study, self.store)
        if _orphaned():
            return "the command that started this worker is gone"
        reached = self.limits.reached(self.study.get_trials(deepcopy=False))
        return reached or (LATE if self._late() else "")

    def _moved(self) -> bool:
        if not self.declared:
            return False
        return StudyAttributes.read(self.study).identity.get("space") != self.declared

    def _late(self) -> bool:
        return self.limits.deadline is not None and time.time() >= self.limits.deadline

    def run_one(self, recipe: Recipe) -> int:
        """Train this recipe, from inside the space or from outside; the number of its trial."""
        with FileLock(self.store.worker_lock(self.worker)):
            with FileLock(self.store.lock):
                proposal = self._claim(recipe)
            self._train(proposal, math.inf)
        return proposal.trial.number

    def _claim(self, recipe: Recipe) -> Proposal:
        """The recipe's trial, taken from the queue if it waits there. Only called under the lock."""
        if self._moved():
            raise UserError(MOVED)
        requeue_abandoned(self.study, self.store)
        queue = self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        waiting = [trial for trial in queue if TrialAttributes.read(trial).hash == recipe.hash]
        if not waiting:
            nearest, params = self.space.nearest(recipe.values())
            outside = nearest.with_epochs(recipe.training["epochs"]).hash != recipe.hash or None
            TrialAttributes(given=recipe.to_dict(), outside=outside).enqueue(self.study, params)
            waiting = self.study.get_trials(deepcopy=False)[-1:]
        trial = claim(self.study, waiting[0])
        self.space.sample(suggester(trial))
        return self._proposer.begin(trial, recipe, self.study.get_trials(deepcopy=False))

    def _run(self, proposal: Proposal) -> None:
        """Train what is proposed, after a look at it where that is to come first."""
        further: Proposal | None = proposal
        if proposal.look:
            further = self._look(proposal)
        if further is not None:
            self._train(further)

    def _look(self, proposal: Proposal) -> Proposal | None:
        """What to train after a look at the proposal; None where it ended there."""
        trial, recipe = proposal.trial, proposal.recipe
        race, look = self._proposer.race, self.look
        assert race is not None and look is not None
        short = recipe.with_epochs(race.epochs)
        cost = self.cost(short)
        if cost is not None:
            cost = replace(cost, gflop=cost.gflop / cost.folds, folds=1)
        expected, whole = TrialAttributes.read(trial).predicted, self.cost(recipe)
        if expected is not None and cost is not None and whole is not None:
            expected *= cost.gflop / whole.gflop
        reporter, ended, seconds = self._watch(
            proposal, lambda report: look(short, report), cost, expected, PATIENCE
        )
        if ended is None:
            return None
        if ended.state == TrialState.COMPLETE and ended.value is not None:
            self._tell_pace(reporter, 1.0, seconds)
            trial.report(ended.value, LOOKED)
            with FileLock(self.store.lock):
                further = self._proposer.go_on(trial, recipe, ended.value)
            if further is not None:
                before = TrialAttributes.read(trial).seconds or 0.0
                TrialAttributes(seconds=before + seconds).write(trial)
                return further
            ended = Outcome(TrialState.PRUNED, None, "", f"its look came to {ended.value:.4f}")
        self._end(trial, recipe, ended, seconds)
        return None

    def _train(self, proposal: Proposal, patience: float = PATIENCE) -> None:
        trial, recipe = proposal.trial, proposal.recipe
        ends = math.inf if patience == math.inf or self._ends is None else self._ends
        expected, cost = TrialAttributes.read(trial).predicted, self.cost(recipe)
        reporter, ended, seconds = self._watch(
            proposal, lambda report: self.train(recipe, report, ends), cost, expected, patience
        )
        if ended is None:
            return
        if reporter.epochs < recipe.training["epochs"]:
            TrialAttributes(shortened=int(reporter.epochs)).write(trial)
        done = reporter.done
        # Timed out, it tells what it took at least, or all that are as slow would be ended like it.
        if ended.state == TrialState.COMPLETE or (ended.reason == "timed out" and not done):
            done = 1.0
        if done and ended.reason in ("", "timed out") and not TrialAttributes.read(trial).resumed:
            self._tell_pace(reporter, done, seconds)
        self._end(trial, recipe, ended, seconds)

    def _watch(
        self,
        proposal: Proposal,
        train: Callable[[Report], float],
        cost: Cost | None,
        expected: float | None,
        patience: float,
    ) -> tuple[Reporter, Outcome | None, float]:
        """Run a training of that cost: what was reported, what came of it, and the seconds of it.

        Nothing comes of one that is to go on later, which waits in the queue then.
        """
        trial, recipe, begin = proposal.trial, proposal.recipe, time.time()
        reporter = Reporter(
            trial,
            set(self.study.get_trials(deepcopy=False)[trial.number].intermediate_values),
            cost,
            math.inf if expected is None else begin + max(LEAST, patience * expected),
            lambda: _orphaned() or self._late() or self.interrupted(),
            lambda step: publish(Event("step", trial.number, recipe, step)),
        )
        publish(Event("begin", trial.number, recipe, expected=expected))
        try:
            ended = outcome(
                lambda: train(reporter),
                reporter.limit,
                self.limits.deadline,
                f"expected were {expected or 0.0:.0f} s",
            )
        except (Interrupted, TimeUp):
            before = TrialAttributes.read(trial).seconds or 0.0
            TrialAttributes(seconds=before + time.time() - begin).write(trial)
            self._requeue(trial)
            return reporter, None, 0.0
        except BaseException:
            self._requeue(trial)
            raise
        return reporter, ended, time.time() - begin

    def _tell_pace(self, reporter: Reporter, done: float, seconds: float) -> None:
        """Note how long the share of a cost that is `done` took; of heads with their features, which are
        most of it and come before the first epoch has ended."""
        if reporter.cost is not None:
            pace = None if reporter.cost.is_cached else reporter.pace
            whole = seconds / done if pace is None else pace
            facts(reporter.cost, whole).write(reporter.trial)

    def _end(self, trial: optuna.Trial, recipe: Recipe, ended: Outcome, seconds: float) -> None:
        """Keep how a trial ended that took so long after what it had taken before, and tell the user."""
        seconds += TrialAttributes.read(trial).seconds or 0.0
        TrialAttributes(seconds=seconds).write(trial)
        if ended.reason:
            TrialAttributes(reason=ended.reason, message=ended.message[:1000]).write(trial)
        self.study.tell(trial, values=ended.value, state=ended.state)
        if ended.state != TrialState.COMPLETE:
            self.store.trial(recipe.hash).remove()
        end = (ended.name, ended.value, seconds, ended.message)
        publish(Event("end", trial.number, recipe, None, *end))

    def _requeue(self, trial: optuna.Trial) -> None:
        # A full disk refuses this as well; then whoever goes on sees that the worker is gone.
        with suppress(optuna.exceptions.OptunaError):
            requeue(self.study, trial)


def _orphaned() -> bool:
    """Is this a worker whose starter was killed?"""
    starter = multiprocessing.parent_process()
    return starter is not None and not starter.is_alive()
