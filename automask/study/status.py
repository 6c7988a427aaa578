"""How a study is doing, also one that runs in another process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial, TrialState

from automask.data.dataset import fold_count
from automask.hpo.abandoned_trials import is_alive
from automask.hpo.attributes import TrialAttributes, recipe_of
from automask.hpo.trials import fold_scores
from automask.space.recipe import Recipe
from automask.study.session import Session
from automask.study.summary import Overview, overview


@dataclass(frozen=True)
class Running:
    """A trial under way: where it is, and since when (Unix time, None where that isn't known)."""

    number: int
    recipe: Recipe
    where: str
    since: float | None = None


@dataclass(frozen=True)
class Status:
    """What a study has come to, and its trials under way.

    Of these, `at_work` are in training on this machine and `abandoned` are not, unless on another one;
    `waiting` more are in the queue.
    """

    overview: Overview
    running: Sequence[Running]
    at_work: int
    abandoned: int
    waiting: int


def status(session: Session) -> Status:
    """Nothing of the study changes; what the blend is worth so far is kept beside it."""
    trials, folds = session.study.get_trials(deepcopy=False), fold_count(session.folds)
    noted = {trial.number: TrialAttributes.read(trial) for trial in trials}
    taken_up = [t for t in trials if t.state == TrialState.RUNNING and noted[t.number].recipe]
    workers = {trial.number: noted[trial.number].worker or "" for trial in taken_up}
    at_work = {number for number, worker in workers.items() if is_alive(session.store, worker)}
    return Status(
        overview(session),
        [_running(trial, folds, trial.number in at_work) for trial in taken_up],
        len(at_work),
        len(taken_up) - len(at_work),
        sum(trial.state == TrialState.WAITING for trial in trials),
    )


def _running(trial: FrozenTrial, folds: int, at_work: bool) -> Running:
    """Where a trial is by the scores that it reported: epochs between them are in no storage."""
    where = f"fold {min(len(fold_scores(trial)) + 1, folds)} of {folds}"
    since = trial.datetime_start.timestamp() if trial.datetime_start else None
    return Running(trial.number, recipe_of(trial), where if at_work else "abandoned", since)
