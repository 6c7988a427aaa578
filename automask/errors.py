"""What can go wrong, said to people."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something the user can mend; its text says what, where and how. Ends a command with code 2."""


class DiskError(UserError):
    """The disk is full, or what may be taken of it: no other trial would mend it."""


class OtherStudyError(UserError):
    """A study that was begun with something else."""


class UnfitError(UserError):
    """Stored weights that aren't of the recipe with that `hash`, whose trial can predict nothing new."""

    def __init__(self, hash_: str, message: str) -> None:
        super().__init__(message)
        self.hash = hash_


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
