"""What a search would try first, and what it would take, without a training."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from automask.data.dataset import fold_count
from automask.hpo import cost
from automask.hpo.attributes import StudyAttributes, TrialAttributes
from automask.hpo.optuna_internals import queued_params
from automask.space.ranges import Range, draw
from automask.space.recipe import Recipe
from automask.study import adaptation, workers
from automask.study.session import Session

if TYPE_CHECKING:
    from automask.hpo.cost import Cost
    from automask.training.task import Task

#: Recipes drawn at random to tell what trials of a space cost, and images of a pass that is timed.
DRAWS, BATCH = 12, 16
COUNTED = (TrialState.COMPLETE, TrialState.PRUNED)
#: Where recipes of a study's queue come from, in words.
SOURCES = {
    "start": "heads alone, or what did best elsewhere",
    "advice": "what was measured advises it",
    "probe": "a network that the probe ranks high",
    "warm_start": "of an earlier study",
}


@dataclass(frozen=True)
class Planned:
    """A recipe with why it is tried, its cost in GFLOP and about how many seconds it takes, None where
    its network can't be built."""

    why: str
    recipe: Recipe
    gflop: float | None
    seconds: float | None


@dataclass(frozen=True)
class DryRun:
    """What a search of `trials` in all would do after those `counted` that have ended.

    `first` is tried first, in this order; `drawn` are recipes of the space at random, which tell what
    trials cost. `images` are decoded into maps of `map_bytes`; `measured` says that seconds go by trials
    of this study and not by one pass that was timed.
    """

    study: str
    counted: int
    trials: int
    workers: int
    folds: int
    images: int
    map_bytes: int
    first: tuple[Planned, ...]
    drawn: tuple[Planned, ...]
    measured: bool
    notes: tuple[str, ...] = ()

    @property
    def seconds(self) -> float | None:
        """About how long all trials take, none of them pruned; None where nothing tells."""
        left = max(0, self.trials - self.counted)
        first = [one.seconds for one in self.first[:left] if one.seconds is not None]
        drawn = [one.seconds for one in self.drawn if one.seconds is not None]
        if not drawn:
            return None
        rest = (left - len(first)) * statistics.mean(drawn)
        return (sum(first) + rest) / self.workers


def dry_run(session: Session, trials: int, count: int | None) -> DryRun:
    """What a search of the session would do: nothing trains, and but for caches nothing is written.

    Seconds go by the trials that have ended, else by a pass through the default network that is timed
    now, which tells no more than their order of magnitude.
    """
    space, task = session.space, session.task()
    assert space is not None
    before = session.study.get_trials(deepcopy=False) if session.study else []
    attributes = StudyAttributes.read(session.study) if session.study else StudyAttributes()
    compute = _costs(task)
    default = space.default()[0]
    measured = any(TrialAttributes.read(trial).pace is not None for trial in before)
    passes = attributes.passes or (None if measured else _timed_pass(task, default))

    def plan(why: str, recipe: Recipe) -> Planned:
        needed = compute(recipe)
        if needed is None:
            return Planned(why, recipe, None, None)
        return Planned(why, recipe, needed.gflop, cost.seconds(needed, before, passes))

    rng = np.random.default_rng(session.config.search.seed)

    def suggest(name: str, range_: Range) -> Any:
        return draw(range_, rng)

    count = count or workers.automatic_workers(session.options.device)
    folds = fold_count(session.folds)
    return DryRun(
        session.options.study,
        sum(trial.state in COUNTED for trial in before),
        trials,
        count,
        folds,
        len(session.data.paths),
        adaptation.map_bytes(space, session.data, folds, count, session.largest),
        tuple(plan(why, recipe) for why, recipe in _queue(session, before, attributes)),
        tuple(plan("drawn at random", space.sample(suggest)) for _ in range(DRAWS)),
        measured,
        session.notes,
    )


def _queue(
    session: Session, before: Sequence[FrozenTrial], attributes: StudyAttributes
) -> list[tuple[str, Recipe]]:
    """What waits in the queue of a study; of one that isn't begun, what its queue begins with."""
    space = session.space
    assert space is not None
    if not before:
        queues = [
            [(SOURCES[source], space.nearest(params)[0]) for params in attributes.queue(source)]
            for source in attributes.QUEUES
        ]
        queues.insert(1, [("the default recipe", space.default()[0])])
        return [planned for queue in queues for planned in queue]
    waiting = [trial for trial in before if trial.state == TrialState.WAITING]
    queue = []
    for trial in waiting:
        noted = TrialAttributes.read(trial)
        facts = noted.given or noted.recipe
        params = queued_params(trial) or {}
        recipe = Recipe.from_dict(facts) if facts else space.nearest(params)[0]
        queue.append(("waits in the queue", recipe))
    return queue


def _costs(task: Task) -> Callable[[Recipe], Cost | None]:
    from automask.training import flops

    return flops.compute_cost(task)


def _timed_pass(task: Task, recipe: Recipe) -> dict[str, float] | None:
    """Seconds a GFLOP of a pass through a recipe's backbone, whose weights play no part."""
    import torch

    from automask.space import registry
    from automask.training import flops

    gflop = flops.forward(task, recipe)
    if not gflop:
        return None
    choice, size = recipe["backbone"], recipe.training["image_size"]
    with torch.random.fork_rng(), torch.no_grad():
        backbone = registry.get("backbone", choice.name).function(size, False, **choice.params)
        backbone = backbone.eval().to(task.device)
        images = torch.zeros(BATCH, 3, size, size, device=task.device)
        times = []
        for _ in range(3):
            begin = time.perf_counter()
            backbone(images).sum().item()
            times.append(time.perf_counter() - begin)
    return {flops.network(recipe): min(times) / (gflop * BATCH)}
