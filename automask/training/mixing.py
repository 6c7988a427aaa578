"""Mixing batches by a recipe's plugin, and whether that can be done to features."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from automask.space.recipe import Recipe
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
        return call_plugin(recipe, "mix", inputs, target, rng)
    inputs, target = call_plugin(recipe, "mix", inputs.permute(0, 3, 1, 2), target, rng)
    return inputs.permute(0, 2, 3, 1), target


def refusal(recipe: Recipe) -> str:
    """What the recipe's mix says to features, which means that it needs pixels; '' if it takes them.

    Tried on a few, several times, since it may leave some batches as they are.
    """
    for seed in range(8 if has_mix(recipe) else 0):
        try:
            mix_batch(recipe, np.random.default_rng(seed), torch.ones(4, 8), torch.eye(4))
        except Exception as error:
            return str(error) or type(error).__name__
    return ""
