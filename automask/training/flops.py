"""What a trial costs in FLOPs, computed before it runs.

The cost is FLOPs of the backbone, which are the same on every machine: what is searched goes by it.
Seconds serve displays and deadlines.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from automask.errors import PluginError
from automask.hpo.cost import Cost
from automask.space.recipe import Recipe
from automask.training.plan import Plan

if TYPE_CHECKING:
    from automask.training.backbone_facts import BackboneFacts
    from automask.training.task import Task


#: A backward pass is about two forward ones: one for the gradients of activations, one for those of
#: weights, which are few where just norms or adapters train.
TRAINED, ADAPTED = 3, 2


def network(recipe: Recipe) -> str:
    """The recipe's model and size in words, as a cost's `kind` has them."""
    choice, size = recipe["backbone"], recipe.training["image_size"]
    return f"{choice.params.get('model', choice.name)} {size}px"


def machine(device: str) -> str:
    """What seconds depend on besides the cost: the computer, the device and the threads of a worker."""
    import torch

    return f"{platform.node()} {device} {torch.get_num_threads()}"


def compute_cost(task: Task) -> Callable[[Recipe], Cost | None]:
    """The cost of a recipe, or None where its backbone can't be built, which its trial will tell."""
    return lambda recipe: _cost(task, recipe)


def forward(task: Task, recipe: Recipe) -> float | None:
    """GFLOP of one image through the recipe's backbone, or None where that can't be built."""
    measured = _facts(task, recipe)
    return None if measured is None else measured.gflop


def _facts(task: Task, recipe: Recipe) -> BackboneFacts | None:
    from automask.training.backbone_facts import backbone_facts

    return backbone_facts(task.cache, recipe)


def _cost(task: Task, recipe: Recipe) -> Cost | None:
    from automask.training.plan import Plan

    measured = _facts(task, recipe)
    if measured is None:
        return None
    plan, folds = Plan(recipe, measured.stages), task.fold_count
    kind = f"{'cached' if plan.trains_only_head else 'full'} {network(recipe)}"
    gflop = _images(task, plan, folds) * measured.gflop
    return Cost(gflop, kind, folds, machine(task.device.type))


def _images(task: Task, plan: Plan, folds: int) -> float:
    """How many images go through the backbone, one that it is trained on counting `TRAINED` times, or
    `ADAPTED` times."""
    rows, test = len(task.data.labels), len(task.test_rows)
    drawn = (folds - 1) * _rows_per_epoch(plan.recipe, task.data.labels)
    frozen, cached = sum(plan.frozen), sum(plan.cached)
    images = float((frozen - cached) * drawn)
    if frozen < plan.epochs:
        images += sum(map(partial(_passes, plan), range(plan.epochs))) * drawn + rows + folds * test
    if cached:
        images += rows + test + plan.copies * rows
    return images


def _passes(plan: Plan, epoch: int) -> int:
    """How many passes an image of an epoch is worth in which the backbone trains; 0 of another."""
    if plan.frozen[epoch]:
        return 0
    stages: Any = plan.stages
    few = {name for stage in stages for name in stage if name.norm or name.adapter}
    return ADAPTED if plan.trainable(epoch) <= few.union(plan.stages[-1]) else TRAINED


def _rows_per_epoch(recipe: Recipe, labels: Any) -> int:
    """About how many rows an epoch of all train rows has.

    As many as there are where the sampling may read features, which nobody computes for a guess.
    """
    import numpy as np

    from automask.space import registry
    from automask.training.task import call_plugin

    plugin = registry.get("sampling", recipe["sampling"].name)
    if plugin.abilities["reads_features"]:
        return len(labels)

    def unread() -> NoReturn:
        raise PluginError(
            f"{plugin.file}: sampling '{plugin.name}' reads features; "
            "say @sampling(reads_features=True)"
        )

    drawn = call_plugin(recipe, "sampling", labels, unread, np.random.default_rng(0))
    return len(drawn[0] if isinstance(drawn, tuple) else drawn)
