"""Mixing batches by a recipe's plugin, and whether that can be done to features."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from automask.errors import TrialError
from automask.space import registry
from automask.space.recipe import Recipe
from automask.training.hardware import out_of_memory
from automask.training.task import call_plugin


def has_mix(recipe: Recipe) -> bool:
    """Does the recipe do anything to its batches?"""
    return recipe["mix"].name != "none"


def mix_batch(
    recipe: Recipe, rng: np.random.Generator, inputs: Tensor, target: Tensor
) -> tuple[Tensor, Tensor]:
    """A batch of images `[B, S, S, 3]` or features `[B, D]` and its targets `[B, C]`, mixed."""
    if not has_mix(recipe):
        return inputs, target
    if inputs.ndim == 2:
        return _mix_features(recipe, rng, inputs, target)
    inputs, target = call_plugin(recipe, "mix", inputs.permute(0, 3, 1, 2), target, rng)
    return inputs.permute(0, 2, 3, 1), target


def takes_features(recipe: Recipe) -> bool:
    """Does the recipe's mix take features as well as pixels, as its plugin declares?"""
    both: bool = registry.get("mix", recipe["mix"].name).abilities["takes"] == "both"
    return both


def _mix_features(
    recipe: Recipe, rng: np.random.Generator, features: Tensor, target: Tensor
) -> tuple[Tensor, Tensor]:
    try:
        mix: tuple[Tensor, Tensor] = call_plugin(recipe, "mix", features, target, rng)
        return mix
    except Exception as error:
        if out_of_memory(error):
            raise
        name = recipe["mix"].name
        raise TrialError(
            "plugin error",
            f"{registry.get('mix', name).file}: mix '{name}' fails on features: "
            f'{str(error) or type(error).__name__}; if it needs pixels, say @mix(takes="pixels")',
        ) from error
