"""Files that are locked between processes, and room on the disk that is reserved ahead."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import BinaryIO

from automask.units import format_bytes

try:
    import fcntl
except ImportError:  # Windows, where an open file can't be removed anyway.
    fcntl = None  # type: ignore[assignment]


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
            what = f"{error.strerror} for {format_bytes(size)}"
            raise OSError(error.errno, what, file.name) from None
    for begin in range(0, size, 1 << 20):
        file.write(bytes(min(1 << 20, size - begin)))
    file.seek(0)
