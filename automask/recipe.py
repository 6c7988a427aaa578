"""A recipe: everything that defines a trial, frozen and writable as JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from automask.ranges import Categorical, Int, Range

#: The kinds of plugin that a recipe has one of, and which one where a space says nothing.
SEARCHED: dict[str, str] = {
    "backbone": "timm",
    "head": "joint",
    "freeze": "full",
    "loss": "cross_entropy",
    "optimizer": "adamw",
    "scheduler": "CosineAnnealingLR",
    "sampling": "all",
    "augmentation": "light",
    "preprocessing": "none",
    "resize": "pad",
}

#: What belongs to no plugin: how long, on how much, at which size.
TRAINING: dict[str, Range] = {
    "pretrained": Categorical(True, False),
    "image_size": Int(8, 2048),
    "epochs": Int(1, 1000),
    "warmup_epochs": Int(0, 100),
    "batch_size": Int(1, 8192),
    "accumulation": Int(1, 1024),
}

TRAINING_DEFAULTS: dict[str, Any] = {
    "pretrained": True,
    "image_size": 128,
    "epochs": 10,
    "warmup_epochs": 1,
    "batch_size": 16,
    "accumulation": 1,
}


@dataclass(frozen=True)
class Choice:
    """A plugin by name with its hyperparameters."""

    name: str
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Recipe:
    """One trial: a choice a kind, and the training's own hyperparameters.

    `batch_size` rows make a step, computed in `accumulation` parts.
    """

    choices: Mapping[str, Choice]
    training: Mapping[str, Any]

    def __getitem__(self, kind: str) -> Choice:
        return self.choices[kind]

    def to_dict(self) -> dict[str, Any]:
        return {
            "training": dict(self.training),
            **{kind: {"name": c.name, **c.params} for kind, c in self.choices.items()},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Recipe:
        choices = {
            kind: Choice(entry["name"], {k: v for k, v in entry.items() if k != "name"})
            for kind, entry in data.items()
            if kind != "training"
        }
        return cls(choices, dict(data["training"]))

    def to_json(self) -> str:
        """One line with sorted keys: equal recipes give equal text."""
        return json.dumps(self.to_dict(), sort_keys=True)

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits that name the recipe."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:12]

    def describe(self) -> str:
        """One line for tables: what differs most between recipes."""
        backbone = self["backbone"].params.get("model", self["backbone"].name)
        parts = [backbone, f"{self.training['image_size']}px", f"{self.training['epochs']}ep"]
        plain = {
            "head": "joint",
            "sampling": "all",
            "augmentation": "none",
            "preprocessing": "none",
            "loss": "cross_entropy",
        }
        told = ("freeze", "loss", "optimizer", "head", "sampling", "augmentation", "preprocessing")
        for kind in told:
            if kind in self.choices and self[kind].name != plain.get(kind):
                parts.append(self[kind].name)
        return " ".join(parts)
