"""How a study is doing that runs in another process, or doesn't: what `automask status` tells."""

from __future__ import annotations

import time

from optuna.trial import FrozenTrial, TrialState
from rich.console import Console

from automask.cli.display import SHOWN, Running, progress_lines, trials_table
from automask.hpo.attributes import TrialAttributes, recipe_of
from automask.hpo.optuna_study import is_alive
from automask.hpo.trials import fold_scores
from automask.study import summary
from automask.study.session import Session
from automask.units import duration


def show_status(session: Session, console: Console) -> None:
    """Print the trials by state, those under way, the best and the blend so far.

    Nothing of the study changes; what the blend is worth so far is kept beside it.
    """
    trials, now = session.study.get_trials(deepcopy=False), time.time()
    found, folds = summary.overview(session), int(session.folds.max()) + 1
    noted = {trial.number: TrialAttributes.read(trial) for trial in trials}
    taken_up = [t for t in trials if t.state == TrialState.RUNNING and noted[t.number].recipe]
    workers = {trial.number: noted[trial.number].worker or "" for trial in taken_up}
    at_work = {number for number, worker in workers.items() if is_alive(session.store, worker)}
    running = [_running(trial, folds, trial.number in at_work) for trial in taken_up]
    if found.ended or running:
        console.print(trials_table(found, running, now, SHOWN))
        console.print()
    for sentence in progress_lines(found, now):
        console.print(sentence, markup=False, soft_wrap=True)
    waiting = sum(trial.state == TrialState.WAITING for trial in trials)
    if waiting:
        console.print(f"{waiting} in the queue")
    if found.counted:
        console.print(f"a trial takes {duration(found.mean_seconds)} in the mean")
    console.print(_said(found, len(at_work), len(taken_up) - len(at_work), now), soft_wrap=True)


def _running(trial: FrozenTrial, folds: int, at_work: bool) -> Running:
    """Where a trial is by the scores that it reported: epochs between them are in no storage."""
    where = f"fold {min(len(fold_scores(trial)) + 1, folds)} of {folds}"
    since = trial.datetime_start.timestamp() if trial.datetime_start else None
    recipe = recipe_of(trial)
    return Running(trial.number, recipe, where if at_work else "abandoned", since)


def _said(found: summary.Overview, at_work: int, abandoned: int, now: float) -> str:
    """Does anybody work on it?"""
    told = f"{at_work} of its trials {'is' if at_work == 1 else 'are'} in training on this machine"
    if not at_work:
        last = (
            f"; its last trial ended {duration(now - found.ended[-1].at)} ago"
            if found.ended
            else ""
        )
        told = f"nothing of it is in training on this machine{last}"
    if abandoned:
        told += f"; {abandoned} abandoned (or on another machine): the next search takes them up"
    return told
