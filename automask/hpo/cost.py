"""What a recipe costs, as numbers: GFLOPs from recipes, seconds from trials that ended."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from automask.hpo.progress import Step

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


#: So much slower than a plain pass are a trial's FLOPs at worst: a worker has a share of the cores, and
#: there are augmentation, optimizer and batches.
SLOWER = 3


@dataclass(frozen=True)
class Cost:
    """`gflop` of a whole trial of `folds` folds; `kind` says of what, as "full resnet18 96px": `cached`
    where only the head trains, on features computed once. `machine` is whose seconds tell of it."""

    gflop: float
    kind: str
    folds: int
    machine: str = ""

    def share(self, step: Step) -> float:
        """How much of it is done at that step."""
        done = step.epoch / step.epochs
        return done if self.kind.startswith("cached") else (step.fold + done) / self.folds


def seconds(
    cost: Cost, trials: Iterable[FrozenTrial], passes: Mapping[str, float] | None = None
) -> float | None:
    """What that should take by the median pace of trials on its machine; None where none tells.

    Of the same model and size if there is one, else of the same kind, else by the pace of `passes`
    through networks (see `network`) before any trial.
    """
    seen = [t.user_attrs for t in trials if {"pace", "kind"} <= t.user_attrs.keys()]
    here = [attrs for attrs in seen if attrs.get("machine") == cost.machine]
    way, _, known = cost.kind.partition(" ")
    alike = [attrs for attrs in here if attrs["kind"] == cost.kind]
    alike = alike or [attrs for attrs in here if attrs["kind"].split()[0] == way]
    if alike:
        return cost.gflop * statistics.median(a["pace"] for a in alike)
    if passes:
        return SLOWER * cost.gflop * passes.get(known, statistics.median(passes.values()))
    return None


def facts(cost: Cost, seconds: float) -> dict[str, Any]:
    """What a trial keeps for `seconds` of later ones, having spent that long on all of the cost."""
    return {"pace": seconds / max(cost.gflop, 1e-9), "machine": cost.machine}
