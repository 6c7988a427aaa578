"""A study in which nothing has trained yet: it stands in nobody's way."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock

from automask.hpo.abandoned_trials import is_alive
from automask.hpo.optuna_internals import delete
from automask.hpo.trials import has_trained
from automask.storage.study_store import StudyStore
from automask.study.session import Options, Session, find_study


def forget(options: Options) -> bool:
    """Remove the study unless a trial of it has finished a fold or somebody is at work on it; was it
    removed?"""
    if not options.store.is_begun:
        return False
    _, store, study = find_study(options)
    with FileLock(store.lock):
        if has_trained(study) or any(is_alive(store, worker) for worker in store.workers()):
            return False
        delete(study)
        store.remove()
    return True


@contextmanager
def forgotten_on_error(session: Session) -> Iterator[None]:
    """Work on a study, which goes where an error ends the block before anything has trained."""
    try:
        with _at_work(session.store):
            yield
    except Exception:
        forget(session.options)
        raise


@contextmanager
def _at_work(store: StudyStore) -> Iterator[None]:
    with FileLock(store.worker_lock(uuid.uuid4().hex)):
        yield
