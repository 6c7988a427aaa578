"""Ctrl-C: once ends a search after the epoch under way, twice at once."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

SENTENCE = (
    "\ninterrupted: the search ends after the epoch under way, and the same command goes on from there; "
    "Ctrl-C again ends it at once\n"
)
#: A terminal tells every process of Ctrl-C: what comes so soon is no second one.
SOON = 1.0


@contextmanager
def gentle(ask: Callable[[], None]) -> Iterator[None]:
    """In this block Ctrl-C calls `ask` once, and raises `KeyboardInterrupt` when it comes again.

    Outside the main thread, where nothing can be set, it does what it did.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked: list[float] = []

    def interrupt(*_: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(time.time())
        ask()
        # Whatever is being printed may be in the midst of it.
        os.write(2, SENTENCE.encode())

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def answer(asked: Any) -> None:
    """In a worker: ignore Ctrl-C, which whoever began it hears too, until that has passed it on for the
    second time: `asked.value` is when it came first (Unix time), 0 before."""

    def interrupt(*_: object) -> None:
        if 0 < asked.value < time.time() - SOON:
            # Once: another would only tear the tidying up.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
