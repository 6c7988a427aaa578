"""A recipe: everything that defines a trial, frozen and writable as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from automask.space.kinds import KINDS
from automask.space.ranges import Categorical, Float, Int, Range
from automask.storage.files import short_hash

#: What belongs to no plugin: how long, on how much, at which size.
TRAINING: dict[str, Range] = {
    "pretrained": Categorical(True, False),
    "image_size": Int(8, 2048),
    "epochs": Int(1, 1000),
    "warmup_epochs": Int(0, 100),
    "batch_size": Int(1, 8192),
    "accumulation": Int(1, 1024),
    "ema_decay": Float(0.0, 0.9999),
}
#: The values of what is chosen among a few, by the keys that rules use.
CHOICES: dict[str, tuple[Any, ...]] = {
    f"training.{key}": range_.choices
    for key, range_ in TRAINING.items()
    if isinstance(range_, Categorical)
}
TRAINING_DEFAULTS: dict[str, Any] = {
    "pretrained": True,
    "image_size": 128,
    "epochs": 10,
    "warmup_epochs": 1,
    "batch_size": 16,
    "accumulation": 1,
    "ema_decay": 0.0,
}


@dataclass(frozen=True)
class Choice:
    """A plugin by name with its hyperparameters."""

    name: str
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Recipe:
    """One trial: a choice a kind, and the training's own hyperparameters.

    `batch_size` rows make a step, computed in `accumulation` parts. An `ema_decay` above 0 predicts
    with the moving average of the weights.
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

    def values(self) -> dict[str, Any]:
        """Its values by the names that a space gives them, such as ``loss`` and ``loss.focal.gamma``."""
        named: dict[str, Any] = {f"training.{key}": value for key, value in self.training.items()}
        for kind, choice in self.choices.items():
            named[kind] = choice.name
            named |= {f"{kind}.{choice.name}.{key}": v for key, v in choice.params.items()}
        return named

    def flat(self) -> dict[str, Any]:
        """Its values by short names, such as ``loss``, ``loss.gamma`` and ``training.epochs``."""
        named: dict[str, Any] = {}
        for kind, choice in self.choices.items():
            named[kind] = choice.name
            named |= {f"{kind}.{key}": value for key, value in choice.params.items()}
        return named | {f"training.{key}": value for key, value in self.training.items()}

    def to_json(self) -> str:
        """One line with sorted keys: equal recipes give equal text."""
        return json.dumps(self.to_dict(), sort_keys=True)

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits that name the recipe."""
        return short_hash(self.to_json(), 12)

    def with_epochs(self, epochs: int) -> Recipe:
        """The same, trained for so many epochs."""
        return Recipe(self.choices, {**self.training, "epochs": epochs})

    def describe(self) -> str:
        """One line for tables: what differs most between recipes."""
        backbone = self["backbone"].params.get("model", self["backbone"].name)
        parts = [backbone, f"{self.training['image_size']}px", f"{self.training['epochs']}ep"]
        named = {kind.name: kind.plain for kind in KINDS.values() if kind.plain is not None}
        for kind, plain in named.items():
            if kind in self.choices and self[kind].name != plain:
                parts.append(self[kind].name)
        return " ".join(parts)
