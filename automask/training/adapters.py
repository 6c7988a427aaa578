"""Parameters beside a backbone's weights, which train in place of them.

A freeze strategy declares the step that adds them. What is stored of a trained network is merged: it
has the weights that its backbone always has, so that nobody who reads it need know.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from automask.errors import TrialError, UserError
from automask.space import registry
from automask.space.recipe import Recipe

Merge = Callable[[nn.Module], None]


def adaptation(recipe: Recipe) -> str:
    """Equal where equal networks are adapted alike; empty where the freeze strategy adapts none."""
    choice = recipe["freeze"]
    plugin = registry.get("freeze", choice.name)
    if plugin.abilities["adapt"] is None:
        return ""
    return f" {choice.name} {dict(sorted(choice.params.items()))} {plugin.digest}"


def adapt(recipe: Recipe, backbone: nn.Module) -> Merge:
    """Add what the recipe's freeze strategy trains to the backbone, whose `stages` and `adapters` tell
    it by name then; returns what merges it again, or the same in a copy of the backbone.

    Raises `TrialError` where the network has nothing to be adapted.
    """
    choice = recipe["freeze"]
    step = registry.get("freeze", choice.name).abilities["adapt"]
    if step is None:
        return lambda module: None
    plain: Any = backbone
    stages = plain.stages
    names = {id(parameter): name for name, parameter in backbone.named_parameters()}
    try:
        undo = step(backbone, recipe.training["image_size"], **choice.params)
    except UserError as error:
        raise TrialError("bad recipe", str(error)) from error
    stage_of = {name: index for index, stage in enumerate(stages) for name in stage}
    stage_of_module = {
        module: index for name, index in stage_of.items() for module in _modules(name)
    }
    widened: list[list[str]] = [[] for _ in stages]
    adapters = set[str]()
    for name, parameter in backbone.named_parameters():
        if id(parameter) in names:
            index = stage_of[names[id(parameter)]]
        else:
            adapters.add(name)
            index = next(stage_of_module[m] for m in _modules(name) if m in stage_of_module)
        widened[index].append(name)
    plain.stages, plain.adapters = tuple(map(tuple, widened)), frozenset(adapters)

    def merge(module: Any) -> None:
        undo(module)
        module.stages, module.adapters = stages, frozenset()

    return merge


def _modules(parameter: str) -> list[str]:
    """The modules that a parameter is in, the innermost first; the last is the whole."""
    parts = parameter.split(".")
    return [".".join(parts[:count]) for count in range(len(parts) - 1, -1, -1)]
