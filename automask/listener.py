"""What work says while it goes on, and to whom.

Work says sentences by `note`, counts by `progress` and a search's news by `publish`, wherever it is
called from. Who calls it listens: the command line prints, a notebook shows a bar, a worker sends to
its pipe. Where nobody listens, notes go to the log named ``automask``.

    >>> class Collector(Listener):
    ...     def __init__(self):
    ...         self.notes = []
    ...     def note(self, text):
    ...         self.notes.append(text)
    >>> collector = Collector()
    >>> with listening(collector):
    ...     note("3 images are copies")
    >>> collector.notes
    ['3 images are copies']
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any


class Listener:
    """Hears what work says; a subclass overrides what it has a use for."""

    def note(self, text: str) -> None:
        """A sentence for the user."""
        logging.getLogger("automask").info(text)

    def progress(self, task: str, done: int, total: int) -> None:
        """So many of a task's steps are done; `task` says what is done, as "decoding images"."""

    def publish(self, event: Any) -> None:
        """News of a search: `automask.hpo.progress.Event`, and `automask.study.run.SearchStart` and
        `SearchEnd`."""


_LOG = Listener()
_listener: ContextVar[Listener] = ContextVar("listener", default=_LOG)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Inside the block, in this thread, it hears what work says, and nobody else does."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def is_heard() -> bool:
    """Does anybody listen?"""
    return _listener.get() is not _LOG


def current() -> Listener:
    """Who listens."""
    return _listener.get()


def note(text: str) -> None:
    """Say a sentence to the user."""
    _listener.get().note(text)


def progress(task: str, done: int, total: int) -> None:
    """Say how far a task is."""
    _listener.get().progress(task, done, total)


def publish(event: Any) -> None:
    """Say what happened in a search."""
    _listener.get().publish(event)


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Inside the block, what libraries warn of doesn't stand between what work says.

    Warnings go to the log named ``py.warnings``, unless Python was told to show them, as by
    ``PYTHONWARNINGS=default``; what is logged goes where somebody sends it, and errors to standard
    error.
    """
    before, last = warnings.showwarning, logging.lastResort
    if not sys.warnoptions:
        logging.captureWarnings(True)
    logging.lastResort = logging.StreamHandler()
    logging.lastResort.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logging.lastResort = last
        # Of blocks in one another the outer one ends it.
        if warnings.showwarning is not before:
            logging.captureWarnings(False)
