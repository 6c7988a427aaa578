"""What this machine lends us: cores, a device, memory."""

from __future__ import annotations

import ctypes
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from automask.errors import UserError

if TYPE_CHECKING:
    import torch


#: Where Linux tells of control groups.
GROUPS = Path("/sys/fs/cgroup")


def cores() -> int:
    """How many processor cores this process may use, which a scheduler or a container may have narrowed.

    A container's share is rounded up, as joblib does.
    """
    there = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        there = len(os.sched_getaffinity(0))
    share = container_share()
    return there if share is None else max(1, min(there, math.ceil(share)))


def container_share() -> float | None:
    """The cores whose time this process's container may use, None where nothing limits it."""
    quota, _, period = _group_value("cpu.max").partition(" ")
    if not period:
        quota, period = _group_value("cpu/cpu.cfs_quota_us"), _group_value("cpu/cpu.cfs_period_us")
    limited = quota.isdecimal() and period.isdecimal() and int(period)
    return int(quota) / int(period) if limited else None


def memory() -> int | None:
    """The bytes of memory that this process may use, which a container may have narrowed; None where the
    system doesn't tell."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
    limits = (_group_value(name) for name in ("memory.max", "memory/memory.limit_in_bytes"))
    return min([total, *(int(limit) for limit in limits if limit.isdecimal())])


def _group_value(name: str) -> str:
    """What the control group that a container sees as its own says, empty where it says nothing."""
    try:
        return (GROUPS / name).read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


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
