"""Preprocessings made ready for a fold: what a fitted one sees, and what is kept of it."""

from __future__ import annotations

import dataclasses
import functools
import json
import pkgutil
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from automask.data import boxes
from automask.data.dataset import Dataset
from automask.data.decoding import decode
from automask.data.depth import Depth
from automask.data.images import Images, Prepared
from automask.data.tables import Rows
from automask.errors import PluginError
from automask.space import registry
from automask.space.kinds import Plugin
from automask.space.recipe import Choice
from automask.storage.cache import Cache
from automask.storage.files import short_hash
from automask.storage.json_cache import get_or_compute


class TrainingPart:
    """What a fitted preprocessing may look at: a fold's training part, read when it is asked for."""

    def __init__(self, table: Rows, rows: np.ndarray, depth: Depth = Depth()) -> None:
        self._table, self._rows, self._depth = table, rows, depth

    def images(self, most: int | None = None) -> Iterator[np.ndarray]:
        """The decoded images, uint8 `[H, W, 3]` each; at most so many, from all over the rows."""
        rows = self._rows[:: -(-len(self._rows) // most) if most else 1]
        return (decode(self._table.paths[row], depth=self._depth) for row in rows.tolist())

    @cached_property
    def boxes(self) -> np.ndarray | None:
        """float `[n, 4]` left, top, right and bottom as shares of width and height, if they are told."""
        shares = boxes.read(self._table)
        return None if shares is None else shares[self._rows]


class Unread:
    """In place of a training part, for a preprocessing that declares not to look at it."""

    def __init__(self, plugin: Plugin) -> None:
        self._plugin = plugin

    def __getattr__(self, name: str) -> NoReturn:
        raise PluginError(
            f"{self._plugin.file}: preprocessing '{self._plugin.name}' looks at the training rows; "
            "say @preprocessing(fitted=True)"
        )


def is_fitted(name: str) -> bool:
    """May it look at the training part, so that every fold has a transform of its own?"""
    return bool(registry.get("preprocessing", name).abilities["fitted"])


def prepare(
    choice: Choice, data: Dataset, rows: np.ndarray, images: Images, cache: Path
) -> Prepared | None:
    """The preprocessing for a fold that trains on these rows of train; None leaves images as they are.

    What was fitted is kept in `cache` and never fitted again to the same rows.
    """
    plugin = registry.get("preprocessing", choice.name)
    function, digest = functools.partial(plugin.function, **choice.params), plugin.digest
    if is_fitted(choice.name):
        extra = data.train.extra.iloc[rows].to_dict("list") if len(data.train.extra) else {}
        facts = [images.facts[row] for row in rows.tolist()]
        key = short_hash(repr((choice.name, sorted(choice.params.items()), digest, facts, extra)))
        part = TrainingPart(data.train, rows, data.depth)
        file = Cache(cache).preprocessings
        transform = from_json(get_or_compute(file, key, lambda: to_json(function(part))))
    else:
        transform = function(Unread(plugin))
    if transform is None:
        return None
    state = json.dumps(dataclasses.asdict(transform), sort_keys=True)
    return Prepared(f"{choice.name}-{digest}-{short_hash(repr(state))}", transform)


def to_json(transform: Any) -> dict[str, Any] | None:
    """A transform as what JSON can hold: where its class is, and its fields."""
    if transform is None:
        return None
    kind = type(transform)
    return {
        "class": f"{kind.__module__}:{kind.__qualname__}",
        "fields": dataclasses.asdict(transform),
    }


def from_json(state: dict[str, Any] | None) -> Any:
    """The transform of which `to_json` made this."""
    return None if state is None else pkgutil.resolve_name(state["class"])(**state["fields"])
