"""The room that caches and weights may take on a disk, and writing them so that this holds.

Whoever reads or writes such a file locks it until its last map is gone; what is locked stays.
"""

from __future__ import annotations

import errno
import gc
import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from automask.errors import DiskError
from automask.listener import note
from automask.storage import locks
from automask.units import format_bytes

#: So many of a study's best trials are in the running: `automask ensemble` blends as many unless told
#: otherwise, and their weights stay.
TOP = 20
#: As many processes may use up their spare parts at once without going beyond what is left.
WRITERS = 64


@dataclass(frozen=True)
class Item:
    """A file of `size` bytes that counts. The lowest `order` goes first; what has none stays."""

    path: Path
    size: int
    cache: bool
    order: tuple[float, ...] | None = None


def files_to_remove(items: Sequence[Item], needed: float, cap: float) -> list[Item] | None:
    """What has to go, in order, for `needed` more bytes within `cap`; None where it isn't enough."""
    total = needed + sum(item.size for item in items)
    going: list[Item] = []
    for item in sorted((i for i in items if i.order is not None), key=lambda i: i.order or ()):
        if total <= cap:
            break
        going.append(item)
        total -= item.size
    return going if total <= cap else None


@dataclass(frozen=True)
class DiskBudget:
    """The `cap` bytes that caches and weights may take together, `aside` of them for caches alone.

    `total_bytes` adds up what counts and `survey` lists it, `lock` is held while room is made.
    Adding up takes a look at every file: where much is left, a small part of it (`spare`, less than
    others could take meanwhile) is written without another look.
    """

    lock: Path | None = None
    cap: float = math.inf
    aside: float = 0
    total_bytes: Callable[[], int] = int
    survey: Callable[[], list[Item]] = list
    spare: list[float] = field(default_factory=lambda: [0.0], compare=False)

    @contextmanager
    def write(self, file: Path, size: int, weights: bool = False) -> Iterator[BinaryIO]:
        """A file of `size` bytes, open beside `file`; it becomes `file` when the block ends well.

        Raises `DiskError` where the cap leaves no room, and `OSError` where the disk is full, both
        before the block begins.
        """
        beside = file.with_name(f".{file.name}.part")
        with ExitStack() as stack:
            stack.callback(beside.unlink, missing_ok=True)
            with self._locked():
                beside.unlink(missing_ok=True)
                self._make(size, file.name, weights)
                opened = stack.enter_context(open(beside, "w+b"))
                locks.lock(opened)
                locks.reserve(opened, size)
            yield opened
            opened.flush()
            os.fsync(opened.fileno())
            # Unlocked, a survey could come between and see neither name.
            with self._locked():
                os.replace(beside, file)
            locks.unlock(opened)

    @contextmanager
    def read(self, file: Path) -> Iterator[BinaryIO | None]:
        """`file`, last used now, which stays while it or a map of it is open; None if it is gone."""
        with ExitStack() as stack:
            opened = None
            with self._locked(), suppress(FileNotFoundError):
                opened = stack.enter_context(open(file, "rb"))
                locks.lock(opened, shared=True)
                with suppress(PermissionError):
                    os.utime(file)
            yield opened

    def trim(self) -> None:
        """Keep to the cap where it was higher before, as far as nobody reads what should go."""
        with self._locked(), suppress(DiskError):
            self._make(0, "", weights=False)

    def left(self) -> float:
        """The bytes that caches can have: all but those of the weights that stay."""
        return self.cap - sum(i.size for i in self.survey() if not i.cache and i.order is None)

    def enough(self, size: int, left: float) -> str:
        """The `--disk` with which `size` bytes can be had where `left` is all that can be freed now."""
        # Rounded for reading, it must not come out smaller.
        return format_bytes(1.01 * (self.cap - left + size)).replace(" ", "")

    def shortage(self, what: str, size: int, left: float) -> DiskError:
        """Why `size` bytes of `what` can't be had where `left` is all that can be freed."""
        stays = self.cap - left
        remark = f", with {format_bytes(stays)} in use or kept for the ensemble" if stays else ""
        return DiskError(
            f"{what}: {format_bytes(size)} needed, and caches and weights may take "
            f"{format_bytes(self.cap)} in all "
            f"(--disk; by default a tenth of what is free){remark}: give --disk "
            f"{self.enough(size, left)} or more, the space a smaller image_size, or run automask in "
            "a folder on a larger disk"
        )

    def _make(self, size: int, what: str, weights: bool) -> None:
        """Remove what has to go for `size` more bytes. Only called under the lock."""
        try:
            going = self._going(size, what, weights)
        except DiskError:
            # Maps that only a cycle of references keeps alive are still locked.
            gc.collect()
            going = self._going(size, what, weights)
        for item in going:
            item.path.unlink(missing_ok=True)
        if going:
            note(
                f"caches and weights keep within {format_bytes(self.cap)} (--disk): the "
                f"weights of trials out "
                "of the running go first, then the caches used longest ago"
            )

    def _going(self, size: int, what: str, weights: bool) -> list[Item]:
        cap = self.cap - self.aside if weights else self.cap
        # Mostly there is room, and neither the study need be asked what may go nor a file whether it
        # is in use.
        if size <= self.spare[0]:
            self.spare[0] -= size
            return []
        left = cap - size - self.total_bytes()
        self.spare[0] = max(0.0, left - self.aside) / WRITERS
        if left >= 0:
            return []
        items = self.survey()
        items = [replace(i, order=None) if i.order and locks.in_use(i.path) else i for i in items]
        own = [item for item in items if not item.cache]
        first = files_to_remove(own, size, self.cap - self.aside) if weights else []
        more = files_to_remove(
            [item for item in items if item not in (first or ())], size, self.cap
        )
        if first is None or more is None:
            stays = sum(item.size for item in items if item.order is None)
            raise self.shortage(what, size, self.cap - stays)
        return first + more

    def _locked(self) -> AbstractContextManager[Any]:
        from filelock import FileLock

        return nullcontext() if self.lock is None else FileLock(self.lock)


def out_of_space(error: BaseException | None, folder: Path = Path()) -> DiskError | None:
    """What to tell where a full disk is behind `error`; None where that is something else.

    `folder` is where automask writes, for errors that name no file.
    """
    import shutil

    while error is not None:
        of_system = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        if of_system or getattr(error, "sqlite_errorname", "") == "SQLITE_FULL":
            where, file = folder, getattr(error, "filename", None)
            if isinstance(file, str) and folder.absolute() not in Path(file).absolute().parents:
                where = Path(file).parent
            where = where if where.is_dir() else where.parent
            what = error.strerror if isinstance(error, OSError) else error
            return DiskError(
                f"the disk that holds {where}/ is full: {what}, "
                f"{format_bytes(shutil.disk_usage(where).free)} "
                "free; free some, or give --disk a smaller size; the same command goes on"
            )
        error = error.__cause__ or error.__context__
    return None
