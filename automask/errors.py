"""What can go wrong, said to people."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable
from pathlib import Path


class UserError(Exception):
    """Something the user can mend; its text says what, where and how. Ends a command with code 2."""


class DiskError(UserError):
    """The disk is full, or what may be taken of it: no other trial would mend it."""


class PluginError(UserError):
    """A plugin that can't be accepted; the text names its file."""


class TrialError(Exception):
    """One trial failed; the study goes on.

    `reason` is one of the states told to the user: ``not-a-number``, ``out of memory``,
    ``bad data``, ``bad recipe``, ``plugin error``; ``timed out`` is the search's own.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def did_you_mean(word: str, options: Iterable[str]) -> str:
    """`: did you mean 'focal'?` or, where nothing is near, the options themselves."""
    options = sorted(options)
    near = difflib.get_close_matches(word, options, n=1, cutoff=0.6)
    if near:
        return f": did you mean '{near[0]}'?"
    return f" (there is {', '.join(options)})" if options else ""


def collect(errors: Iterable[str], heading: str) -> None:
    """Raise one `UserError` that lists all of `errors` under `heading`; nothing if there are none."""
    lines = list(errors)
    if lines:
        raise UserError("\n  ".join([heading, *lines]))


def told(size: float) -> str:
    """Bytes as people say them, such as 1.5 GB."""
    units = {"TB": 1e12, "GB": 1e9, "MB": 1e6}
    unit = next((unit for unit, bytes_ in units.items() if size >= bytes_), "KB")
    number = size / units.get(unit, 1e3)
    return f"{number:.3g} {unit}" if number < 999.5 else f"{number:.0f} {unit}"


def full(error: BaseException | None, folder: Path = Path()) -> DiskError | None:
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
            where = where if where.is_dir() else Path()
            what = error.strerror if isinstance(error, OSError) else error
            return DiskError(
                f"the disk that holds {where}/ is full: {what}, {told(shutil.disk_usage(where).free)} "
                "free; free some, or give --disk a smaller size; the same command goes on"
            )
        error = error.__cause__ or error.__context__
    return None
