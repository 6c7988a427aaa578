"""What a search begins with: something to hand in at once, then what did best together elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

from automask.space.recipe import Recipe
from automask.space.space import Space

#: Heads on features that are computed once: seconds of training, and a valid ensemble after them.
HEADS = {
    "freeze": "head_only",
    "training.pretrained": True,
    "loss": "cross_entropy",
    "optimizer.adamw.lr": 1e-2,
    "augmentation": "none",
    "mix": "none",
    "sampling": "all",
}
FILE = "portfolio.json"


def portfolio() -> list[dict[str, Any]]:
    """Values by name of the recipes that did best together on recorded tasks, best first
    (`python -m benchmarks.portfolio`); they say nothing of networks and sizes."""
    text = (resources.files("automask.search_spaces") / FILE).read_text("utf-8")
    recipes: list[dict[str, Any]] = json.loads(text)["recipes"]
    return recipes


def recipes(space: Space, network: Mapping[str, Any]) -> list[tuple[Recipe, dict[str, Any]]]:
    """Recipes to begin with, moved into the space, with their free hyperparameters by name.

    First heads alone at the smallest image size, then with the `network` that the probe found best (of
    several attributes also a head each), with which those of the portfolio come too. None where nothing
    is pretrained.
    """
    if True not in getattr(space.training["pretrained"], "choices", ()):
        return []
    points: list[dict[str, Any]] = []
    if "head_only" in space.competitors["freeze"]:
        smallest = min(space.training["image_size"].corners())
        points += [{**HEADS, "training.image_size": smallest}, {**HEADS, **network}]
        points += [{**HEADS, **network, "head": "factored"}] * (
            "factored" in space.competitors["head"]
        )
    points += [{**values, "training.pretrained": True, **network} for values in portfolio()]
    moved: dict[str, tuple[Recipe, dict[str, Any]]] = {}
    for point in points:
        recipe, params = space.nearest(point)
        moved.setdefault(recipe.hash, (recipe, params))
    return list(moved.values())
