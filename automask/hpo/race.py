"""Which trials go on after a look at them, and for how many epochs.

A look is a recipe's first fold with a share of its epochs: a short schedule of its own, run to its end.
What leads is trained on all folds. Where a clock runs, epochs are as many as fit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from automask.hpo.attributes import TrialAttributes
from automask.hpo.progress import LOOK
from automask.hpo.trials import fold_scores

#: Of so many looks one goes on.
LOOKS = 4
#: A trial is trained anew, longer, where it gets so many times its epochs.
LONGER = 1.5


@dataclass(frozen=True)
class Race:
    """Looks at recipes of `low` to `high` epochs."""

    low: int
    high: int

    @property
    def epochs(self) -> int:
        """Those of a look."""
        return round(LOOK * self.high)

    @property
    def is_on(self) -> bool:
        """Are there enough epochs for a look to be shorter than a fold?"""
        return 1 <= self.epochs < self.high

    def goes_on(self, value: float, trials: Sequence[FrozenTrial]) -> bool:
        """Is a look's score among the best of `LOOKS` of all, with those of `trials`?

        One that is not a number never is.
        """
        others = looks(trials)
        better = sum(not other < value for other in others)
        return better < math.ceil((len(others) + 1) / LOOKS)

    def fitting(self, seconds: Callable[[int], float | None], left: float) -> int | None:
        """The most epochs that end in `left` seconds, by the seconds that so many take.

        As many as there are where nothing tells the seconds; None where not even the fewest end.
        """
        most, least = seconds(self.high), seconds(self.low)
        if most is None or least is None or most <= left:
            return self.high
        if least > left:
            return None
        # Most of it goes by the epochs, and some comes once.
        share = (left - least) / max(most - least, 1e-9)
        return self.low + math.floor(share * (self.high - self.low))


def looks(trials: Sequence[FrozenTrial]) -> list[float]:
    """The scores of all looks."""
    values = (TrialAttributes.read(trial).look for trial in trials)
    return [value for value in values if value is not None]


def candidates(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The trials whose look was no worse than the median look, the best first."""
    scores = {trial.number: TrialAttributes.read(trial).look for trial in trials}
    looked = [(score, trial) for trial in trials if (score := scores[trial.number]) is not None]
    bar = float(np.median([score for score, _ in looked])) if looked else 0.0
    ordered = sorted(looked, key=lambda pair: (-pair[0], pair[1].number))
    return [trial for score, trial in ordered if score >= bar]


def heads_are_beaten(trials: Sequence[FrozenTrial]) -> bool:
    """Is the best trial of heads alone surely worse than another?

    Worse than a complete one by more than two standard errors of its folds' mean, or in the first fold
    worse than a look.
    """
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    kinds = {trial.number: TrialAttributes.read(trial).kind or "" for trial in complete}
    heads = [trial for trial in complete if kinds[trial.number].startswith("cached")]
    if not heads:
        return False
    best = max(heads, key=lambda trial: trial.values[0])
    scores = fold_scores(best)
    spread = float(np.std(list(scores.values()), ddof=1)) if len(scores) > 1 else 0.0
    bar = best.values[0] + 2 * spread / math.sqrt(max(1, len(scores)))
    others = [t.values[0] for t in complete if kinds[t.number].startswith("full")]
    first = scores.get(0, math.inf)
    return any(value > bar for value in others) or any(value > first for value in looks(trials))
