"""What a recipe costs, as numbers: GFLOPs from recipes, seconds from trials that ended."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from automask.hpo.attributes import TrialAttributes
from automask.hpo.progress import Step

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


#: So much slower than a plain pass are a trial's FLOPs: there are augmentation, optimizer and batches.
#: Where a worker has fewer cores than the pass had it is more, which shortens the later folds.
SLOWER = 1.5


#: The way of a trial of which only the head trains, in its `kind`.
CACHED = "cached"


@dataclass(frozen=True)
class Cost:
    """`gflop` of a whole trial of `folds` folds; `kind` says of what, as "full resnet18 96px": `cached`
    where only the head trains, on features computed once. `machine` is whose seconds tell of it."""

    gflop: float
    kind: str
    folds: int
    machine: str = ""

    @property
    def is_cached(self) -> bool:
        """Does only the head train?"""
        return self.kind.startswith(CACHED)

    def share(self, step: Step) -> float:
        """How much of it is done at that step."""
        done = step.epoch / step.epochs
        return done if self.is_cached else (step.fold + done) / self.folds


def seconds(
    cost: Cost, trials: Iterable[FrozenTrial], passes: Mapping[str, float] | None = None
) -> float | None:
    """What that should take by the median pace of trials on its machine; None where none tells.

    Of the same model and size if there is one, else of the same kind; the slowest where features are
    cached, which later trials find computed; else by the pace of `passes`
    through networks (see `training.flops.network`) before any trial.
    """
    here: dict[str, list[float]] = {}
    for trial in map(TrialAttributes.read, trials):
        if trial.pace is not None and trial.kind and trial.machine == cost.machine:
            here.setdefault(trial.kind, []).append(trial.pace)
    way, _, network = cost.kind.partition(" ")
    paces = here.get(cost.kind) or [
        pace for kind, some in here.items() if kind.split()[0] == way for pace in some
    ]
    if paces:
        # A trial that finds features computed tells nothing of one that must compute them.
        typical = max if way == CACHED else statistics.median
        return cost.gflop * typical(paces)
    if passes:
        return SLOWER * cost.gflop * passes.get(network, statistics.median(passes.values()))
    return None


def facts(cost: Cost, seconds: float) -> TrialAttributes:
    """What a trial keeps for `seconds` of later ones, having spent that long on all of the cost."""
    return TrialAttributes(pace=seconds / max(cost.gflop, 1e-9), machine=cost.machine)
