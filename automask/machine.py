"""What this machine lends us: cores, a device, memory."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from automask.errors import UserError

if TYPE_CHECKING:
    import torch


def cores() -> int:
    """How many processor cores this process may use, which a scheduler may have narrowed."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def device(name: str) -> torch.device:
    """The device of that name, `auto` being a GPU where there is one.

    Raises `UserError` where it can't be used.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        chosen = torch.device(name)
        torch.zeros(1, device=chosen)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"--device {name}: can't be used here: {reason}") from error
    return chosen


def setup_process(threads: int | None = None) -> None:
    """Set this process up for training with so many threads, or with all cores."""
    import cv2
    import torch

    # Optimizers' averages of tiny gradients would fall where processors are slow.
    torch.set_flush_denormal(True)
    torch.set_num_threads(threads or cores())
    # Images are worked on side by side already.
    cv2.setNumThreads(0)
    keep_memory()


@contextmanager
def one_thread_an_image() -> Iterator[None]:
    """Inside the block OpenCV works by the thread that calls it: images are worked on side by side."""
    import cv2

    threads = cv2.getNumThreads()
    cv2.setNumThreads(0)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


@contextmanager
def restored() -> Iterator[None]:
    """After the block, libraries that were imported before it have their threads and denormals again."""
    torch, cv2 = sys.modules.get("torch"), sys.modules.get("cv2")
    threads = (torch and torch.get_num_threads(), cv2 and cv2.getNumThreads())
    try:
        yield
    finally:
        if torch is not None:
            torch.set_num_threads(threads[0])
            torch.set_flush_denormal(False)
        if cv2 is not None:
            cv2.setNumThreads(threads[1])


def keep_memory() -> None:
    """Let freed memory stay with this process, as every step asks for the same again.

    By default glibc gives large blocks back to the system, and each of their pages is made anew.
    """
    M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(M_MMAP_THRESHOLD, 2**30)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
