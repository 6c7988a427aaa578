"""Processes of workers: how they begin, why they ended, and an end to all of them."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


@contextmanager
def without_interrupts() -> Iterator[None]:
    """Workers take Ctrl-C only once they can answer it; until then it ends them through here.

    Outside the main thread nobody gets it, and nothing can be set.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


@contextmanager
def without_main() -> Iterator[None]:
    """Workers need nothing of the script that searches, which each of them would else run anew."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def cause_of_death(exitcode: int | None) -> str:
    """Why a process ended, such as SIGKILL, in a word."""
    if exitcode is None or exitcode >= 0:
        return f"exit code {exitcode}"
    named = signal.Signals(-exitcode).name
    return f"{named}, out of memory?" if named == "SIGKILL" else named


def end_all(processes: list[Any]) -> None:
    """Let the workers tidy up; what still runs after ten seconds is ended by force."""
    end = time.monotonic() + 10
    for process in processes:
        process.join(max(0.0, end - time.monotonic()))
        process.kill()
