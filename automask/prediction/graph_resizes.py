"""Resizes as operations of a graph: images of any shape to squares, as `automask.data.images` has them.

Each axis is a matrix, so that an image becomes a square by two products. The one for the plugin's own
resize depends on the image's shape and merges both of its steps, means over whole pixels and bilinear
between neighbours; that between whole squares is OpenCV's to the last level. Values are rounded to whole
numbers wherever training keeps them as such but between these steps, so that the first square differs
from training's by a level of 255 now and then.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

#: Halves are rounded up in whichever order a runtime adds: far above what the order changes.
UP = 1e-3


class Axis(NamedTuple):
    """How an axis becomes `size` pixels: `length` pixels from `start` on become `scaled` ones, of which
    `places` `[size]` are shown; all int64 tensors."""

    start: Tensor
    length: Tensor
    scaled: Tensor
    places: Tensor


def pad(height: Tensor, width: Tensor, size: int) -> tuple[Axis, Axis]:
    """The whole image in its proportions, its edges mirrored."""
    scale = size / torch.maximum(height, width).double()

    def axis(length: Tensor) -> Axis:
        scaled = torch.round(length.double() * scale).clamp(min=1).long()
        before = torch.div(size - scaled, 2, rounding_mode="floor")
        turn = torch.remainder(torch.arange(size) - before, 2 * scaled)
        return Axis(_zero(), length, scaled, torch.minimum(turn, 2 * scaled - 1 - turn))

    return axis(height), axis(width)


def crop(height: Tensor, width: Tensor, size: int) -> tuple[Axis, Axis]:
    """The largest square in the middle."""
    side = torch.minimum(height, width)

    def axis(length: Tensor) -> Axis:
        start = torch.div(length - side, 2, rounding_mode="floor")
        return Axis(start, side, _full(size), torch.arange(size))

    return axis(height), axis(width)


def squash(height: Tensor, width: Tensor, size: int) -> tuple[Axis, Axis]:
    """The whole image, its proportions given up."""
    places = torch.arange(size)
    return Axis(_zero(), height, _full(size), places), Axis(_zero(), width, _full(size), places)


#: By the name of the built-in plugin.
RESIZES: dict[str, Callable[[Tensor, Tensor, int], tuple[Axis, Axis]]] = {
    "pad": pad,
    "crop": crop,
    "squash": squash,
}


def make_square(images: Tensor, resize: str, size: int) -> Tensor:
    """Whole numbers, float32 `[N, size, size, 3]`, from uint8 `[N, H, W, 3]`."""
    height, width = images.shape[1:3]
    rows, columns = RESIZES[resize](_full(height), _full(width), size)
    factors = [
        torch.div(axis.length, axis.scaled, rounding_mode="floor") for axis in (rows, columns)
    ]
    factor = torch.minimum(*factors).clamp(min=1)
    square = _apply(
        images.float(), _weights(rows, factor, height), _weights(columns, factor, width)
    )
    return (square + UP).round().clamp(0, 255)


class Shrink(nn.Module):
    """Means over areas: squares `[N, large, large, 3]` as `[N, size, size, 3]`.

    Weights are whole numbers, so that sums are the same in whichever order a runtime adds, as long as
    they end below 2²⁴. Halves are rounded as OpenCV does: to even ones or, at half the size, up.
    """

    def __init__(self, large: int, size: int) -> None:
        super().__init__()
        self.weights: Tensor
        whole = math.gcd(large, size)
        #: Of how many parts a pixel of the smaller square consists an axis, and one of the larger.
        self.parts, part = large // whole, size // whole
        ends = torch.arange(size + 1) * self.parts
        pixels = torch.arange(large) * part
        low = torch.maximum(ends[:-1, None], pixels)
        high = torch.minimum(ends[1:, None], pixels + part)
        self.register_buffer("weights", (high - low).clamp(min=0).float(), persistent=False)
        self.up = large == 2 * size

    def forward(self, squares: Tensor) -> Tensor:
        means = _apply(squares, self.weights, self.weights) / self.parts**2
        return (means + 0.5).floor() if self.up else means.round()


def _weights(axis: Axis, factor: Tensor, count: int) -> Tensor:
    """`[size, count]` what part each of `count` pixels has in each of a square's."""
    means = torch.div(axis.length, factor, rounding_mode="floor")
    at = (axis.places + 0.5).double() * means.double() / axis.scaled.double() - 0.5
    at = torch.minimum(at.clamp(min=0), means.double() - 1)
    own = torch.div(torch.arange(count) - axis.start, factor, rounding_mode="floor")
    inside = (own >= 0) & (own < means)
    near = torch.relu(1 - (at[:, None] - own.double()).abs())
    return (near * inside / factor).float()


def _apply(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Images `[N, H, W, 3]` as `[N, S, T, 3]` by matrices `[S, H]` and `[T, W]`."""
    width = images.shape[2]
    high = (rows @ images.flatten(2)).unflatten(2, (width, 3))
    squares: Tensor = columns @ high
    return squares


def _full(value: int) -> Tensor:
    return torch.full((), value, dtype=torch.int64)


def _zero() -> Tensor:
    return _full(0)
