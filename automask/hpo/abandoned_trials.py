"""Trials of workers that were killed, put back into the queue."""

from __future__ import annotations

import optuna
from filelock import FileLock, Timeout
from optuna.trial import TrialState

from automask.hpo.attributes import TrialAttributes
from automask.hpo.optuna_internals import requeue
from automask.storage.study_store import StudyStore


def requeue_abandoned(study: optuna.Study, store: StudyStore) -> None:
    """Put the trials of workers that are no more back into the queue, with what they sampled.

    A worker holds a lock as long as its process lives, however that ends. Only called under the study's
    lock: a trial has no worker for a moment.
    """
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        worker = TrialAttributes.read(trial).worker
        if worker is None or not is_alive(store, worker):
            requeue(study, trial)


def requeue_lost(study: optuna.Study, store: StudyStore) -> None:
    """Put back what workers left that are no more, while others may be at work on the study."""
    with FileLock(store.lock):
        requeue_abandoned(study, store)


def is_alive(store: StudyStore, worker: str) -> bool:
    """Does the process of that worker live, on this machine?"""
    file = store.worker_lock(worker)
    if not file.exists():
        return False
    try:
        with FileLock(file, timeout=0):
            file.unlink(missing_ok=True)
            return False
    except Timeout:
        return True
