"""A search space as JSON, so that a recorded one stays what it was when plugins change."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from automask.ranges import Categorical, Float, Int, Range
from automask.space import Space

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


def _ranges(ranges: Mapping[str, Range]) -> dict[str, Any]:
    return {key: {type(r).__name__: dataclasses.asdict(r)} for key, r in ranges.items()}


def _read(told: Mapping[str, Any]) -> dict[str, Range]:
    found: dict[str, Range] = {}
    for key, entry in told.items():
        ((kind, fields),) = entry.items()
        choices = fields.get("choices")
        found[key] = Categorical(*choices) if choices is not None else KINDS[kind](**fields)
    return found
