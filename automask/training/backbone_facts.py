"""What is measured of a backbone without training it, kept for every trial that has the same one."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from automask.space import registry
from automask.space.recipe import Recipe
from automask.storage.cache import Cache
from automask.storage.files import short_hash
from automask.storage.json_cache import get_or_compute, put
from automask.training.adapters import adapt, adaptation
from automask.training.network import ParameterName, norm_names
from automask.training.pretrained import Checkpoint

#: What a backbone takes for its own training, and no feature of a resting one depends on.
IN_TRAINING_ALONE = ("drop_rate", "drop_path_rate")


@dataclass(frozen=True)
class BackboneFacts:
    """`D` features an image, at `gflop` a forward pass of one.

    `stages` are what a freeze strategy is asked of: parameter names from the stem up, and at last one
    that stands for the head.
    """

    D: int
    gflop: float
    stages: tuple[tuple[ParameterName, ...], ...]


def backbone_facts(cache: Path, recipe: Recipe) -> BackboneFacts | None:
    """The facts of a recipe's backbone, measured where `cache` has none; None where it can't be built.

    Weights play no part, so that none are fetched.
    """
    facts = get_or_compute(
        Cache(cache).backbones, _facts_key(recipe), lambda: _measure_untrained(recipe)
    )
    return None if facts is None else _from_json(facts)


def measure(cache: Path, recipe: Recipe, backbone: Any) -> BackboneFacts:
    """The facts of a recipe's backbone that only its weights could build, in `cache` from now on."""
    measured = _measure(copy.deepcopy(backbone), recipe)
    put(Cache(cache).backbones, _facts_key(recipe), measured)
    return _from_json(measured)


def network_key(recipe: Recipe) -> str:
    """Equal where backbones are the same network, whatever their weights."""
    choice, size = recipe["backbone"], recipe.training["image_size"]
    params = {k: v for k, v in sorted(choice.params.items()) if k not in IN_TRAINING_ALONE}
    return f"{choice.name} {params} {size}px {registry.get('backbone', choice.name).digest}"


def _facts_key(recipe: Recipe) -> str:
    """Equal where backbones are the same network when they begin to train."""
    return network_key(recipe) + adaptation(recipe)


def backbone_key(recipe: Recipe, weights: Mapping[str, Checkpoint], seed: int) -> str:
    """Equal where backbones are the same before training, weights and all."""
    checkpoint = weights.get(recipe["backbone"].params.get("model", ""))
    origin: Any = "the library's"
    if not recipe.training["pretrained"]:
        origin = seed
    elif checkpoint is not None:
        origin = checkpoint.digest, checkpoint.facts
    return short_hash(f"{network_key(recipe)} {origin}")


def _measure_untrained(recipe: Recipe) -> dict[str, Any] | None:
    choice, size = recipe["backbone"], recipe.training["image_size"]
    function = registry.get("backbone", choice.name).function
    with torch.random.fork_rng():
        try:
            return _measure(function(size, False, **choice.params), recipe)
        except Exception:
            # Whatever is wrong, a trial of it says so, with its state and reason.
            return None


def _measure(backbone: Any, recipe: Recipe) -> dict[str, Any]:
    adapt(recipe, backbone)
    size = recipe.training["image_size"]
    device = next(backbone.parameters()).device
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        backbone.eval()(torch.zeros(1, 3, size, size, device=device))
    return {
        "D": backbone.D,
        "gflop": counter.get_total_flops() / 1e9,
        "stages": backbone.stages,
        "norms": sorted(norm_names(backbone)),
        "adapters": sorted(getattr(backbone, "adapters", ())),
    }


def _from_json(measured: dict[str, Any]) -> BackboneFacts:
    norms, adapters = set(measured["norms"]), set(measured.get("adapters", ()))
    stages = (
        tuple(ParameterName(name, name in norms, name in adapters) for name in stage)
        for stage in measured["stages"]
    )
    head = (ParameterName("head", False),)
    return BackboneFacts(int(measured["D"]), float(measured["gflop"]), (*stages, head))
