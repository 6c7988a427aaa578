"""How a trial's training ends: complete, pruned, failed for a reason, or put off."""

from __future__ import annotations

import errno
import math
import traceback
from collections.abc import Callable
from dataclasses import dataclass

import optuna
from optuna.trial import TrialState

from automask.deadline import TimeUp, until
from automask.errors import DiskError, TrialError
from automask.hpo.progress import Interrupted
from automask.hpo.reporter import Pruned
from automask.storage.disk import out_of_space


@dataclass(frozen=True)
class Outcome:
    """The state that a trial ends in, and where it failed why: in a word and in a sentence."""

    state: TrialState
    value: float | None = None
    reason: str = ""
    message: str = ""

    @property
    def name(self) -> str:
        """complete, pruned, or why it failed."""
        return self.reason or self.state.name.lower()


def outcome(train: Callable[[], float], limit: float, deadline: float | None, late: str) -> Outcome:
    """What comes of a training that may go on until its `limit`, which `late` tells, and until the
    search's `deadline` (Unix times).

    Raises `Interrupted` or `TimeUp` where it is to go on later, and whatever ends the search.
    """
    ends = min(limit, math.inf if deadline is None else deadline)
    try:
        with until(None if ends == math.inf else ends):
            return Outcome(TrialState.COMPLETE, float(train()))
    except Pruned:
        return Outcome(TrialState.PRUNED)
    except TrialError as error:
        return Outcome(TrialState.FAIL, None, error.reason, str(error))
    except TimeUp:
        if ends < limit:
            raise
        return Outcome(TrialState.FAIL, None, "timed out", late)
    except Interrupted:
        raise
    except Exception as error:
        if _ends_the_search(error):
            raise
        return Outcome(TrialState.FAIL, None, "plugin error", _sentence(error))


def _ends_the_search(error: Exception) -> bool:
    """Would no other recipe mend it, being of the storage or the disk?"""
    if isinstance(error, OSError) and error.errno == errno.EROFS:
        return True
    ours = isinstance(error, DiskError | optuna.exceptions.OptunaError)
    return ours or out_of_space(error) is not None


def _sentence(error: Exception) -> str:
    """The error in a line, with where it was raised for whoever wrote the plugin."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
    text = str(error).strip().splitlines()[0] if str(error).strip() else ""
    return f"{type(error).__name__}: {text}{where}"
