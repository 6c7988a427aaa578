"""Ending what is under way at a given time."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

#: An exception that a finaliser swallowed is raised again after so many seconds.
AGAIN = 5.0


class TimeUp(BaseException):
    """It is time; no plugin's `except Exception` may hold this up, just as with Ctrl-C."""


@contextmanager
def until(at: float | None) -> Iterator[None]:
    """Raise `TimeUp` inside the block as soon as it is `at` (Unix time); None never does.

    Only where the system has timers and in a process's main thread: elsewhere a training is asked
    at every epoch whether it is late. Blocks can't be nested.
    """
    on_time = hasattr(signal, "setitimer") and (
        threading.current_thread() is threading.main_thread()
    )
    if at is None or not on_time:
        yield
        return

    def ring(*_: object) -> None:
        raise TimeUp

    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, max(0.001, at - time.time()), AGAIN)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
