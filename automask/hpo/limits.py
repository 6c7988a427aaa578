"""When a search is over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from optuna.trial import FrozenTrial, TrialState

from automask.hpo.trials import by_end, last_failures, trials_without_rise

FAILURES_IN_A_ROW = 10
COUNTED = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass(frozen=True)
class Limits:
    """When the search ends: `trials` complete or pruned in the study, at `deadline` (Unix time), or
    after `patience` trials that didn't raise the ensemble's score."""

    trials: int
    deadline: float | None = None
    patience: int | None = None

    def reached(self, trials: Sequence[FrozenTrial]) -> str:
        """That there are enough of them, as a sentence; empty where there aren't."""
        if sum(trial.state in COUNTED for trial in trials) < self.trials:
            return ""
        return f"{self.trials} trials are complete or pruned"

    def are_under_way(self, trials: Sequence[FrozenTrial]) -> bool:
        """Will there be enough once those that run now have ended?"""
        states = (*COUNTED, TrialState.RUNNING)
        return sum(trial.state in states for trial in trials) >= self.trials

    def in_vain(
        self, trials: list[FrozenTrial], since: datetime, so_far: Callable[[], Sequence[float]]
    ) -> str:
        """Why another trial is not worth it by those that ended, failures `since` then; empty where it
        is. `so_far` gives the ensemble's score after each complete one."""
        if len(last_failures(trials, since)) >= FAILURES_IN_A_ROW:
            return f"{FAILURES_IN_A_ROW} trials in a row failed"
        if self.patience:
            ended = by_end(trial for trial in trials if trial.state in COUNTED)
            if trials_without_rise(ended, so_far()) >= self.patience:
                return f"the ensemble's score hasn't risen for {self.patience} trials (--patience)"
        return ""
