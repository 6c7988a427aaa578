"""What the preprocessings and augmentations of a space do to pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automask.data.dataset import Dataset
from automask.data.decoding import decode_partly
from automask.data.images import Prepared, enough_pixels, make_square
from automask.data.preprocessing import TrainingPart, Unread, is_fitted
from automask.errors import UserError
from automask.space import registry
from automask.space.kinds import Plugin
from automask.space.ranges import clip
from automask.space.recipe import TRAINING_DEFAULTS
from automask.space.space import Space

#: Of a fitted preprocessing, so many rows of train are what it sees here.
FITTED = 500
#: Edge of the squares where a space has smaller ones, in pixels: what one can still see.
LEAST, MOST = 96, 192


@dataclass(frozen=True)
class Effect:
    """What a plugin of the space does: the squares uint8 `[P, S, S, 3]` that it makes of the pictures,
    or why there are none."""

    kind: str
    name: str
    summary: str
    values: str
    pixels: np.ndarray
    problem: str = ""


def show_effects(space: Space, data: Dataset, rows: Sequence[int], seed: int = 0) -> list[Effect]:
    """The train rows as they are, then by each preprocessing and each augmentation of the space.

    A plugin has its defaults, moved into the space's ranges; augmentations draw anew for each picture.
    """
    size = _edge(space)
    plain = _squares(space, data, rows, size, None)
    nothing = Effect("", "as it is", f"resized to {size} px", "", plain)
    return [
        nothing,
        *(_preprocessed(space, data, rows, size, one) for one in _active(space, "preprocessing")),
        *(_augmented(one, plain, seed) for one in _active(space, "augmentation")),
    ]


@dataclass(frozen=True)
class _Chosen:
    plugin: Plugin
    values: Mapping[str, Any]

    def effect(self, pixels: np.ndarray, problem: str = "") -> Effect:
        values = ", ".join(f"{key} {_short(value)}" for key, value in self.values.items())
        plugin = self.plugin
        return Effect(plugin.kind, plugin.name, plugin.summary, values, pixels, problem)


def _active(space: Space, kind: str) -> Iterator[_Chosen]:
    """What competes, with the values nearest to its defaults; what does nothing is left out."""
    for name, ranges in space.competitors[kind].items():
        if name == "none":
            continue
        plugin = registry.get(kind, name)
        values: dict[str, Any] = {}
        for key, range_ in ranges.items():
            default = plugin.defaults.get(key)
            values[key] = range_.corners()[0] if default is None else clip(range_, default)
        yield _Chosen(plugin, values)


def _edge(space: Space) -> int:
    size = space.nearest({})[0].training.get("image_size", TRAINING_DEFAULTS["image_size"])
    return min(MOST, max(LEAST, int(size)))


def _squares(
    space: Space, data: Dataset, rows: Sequence[int], size: int, prepared: Prepared | None
) -> np.ndarray:
    resize = next(iter(space.competitors["resize"]))
    function = registry.get("resize", resize).function
    enough, squares = enough_pixels(size, prepared), []
    for row in rows:
        path = data.train.paths[row]
        image, problem = decode_partly(path, enough, data.depth)
        if image is None:
            raise UserError(problem)
        squares.append(
            make_square(
                image, str(path), resize=resize, function=function, size=size, prepared=prepared
            )
        )
    return np.stack(squares)


def _preprocessed(
    space: Space, data: Dataset, rows: Sequence[int], size: int, chosen: _Chosen
) -> Effect:
    plugin, nothing = chosen.plugin, np.zeros((0, size, size, 3), np.uint8)
    seen = np.unique(np.linspace(0, len(data.train) - 1, FITTED).round().astype(int))
    part = TrainingPart(data.train, seen, data.depth) if is_fitted(plugin.name) else Unread(plugin)
    try:
        transform = plugin.function(part, **chosen.values)
        prepared = Prepared(plugin.name, transform) if transform is not None else None
        return chosen.effect(_squares(space, data, rows, size, prepared))
    except Exception as error:  # a plugin may raise anything, and the others can still be seen
        return chosen.effect(nothing, f"it fails: {error}")


def _augmented(chosen: _Chosen, plain: np.ndarray, seed: int) -> Effect:
    import torch

    from automask.training.batches import Inputs

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            transform = chosen.plugin.function(plain.shape[1], **chosen.values)
            rng = np.random.default_rng(seed)
            inputs = Inputs(plain, transform, torch.device("cpu"), rng)
            pixels = inputs(np.arange(len(plain))).numpy()
        except Exception as error:  # as above
            return chosen.effect(plain[:0], f"it fails: {error}")
    return chosen.effect(pixels.clip(0, 255).astype(np.uint8))


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
