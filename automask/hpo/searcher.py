"""The search: Optuna proposes recipes, somebody trains them, the outcome is told.

Knows Optuna and nothing of training. A recipe is trained by a function that is given; what it
reports are `automask.progress.Step`s.
"""

from __future__ import annotations

import errno
import math
import multiprocessing
import time
import traceback
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

import optuna
from filelock import FileLock
from optuna.trial import FrozenTrial, TrialState

from automask.deadline import TimeUp, until
from automask.errors import DiskError, TrialError, UserError
from automask.hpo.cost import Cost, facts
from automask.hpo.optuna_study import requeue, requeue_abandoned
from automask.hpo.progress import Report, Step
from automask.hpo.proposer import Proposer, suggester
from automask.hpo.pruners import step_number
from automask.hpo.trials import GIVEN, OUTSIDE, by_end, last_failures, trials_without_rise
from automask.space.recipe import Recipe
from automask.space.space import Space
from automask.storage.disk import out_of_space
from automask.storage.study_store import StudyStore

FAILURES_IN_A_ROW = 10
LATE = "the time is up"
MOVED = "another command has changed the study's space: start this one again"
#: A trial that takes so many times what was expected is ended, though never within a minute.
PATIENCE, LEAST = 5.0, 60.0
COUNTED = (TrialState.COMPLETE, TrialState.PRUNED)
PAUSE = 0.5
Train = Callable[[Recipe, Report], float]


class Pruned(Exception):
    """The trial under way is not worth finishing."""


class Interrupted(Exception):
    """The trial under way must stop now and go on later."""


@dataclass(frozen=True)
class Limits:
    """When the search ends: `trials` complete or pruned in the study, at `deadline` (Unix time), or
    after `patience` trials that didn't raise the ensemble's score."""

    trials: int
    deadline: float | None = None
    patience: int | None = None


@dataclass(frozen=True)
class Event:
    """News of a worker's trial, for displays: `what` is begin, step or end.

    With begin come the seconds `expected`, where trials before it tell.
    """

    what: str
    number: int
    recipe: Recipe
    step: Step | None = None
    state: str = ""
    value: float | None = None
    seconds: float = 0.0
    message: str = ""
    expected: float | None = None


@dataclass(frozen=True)
class Note:
    """A sentence for the user, to be said once."""

    text: str


@dataclass
class Searcher:
    """One worker's loop over a study that any number of workers share.

    `cost` computes what a recipe costs, where that can be told; `so_far` gives the ensemble's score
    after each complete trial. It ends where the study has gone on to another space than `declared`.
    """

    study: optuna.Study
    space: Space
    store: StudyStore
    limits: Limits
    train: Train
    tell: Callable[[Event | Note], None]
    seed: int = 0
    cost: Callable[[Recipe], Cost | None] = lambda recipe: None
    so_far: Callable[[], list[float]] = list
    declared: str = ""
    worker: str = field(default_factory=lambda: uuid.uuid4().hex)
    begun: datetime = field(default_factory=datetime.now)

    @cached_property
    def _proposer(self) -> Proposer:
        deadline, seed = self.limits.deadline, self.seed
        return Proposer(self.study, self.space, self.worker, deadline, seed, self.cost)

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
            with FileLock(self.store.lock):
                ended = self._ended()
                vain = "" if ended else self._in_vain()
                if not self._under_way():
                    ended = ended or vain
                waits = bool(ended or vain) or self._enough_under_way()
                proposal = None if waits else self._proposer.next()
            if ended:
                return ended
            if proposal is None:
                # What others train may yet fail, be lost, or be better than all before.
                time.sleep(PAUSE)
            elif isinstance(proposal, str):
                return proposal
            else:
                self._run(*proposal)

    def _ended(self) -> str:
        """Why the search is over, whatever becomes of trials under way; empty while it isn't."""
        if self._moved():
            return MOVED
        requeue_abandoned(self.study, self.store)
        trials = self.study.get_trials(deepcopy=False)
        if _orphaned():
            return "the command that started this worker is gone"
        if sum(trial.state in COUNTED for trial in trials) >= self.limits.trials:
            return f"{self.limits.trials} trials are complete or pruned"
        return LATE if self._late() else ""

    def _in_vain(self) -> str:
        """Why another trial is not worth it by those that have ended; empty where it is."""
        trials = self.study.get_trials(deepcopy=False)
        if len(last_failures(trials, self.begun)) >= FAILURES_IN_A_ROW:
            return f"{FAILURES_IN_A_ROW} trials in a row failed"
        if (patience := self.limits.patience) and self._without_a_rise(trials) >= patience:
            return f"the ensemble's score hasn't risen for {patience} trials (--patience)"
        return ""

    def _moved(self) -> bool:
        known = self.study.user_attrs.get("fingerprint", {})
        return bool(self.declared) and known.get("space") != self.declared

    def _without_a_rise(self, trials: list[FrozenTrial]) -> int:
        ended = by_end(trial for trial in trials if trial.state in COUNTED)
        return trials_without_rise(ended, self.so_far())

    def _late(self) -> bool:
        return self.limits.deadline is not None and time.time() >= self.limits.deadline

    def _under_way(self) -> int:
        """How many trials others train now."""
        return len(self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)))

    def _enough_under_way(self) -> bool:
        counted = self.study.get_trials(deepcopy=False, states=COUNTED)
        return len(counted) + self._under_way() >= self.limits.trials

    def run_one(self, recipe: Recipe) -> int:
        """Train this recipe, from inside the space or from outside; the number of its trial."""
        with FileLock(self.store.worker_lock(self.worker)):
            with FileLock(self.store.lock):
                trial = self._claim(recipe)
            self._run(trial, recipe, math.inf)
        return trial.number

    def _claim(self, recipe: Recipe) -> optuna.Trial:
        """The recipe's trial, taken from the queue if it waits there. Only called under the lock."""
        if self._moved():
            raise UserError(MOVED)
        requeue_abandoned(self.study, self.store)
        queue = self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        found = [trial for trial in queue if trial.user_attrs.get("hash") == recipe.hash]
        if not found:
            nearest, free = self.space.nearest(recipe.values())
            attributes: dict[str, Any] = {GIVEN: recipe.to_dict()}
            if nearest.hash != recipe.hash:
                attributes[OUTSIDE] = True
            self.study.enqueue_trial(free, user_attrs=attributes)
            found = self.study.get_trials(deepcopy=False)[-1:]
        self.study._storage.set_trial_state_values(found[0]._trial_id, TrialState.RUNNING)
        trial = optuna.Trial(self.study, found[0]._trial_id)
        self.space.sample(suggester(trial))
        return self._proposer.begun(trial, recipe, self.study.get_trials(deepcopy=False))

    def _run(self, trial: optuna.Trial, recipe: Recipe, patience: float = PATIENCE) -> None:
        begin, spent = time.time(), trial.user_attrs.get("seconds", 0.0)
        expected, cost = trial.user_attrs.get("predicted"), self.cost(recipe)
        limit = math.inf if expected is None else begin + max(LEAST, patience * expected)
        ends = min(limit, math.inf if self.limits.deadline is None else self.limits.deadline)
        self.tell(Event("begin", trial.number, recipe, expected=expected))
        done = 0.0
        reported = set(self.study.get_trials(deepcopy=False)[trial.number].intermediate_values)

        def report(step: Step) -> None:
            if not step.final and (_orphaned() or self._late()):
                raise Interrupted
            nonlocal done
            done = done if cost is None else cost.share(step)
            if not step.final and time.time() >= limit:
                raise TimeUp
            self.tell(Event("step", trial.number, recipe, step))
            if step.micro_batch is not None and "micro_batch" not in trial.user_attrs:
                # Batch norm has seen other batches than the recipe's: another machine may differ.
                trial.set_user_attr("micro_batch", step.micro_batch)
            if step.score is None:
                return
            number = step_number(step.fold, step.rung)
            if number not in reported:
                trial.report(float(step.score), number)
            if not step.final and trial.should_prune():
                raise Pruned

        state, value, reason, message = TrialState.FAIL, None, "", ""
        try:
            with until(None if ends == math.inf else ends):
                value = float(self.train(recipe, report))
            state, done = TrialState.COMPLETE, 1.0
        except Pruned:
            state = TrialState.PRUNED
        except TrialError as error:
            reason, message = error.reason, str(error)
        except (Interrupted, TimeUp) as error:
            if isinstance(error, Interrupted) or ends < limit:
                trial.set_user_attr("seconds", spent + time.time() - begin)
                self._put_back(trial)
                return
            reason, message = "timed out", f"expected were {expected:.0f} s"
        except Exception as error:
            if _is_ours(error):
                self._put_back(trial)
                raise
            reason, message = "plugin error", _told(error)
        except BaseException:
            self._put_back(trial)
            raise
        seconds = spent + time.time() - begin
        if reason == "timed out":
            # It tells what it took at least, or all that are as slow would be ended like it.
            done = done or 1.0
        told = done and reason in ("", "timed out") and "resumed" not in trial.user_attrs
        if cost is not None and told:
            for key, fact in facts(cost, seconds / done).items():
                trial.set_user_attr(key, fact)
        trial.set_user_attr("seconds", seconds)
        if reason:
            trial.set_user_attr("reason", reason)
            trial.set_user_attr("message", message[:1000])
        self.study.tell(trial, values=value, state=state)
        if state != TrialState.COMPLETE:
            self.store.trial(recipe.hash).remove()
        shown = reason or state.name.lower()
        self.tell(Event("end", trial.number, recipe, None, shown, value, seconds, message))

    def _put_back(self, trial: optuna.Trial) -> None:
        # A full disk refuses this as well; then whoever goes on sees that the worker is gone.
        with suppress(optuna.exceptions.OptunaError):
            requeue(self.study, trial._trial_id)


def _orphaned() -> bool:
    """Is this a worker whose starter was killed?"""
    starter = multiprocessing.parent_process()
    return starter is not None and not starter.is_alive()


def _is_ours(error: Exception) -> bool:
    """Does this end the search, since no other recipe would mend it: the storage or the disk?"""
    if isinstance(error, OSError) and error.errno == errno.EROFS:
        return True
    ours = isinstance(error, DiskError | optuna.exceptions.OptunaError)
    return ours or out_of_space(error) is not None


def _told(error: Exception) -> str:
    """The error in a line, with where it was raised for whoever wrote the plugin."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
    text = str(error).strip().splitlines()[0] if str(error).strip() else ""
    return f"{type(error).__name__}: {text}{where}"
