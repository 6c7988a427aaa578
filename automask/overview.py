"""What the trials of a study come to: by state, best, blended so far, and what the pruner saved."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from automask import registry
from automask.progress import RUNGS
from automask.pruner import STRIDE
from automask.recipe import Recipe
from automask.scores import Metric
from automask.session import Session
from automask.study import finished


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

    `probability` gives a complete trial's out-of-fold probabilities `[N, C]`, or None where they are
    gone. The blend so far is cheap: `greedy` between the blend before and each new trial. It therefore
    never falls, and what `automask ensemble` blends of all trials at once is mostly a little better.
    """

    metric: str
    target: np.ndarray
    probability: Callable[[Recipe], np.ndarray | None]
    ended: list[Ended] = field(default_factory=list)
    best: Reached | None = None
    blended: Reached | None = None
    blend: np.ndarray | None = None

    def add(self, trial: Ended) -> None:
        self.ended.append(trial)
        if trial.value is None:
            return
        if self.best is None or trial.value > self.best.value:
            self.best = Reached(trial.value, trial.number, trial.at)
        found = self.probability(trial.recipe)
        if found is None:
            return
        score: Metric = registry.get("metric", self.metric).function
        self.blend = joined(self.blend, found, self.target, score)
        value = score(self.target, self.blend)
        if self.blended is None or value > self.blended.value:
            self.blended = Reached(value, trial.number, trial.at)

    @property
    def states(self) -> Counter[str]:
        """How many are complete, pruned and failed."""
        known = ("complete", "pruned")
        return Counter(t.state if t.state in known else "failed" for t in self.ended)

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


def joined(
    blend: np.ndarray | None, probability: np.ndarray, target: np.ndarray, metric: Metric
) -> np.ndarray:
    """The blend `[N, C]` with as much of a further trial's probabilities as helps it."""
    if blend is None:
        return probability
    pair = np.stack([blend, probability])
    plugin = registry.get("ensemble", "greedy")
    rng = np.random.default_rng(0)
    return plugin.function(pair, target, metric, rng, **plugin.defaults)(pair)


def empty(session: Session) -> Overview:
    """That of a session without trials."""
    return Overview(session.config.search.metric, session.data.labels, lambda recipe: None)


def of(session: Session) -> Overview:
    """The overview of a session's study, with all trials that have ended."""
    folds = session.folds

    def probability(recipe: Recipe) -> np.ndarray | None:
        store = session.store.trial(recipe)
        return store.out_of_fold(folds) if all(map(store.has, range(folds.max() + 1))) else None

    overview = Overview(session.config.search.metric, session.data.labels, probability)
    trials = [trial for trial in finished(session.study) if "recipe" in trial.user_attrs]
    for trial in sorted(trials, key=_at):
        overview.add(ended(trial, int(folds.max()) + 1))
    return overview


def ended(trial: FrozenTrial, folds: int) -> Ended:
    """What the storage knows of a finished trial."""
    known = trial.user_attrs
    return Ended(
        trial.number,
        state(trial),
        Recipe.from_dict(known["recipe"]),
        trial.values[0] if trial.values else None,
        known.get("seconds", 0.0),
        trained(trial, folds),
        _at(trial),
        known.get("message", ""),
    )


def state(trial: FrozenTrial) -> str:
    """complete, pruned, running, waiting, or why it failed."""
    name = trial.state.name.lower()
    return trial.user_attrs.get("reason", "failed") if trial.state == TrialState.FAIL else name


def trained(trial: FrozenTrial, folds: int) -> float:
    """The share of a trial's training that the scores it reported speak of."""
    if trial.state == TrialState.COMPLETE or trial.last_step is None:
        return float(trial.state == TrialState.COMPLETE)
    fold, part = divmod(trial.last_step, STRIDE)
    return (fold + ((*RUNGS, 1.0)[part])) / folds


def fold_scores(trial: FrozenTrial) -> dict[int, float]:
    """The scores of the folds that are finished, by fold."""
    values = trial.intermediate_values.items()
    return {step // STRIDE: value for step, value in values if step % STRIDE == STRIDE - 1}


def _at(trial: FrozenTrial) -> float:
    return trial.datetime_complete.timestamp() if trial.datetime_complete else 0.0
