"""A search space as JSON, so that a recorded one stays what it was when plugins change; and draws."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from automask.space.ranges import Categorical, Float, Int, Range
from automask.space.space import Space

KINDS = {kind.__name__: kind for kind in (Float, Int, Categorical)}


def to_json(space: Space) -> dict[str, Any]:
    competitors = {
        kind: {name: _ranges(ranges) for name, ranges in plugins.items()}
        for kind, plugins in space.competitors.items()
    }
    return {"competitors": competitors, "training": _ranges(space.training)}


def from_json(told: Mapping[str, Any]) -> Space:
    competitors = {
        kind: {name: _read(ranges) for name, ranges in plugins.items()}
        for kind, plugins in told["competitors"].items()
    }
    return Space("recorded", competitors, _read(told["training"]), adapts=False)


def drawing(rng: np.random.Generator) -> Callable[[str, Range], Any]:
    """Even draws, as `Space.sample` asks for them."""

    def draw(name: str, range_: Range) -> Any:
        match range_:
            case Categorical():
                return range_.choices[int(rng.integers(len(range_.choices)))]
            case Float() | Int() if range_.log:
                value = float(np.exp(rng.uniform(np.log(range_.low), np.log(range_.high))))
                return round(value) if isinstance(range_, Int) else value
            case Float():
                return float(rng.uniform(range_.low, range_.high))
            case Int():
                return int(rng.integers(range_.low, range_.high + 1))
        raise ValueError(f"{name}: open text")

    return draw


def _ranges(ranges: Mapping[str, Range]) -> dict[str, Any]:
    return {key: {type(r).__name__: dataclasses.asdict(r)} for key, r in ranges.items()}


def _read(told: Mapping[str, Any]) -> dict[str, Range]:
    found: dict[str, Range] = {}
    for key, entry in told.items():
        ((kind, fields),) = entry.items()
        choices = fields.get("choices")
        found[key] = Categorical(*choices) if choices is not None else KINDS[kind](**fields)
    return found
