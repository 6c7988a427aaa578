"""Which trials are not worth finishing.

Scores arrive at numbered steps: `STRIDE` a fold, of which the last is the finished fold's score. The
very first is that of the look at a recipe (`automask.hpo.race`).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import numpy as np
import optuna
from optuna.pruners import BasePruner
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from automask.errors import UserError, did_you_mean

STRIDE = 3
DEFAULT = "two_stage"


#: The step of a look's score.
LOOKED = 0


def step_number(fold: int) -> int:
    """The Optuna step of a fold's score."""
    return fold * STRIDE + STRIDE - 1


class TwoStage(BasePruner):
    """A race of looks (`automask.hpo.race`), then a paired comparison fold by fold.

    At the end of fold n of K a trial must not be worse than the `rank`-th
    best complete trial by more than `z` standard errors: the mean of their paired differences on the
    n folds has the spread of such differences times sqrt(1/n - 1/K). The rank is above one so that
    good members of an ensemble survive, not only the best trial.
    """

    def __init__(self, folds: int, *, rank: int = 5, z: float = 2.5) -> None:
        self.folds, self.rank, self.z = folds, rank, z

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        step = trial.last_step
        if step is None or (step + 1) % STRIDE:
            return False
        others = [t for t in study.get_trials(deepcopy=False) if t.number != trial.number]
        return self._behind(trial, (step + 1) // STRIDE, others)

    def _behind(self, trial: FrozenTrial, finished: int, others: list[FrozenTrial]) -> bool:
        complete = [t for t in others if t.state == TrialState.COMPLETE]
        complete = [t for t in complete if len(_fold_scores(t, self.folds)) == self.folds]
        # A spread of differences takes two.
        if len(complete) < max(self.rank, 2) or finished >= self.folds:
            return False
        complete.sort(key=lambda t: t.values[0], reverse=True)
        scores = np.array([_fold_scores(t, self.folds) for t in complete])
        bar = scores[self.rank - 1]
        differences = np.delete(scores, self.rank - 1, axis=0) - bar
        spread = float(np.sqrt(differences.var(axis=1, ddof=1).mean()))
        own = np.array(_fold_scores(trial, finished))
        margin = self.z * spread * math.sqrt(1 / finished - 1 / self.folds)
        return len(own) == finished and float((own - bar[:finished]).mean()) < -margin


def _fold_scores(trial: FrozenTrial, folds: int) -> list[float]:
    steps = [step_number(fold) for fold in range(folds)]
    return [trial.intermediate_values[s] for s in steps if s in trial.intermediate_values]


class AtFoldEnds(BasePruner):
    """Another pruner that sees finished folds alone: a look's score is no sample of the same thing."""

    def __init__(self, pruner: BasePruner) -> None:
        self.pruner = pruner

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        ends = {s: v for s, v in trial.intermediate_values.items() if not (s + 1) % STRIDE}
        if trial.last_step not in ends:
            return False
        shown = copy.copy(trial)
        shown.intermediate_values = ends
        return self.pruner.prune(study, shown)


def make_pruner(name: str, folds: int) -> BasePruner:
    """The pruner of that name for trials of so many folds; raises `UserError` where there is none.

    Ours is `two_stage`, the others are Optuna's. Those that compare like with like see fold ends alone.
    Trials keep nothing of the pruner, so that a study may go on with another one.
    """
    if name not in PRUNERS:
        raise UserError(f"unknown pruner '{name}'{did_you_mean(name, PRUNERS)}")
    return PRUNERS[name](folds)


PRUNERS: dict[str, Callable[[int], BasePruner]] = {
    DEFAULT: TwoStage,
    "none": lambda folds: optuna.pruners.NopPruner(),
    "median": lambda folds: AtFoldEnds(optuna.pruners.MedianPruner()),
    "percentile": lambda folds: AtFoldEnds(optuna.pruners.PercentilePruner(67.0)),
    "wilcoxon": lambda folds: AtFoldEnds(optuna.pruners.WilcoxonPruner()),
    "patient": lambda folds: AtFoldEnds(
        optuna.pruners.PatientPruner(optuna.pruners.MedianPruner(), patience=1)
    ),
    "successive_halving": lambda folds: optuna.pruners.SuccessiveHalvingPruner(
        min_resource=1, reduction_factor=3
    ),
    "hyperband": lambda folds: optuna.pruners.HyperbandPruner(
        min_resource=1, max_resource=folds * STRIDE, reduction_factor=3
    ),
}
