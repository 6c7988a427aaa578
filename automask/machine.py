"""What this machine lends us: cores, memory, locks on files, blocks of its disk."""

from __future__ import annotations

import ctypes
import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from automask.errors import UserError, told

if TYPE_CHECKING:
    import torch

try:
    import fcntl
except ImportError:  # Windows, where an open file can't be removed anyway.
    fcntl = None  # type: ignore[assignment]


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
        found = torch.device(name)
        torch.zeros(1, device=found)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"--device {name}: can't be used here: {reason}") from error
    return found


def settle(threads: int | None = None) -> None:
    """Set this process up for training with so many threads, or with all cores."""
    import cv2
    import torch

    # Optimizers' averages of tiny gradients would fall where processors are slow.
    torch.set_flush_denormal(True)
    torch.set_num_threads(threads or cores())
    # Images are worked on side by side already.
    cv2.setNumThreads(0)
    keep_memory()


def keep_memory() -> None:
    """Let freed memory stay with this process, as every step asks for the same again.

    By default glibc gives large blocks back to the system, and each of their pages is made anew.
    """
    M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(M_MMAP_THRESHOLD, 2**30)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def lock(file: BinaryIO, shared: bool = False) -> None:
    """Mark an open file as in use until `unlock`, or until it and every map of it is closed."""
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)


def unlock(file: BinaryIO) -> None:
    """End what `lock` began, whatever maps of the file there still are."""
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_UN)


def in_use(path: Path) -> bool:
    """Does any process hold a lock on the file, or may it not be asked?"""
    try:
        # Network file systems give this lock only to who may write.
        with open(path, "r+b") as file:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    except FileNotFoundError:
        return False
    except OSError:
        return True


def reserve(file: BinaryIO, size: int) -> None:
    """Take the blocks of the first `size` bytes now; raises `OSError` where the disk has none left.

    A map of a file that lacks them would end the process with SIGBUS instead.
    """
    try:
        os.posix_fallocate(file.fileno(), 0, size)
        return
    except AttributeError:
        pass  # macOS, Windows
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            what = f"{error.strerror} for {told(size)}"
            raise OSError(error.errno, what, file.name) from None
    for begin in range(0, size, 1 << 20):
        file.write(bytes(min(1 << 20, size - begin)))
    file.seek(0)
