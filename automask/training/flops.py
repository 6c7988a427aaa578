"""What a trial costs, computed before it runs, and the seconds that it takes here by what was seen.

The cost is FLOPs of the backbone, which are the same on every machine: what is searched goes by it.
Seconds serve displays and deadlines.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from automask.hpo.cost import Cost
from automask.space.recipe import Recipe

if TYPE_CHECKING:
    from automask.training.task import Task


#: A backward pass is about two forward ones.
TRAINED = 3


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
    known = _known(task, recipe)
    return None if known is None else float(known["gflop"])


def _known(task: Task, recipe: Recipe) -> dict[str, Any] | None:
    from automask.storage.json_cache import get_or_compute

    return get_or_compute(task.cache / "flops.json", _key(recipe), lambda: _measured(recipe))


def _cost(task: Task, recipe: Recipe) -> Cost | None:
    from automask.training import mixing
    from automask.training.features import VIEWS
    from automask.training.network import ParameterName
    from automask.training.task import call_plugin

    known = _known(task, recipe)
    if known is None:
        return None
    norms, epochs = set(known["norms"]), recipe.training["epochs"]
    stages = [tuple(ParameterName(n, n in norms) for n in stage) for stage in known["stages"]]
    head = (ParameterName("head", False),)
    tuned = sum(
        not set(call_plugin(recipe, "freeze", (*stages, head), epoch / epochs)) <= set(head)
        for epoch in range(epochs)
    )
    rows, test, folds = len(task.data.labels), len(task.test_rows), int(task.folds.max()) + 1
    drawn = (folds - 1) * _drawn(recipe, task.data.labels)
    cached = mixing.takes_features(recipe)
    images = 0.0
    if tuned:
        images += TRAINED * tuned * drawn + rows + folds * test
    if tuned < epochs and cached:
        views = min(VIEWS, epochs) if call_plugin(recipe, "augmentation", 32) is not None else 0
        images += rows + test + views * rows
    elif tuned < epochs:
        images += (epochs - tuned) * drawn
    kind = f"{'full' if tuned else 'cached'} {network(recipe)}"
    return Cost(images * known["gflop"], kind, folds, machine(task.device.type))


def _drawn(recipe: Recipe, labels: Any) -> int:
    """About how many rows an epoch of all train rows has.

    As many as there are where the sampling may read features, which nobody computes for a guess.
    """
    import numpy as np

    from automask.space import registry
    from automask.training.task import call_plugin

    if registry.get("sampling", recipe["sampling"].name).abilities["reads_features"]:
        return len(labels)
    drawn = call_plugin(recipe, "sampling", labels, lambda: None, np.random.default_rng(0))
    return len(drawn[0] if isinstance(drawn, tuple) else drawn)


def _key(recipe: Recipe) -> str:
    from automask.space import registry
    from automask.training.features import IN_TRAINING_ALONE

    choice, size = recipe["backbone"], recipe.training["image_size"]
    params = {k: v for k, v in sorted(choice.params.items()) if k not in IN_TRAINING_ALONE}
    return f"{choice.name} {params} {size}px {registry.get('backbone', choice.name).digest}"


def _measured(recipe: Recipe) -> dict[str, Any] | None:
    """GFLOP of one image forward, and the backbone's parameters by stage; weights play no part."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from automask.space import registry
    from automask.training.network import norm_names

    choice, size = recipe["backbone"], recipe.training["image_size"]
    function = registry.get("backbone", choice.name).function
    with torch.random.fork_rng(), torch.no_grad():
        try:
            backbone = function(size, False, **choice.params).eval()
            with FlopCounterMode(display=False) as counter:
                backbone(torch.zeros(1, 3, size, size))
        except Exception:
            # Whatever is wrong, a trial of it says so, with its state and reason.
            return None
    stages: Sequence[Sequence[str]] = backbone.stages
    gflop = counter.get_total_flops() / 1e9
    return {"gflop": gflop, "stages": stages, "norms": sorted(norm_names(backbone))}
