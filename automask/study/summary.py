"""What a study comes to: trials by state, the best, what the pruner saved."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from optuna.trial import FrozenTrial

from automask.data.dataset import fold_count
from automask.hpo.attributes import TrialAttributes, recipe_of
from automask.hpo.trials import finished_trials, state, trained
from automask.space.recipe import Recipe
from automask.study.ensemble_so_far import scores_so_far
from automask.study.session import Session


@dataclass(frozen=True)
class Ended:
    """A trial that has ended: `share` of its training was done, `at` is Unix time.

    `state` is complete, pruned, or the reason of a failure.
    """

    number: int
    state: str
    recipe: Recipe
    value: float | None = None
    seconds: float = 0.0
    share: float = 1.0
    at: float = field(default_factory=time.time)
    message: str = ""


@dataclass(frozen=True)
class Reached:
    """A score, the trial that brought it, and when."""

    value: float
    trial: int
    at: float


@dataclass
class Overview:
    """Ended trials, added in the order in which they ended.

    `so_far` gives the ensemble's score after each complete trial, by its number.
    """

    metric: str
    so_far: Callable[[], Mapping[int, float]] = dict
    ended: list[Ended] = field(default_factory=list)
    best: Reached | None = None
    blended: Reached | None = None

    def add(self, trial: Ended) -> None:
        self.ended.append(trial)
        if trial.value is None:
            return
        if self.best is None or trial.value > self.best.value:
            self.best = Reached(trial.value, trial.number, trial.at)
        value = self.so_far().get(trial.number)
        if value is not None and (self.blended is None or value > self.blended.value):
            self.blended = Reached(value, trial.number, trial.at)

    @property
    def states(self) -> Counter[str]:
        """How many are complete, pruned and failed."""
        counted = ("complete", "pruned")
        return Counter(t.state if t.state in counted else "failed" for t in self.ended)

    @property
    def counted(self) -> list[Ended]:
        """The complete and pruned ones."""
        return [trial for trial in self.ended if trial.state in ("complete", "pruned")]

    @property
    def saved(self) -> tuple[float, float]:
        """What pruning left out: the share of all training, and about how many seconds."""
        pruned = [trial for trial in self.counted if trial.state == "pruned" and trial.share]
        share = sum(1 - trial.share for trial in pruned) / max(1, len(self.counted))
        return share, sum(t.seconds * (1 - t.share) / t.share for t in pruned)

    @property
    def mean_seconds(self) -> float:
        """How long a complete or pruned trial takes in the mean; 0 where there is none."""
        return sum(trial.seconds for trial in self.counted) / max(1, len(self.counted))


def empty_overview(session: Session) -> Overview:
    """That of a session without trials."""
    return Overview(session.config.search.metric)


def overview(session: Session) -> Overview:
    """The overview of a session's study, with all trials that have ended."""
    before = scores_so_far(session)
    overview = Overview(session.config.search.metric, lambda: before)
    trials = [
        trial for trial in finished_trials(session.study) if TrialAttributes.read(trial).recipe
    ]
    for trial in sorted(trials, key=_at):
        overview.add(ended_trial(trial, fold_count(session.folds)))
    overview.so_far = lambda: scores_so_far(session)
    return overview


def ended_trial(trial: FrozenTrial, folds: int) -> Ended:
    """What the storage knows of a finished trial."""
    noted = TrialAttributes.read(trial)
    return Ended(
        trial.number,
        state(trial),
        recipe_of(trial),
        trial.values[0] if trial.values else None,
        noted.seconds or 0.0,
        trained(trial, folds),
        _at(trial),
        noted.message or "",
    )


def _at(trial: FrozenTrial) -> float:
    return trial.datetime_complete.timestamp() if trial.datetime_complete else 0.0
