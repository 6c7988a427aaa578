"""What fits before a deadline, by the seconds that recipes are expected to take."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial

from automask.hpo.cost import Cost, seconds
from automask.hpo.race import Race
from automask.space.recipe import Recipe

#: A trial must be expected to end before the deadline with this much to spare.
MARGIN = 1.1
#: A look that takes more than this share of the time that is left tells too little for it.
DEAR = 1 / 8


@dataclass(frozen=True)
class Clock:
    """The time until the `deadline` (Unix time), for recipes of `low` to `high` epochs.

    `cost` computes what a recipe costs, and `passes` are seconds a GFLOP before any trial has told
    (see `cost.seconds`).
    """

    deadline: float | None
    low: int
    high: int
    cost: Callable[[Recipe], Cost | None]
    passes: Mapping[str, float] | None = None

    @property
    def left(self) -> float:
        """Seconds."""
        return math.inf if self.deadline is None else self.deadline - time.time()

    def seconds(self, recipe: Recipe, trials: Sequence[FrozenTrial]) -> float | None:
        """What the whole of it should take; None where nothing tells."""
        cost = self.cost(recipe)
        return None if cost is None else seconds(cost, trials, self.passes)

    def expected(self, recipe: Recipe, trials: Sequence[FrozenTrial]) -> float | None:
        """Seconds that are to be left for it; None where nothing tells."""
        seconds = self.seconds(recipe, trials)
        return None if seconds is None else MARGIN * seconds

    def fits(self, recipe: Recipe, trials: Sequence[FrozenTrial]) -> bool:
        """Should it end before the deadline as it is?"""
        expected = self.expected(recipe, trials)
        return expected is None or expected <= self.left

    def shorten(self, recipe: Recipe, trials: Sequence[FrozenTrial]) -> Recipe | None:
        """The recipe with as many epochs as should end before the deadline, or None."""
        if self.deadline is None:
            return recipe

        def expected(epochs: int) -> float | None:
            return self.expected(recipe.with_epochs(epochs), trials)

        epochs = Race(self.low, self.high).fitting(expected, self.left)
        return None if epochs is None else recipe.with_epochs(epochs)

    def trains_heads(self, recipe: Recipe) -> bool:
        """Are only heads trained by it?"""
        cost = self.cost(recipe)
        return cost is not None and cost.is_cached

    def fitting(self, recipe: Recipe, trials: Sequence[FrozenTrial]) -> Recipe | None:
        """The recipe with the epochs that it gets, as it should end before the deadline; or None."""
        if not self.trains_heads(recipe):
            return self.shorten(recipe, trials)
        # More epochs than that make heads no better, and often worse.
        moderate = recipe.with_epochs(self.moderate)
        return moderate if self.fits(moderate, trials) else None

    def is_dear(self, recipe: Recipe, epochs: int, trials: Sequence[FrozenTrial]) -> bool:
        """Does one fold of so many epochs take too much of the time that is left for a look?"""
        cost = self.cost(recipe)
        expected = self.seconds(recipe.with_epochs(epochs), trials)
        folds = 1 if cost is None else cost.folds
        return expected is not None and expected / folds > DEAR * self.left

    @property
    def moderate(self) -> int:
        """The geometric mean of the fewest and the most epochs."""
        return max(1, round(math.sqrt(self.low * self.high)))

    @property
    def enough(self) -> int:
        """Half of them: what images of another size are worth, fewer epochs aren't (docs/budget.md)."""
        return max(self.low, round(self.moderate / 2))

    def is_short(self, recipe: Recipe | None) -> bool:
        """Are its epochs too few, or none?"""
        return recipe is None or recipe.training["epochs"] < self.enough
