"""What happens at each step of a trial's training: its scores are kept, and it may have to stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import optuna

from automask.deadline import TimeUp
from automask.hpo.attributes import TrialAttributes
from automask.hpo.cost import Cost
from automask.hpo.progress import Interrupted, Step
from automask.hpo.pruners import step_number


class Pruned(Exception):
    """The trial under way is not worth finishing."""


@dataclass
class Reporter:
    """What a training calls with each of its steps, of which `tell` hears too.

    Raises `Interrupted` once `stops` says so, `TimeUp` after `limit` (Unix time), and `Pruned`; at the
    last step none of them. `reported` are numbers of steps whose scores the storage has, `done` is the
    share of `cost` that is behind it, where that can be told. `pace` is the seconds that all of it takes
    by what came after the `first` step, whose time and share these are: before it images may have been
    read that later trials find read. `epochs` are the fewest of a fold.
    """

    trial: optuna.Trial
    reported: set[int]
    cost: Cost | None
    limit: float
    stops: Callable[[], bool]
    tell: Callable[[Step], None]
    done: float = 0.0
    first: tuple[float, float] | None = None
    pace: float | None = None
    epochs: float = math.inf

    def __call__(self, step: Step) -> None:
        if not step.final and self.stops():
            raise Interrupted
        self.epochs = min(self.epochs, step.epochs)
        if self.cost is not None:
            self.done = self.cost.share(step)
            self._measure()
        if not step.final and time.time() >= self.limit:
            raise TimeUp
        self.tell(step)
        if step.micro_batch and TrialAttributes.read(self.trial).micro_batch is None:
            # Batch norm has seen other batches than the recipe's: another machine may differ.
            TrialAttributes(micro_batch=step.micro_batch).write(self.trial)
        if step.score is None:
            return
        number = step_number(step.fold)
        if number not in self.reported:
            self.trial.report(float(step.score), number)
        if not step.final and self.trial.should_prune():
            raise Pruned

    def _measure(self) -> None:
        now = time.time()
        if self.first is None:
            self.first = now, self.done
        elif (share := self.done - self.first[1]) > 0:
            self.pace = (now - self.first[0]) / share
