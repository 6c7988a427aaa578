"""Images to the squares that networks read, by the same code as in training."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from automask.data.decoding import decode_partly, to_rgb
from automask.data.depth import Depth
from automask.data.images import Prepared, enough_pixels, make_square, shrink
from automask.errors import UserError
from automask.prediction import states
from automask.prediction.contents import Input
from automask.space import registry

if TYPE_CHECKING:
    from PIL import Image

#: A path, a uint8 array `[H, W, 3]` or `[H, W]`, or an image of Pillow's.
Picture: TypeAlias = "str | Path | np.ndarray | Image.Image"


@dataclass(frozen=True)
class Reader:
    """One way in which images become squares, uint8 `[size, size, 3]`."""

    resize: str
    function: Callable[[np.ndarray, int], np.ndarray]
    large: int
    size: int
    prepared: Prepared | None

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal where large squares are."""
        return self.resize, self.large, self.prepared and self.prepared.key

    @property
    def enough(self) -> int:
        return enough_pixels(self.large, self.prepared)

    def make_large(self, image: np.ndarray, name: str) -> np.ndarray:
        return make_square(
            image,
            name,
            resize=self.resize,
            function=self.function,
            size=self.large,
            prepared=self.prepared,
        )


def make_reader(source: Input, index: int) -> Reader:
    """What reads an input. Raises `UserError` where one of its plugins isn't there."""
    prepared = None
    if source.state is not None:
        plugin = registry.get("preprocessing", source.preprocessing.name)
        transform = states.make(source.state["class"], source.state["fields"], plugin)
        prepared = Prepared(f"{source.preprocessing.name}-{index}", transform)
    function = registry.get("resize", source.resize.name).function
    return Reader(
        source.resize.name,
        functools.partial(function, **source.resize.params),
        source.large,
        source.size,
        prepared,
    )


def read_squares(
    picture: Picture, readers: Sequence[Reader], depth: Depth
) -> tuple[list[np.ndarray], str]:
    """The square of each reader, and why the picture can't be read to its end; `depth` scales deep
    images.

    Raises `UserError` where it can't be read at all.
    """
    images: dict[int, np.ndarray] = {}
    large: dict[tuple[Any, ...], np.ndarray] = {}
    squares, problem = [], ""
    for reader in readers:
        if reader.key not in large:
            if reader.enough not in images:
                images[reader.enough], why = to_array(picture, reader.enough, depth)
                problem = problem or why
            large[reader.key] = reader.make_large(images[reader.enough], describe(picture))
        square = large[reader.key]
        squares.append(square if reader.size >= reader.large else shrink(square, reader.size))
    return squares, problem


def to_array(picture: Picture, enough: int, depth: Depth) -> tuple[np.ndarray, str]:
    """A picture as uint8 RGB `[H, W, 3]`, decoded as far as it goes where it is a path; and why it
    can't be read to its end. Raises `UserError` where it can't be read at all."""
    if isinstance(picture, str | Path):
        image, problem = decode_partly(Path(picture), enough, depth)
        if image is None:
            raise UserError(problem)
        return image, problem
    if not isinstance(picture, np.ndarray):
        return to_rgb(picture), ""
    image = np.repeat(picture[..., None], 3, 2) if picture.ndim == 2 else picture
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise UserError(
            f"an array {list(picture.shape)} of {picture.dtype}: an image is uint8, "
            "[height, width, 3] in the order red, green, blue, or [height, width]"
        )
    return image, ""


def describe(picture: Picture) -> str:
    """A picture as sentences name it."""
    if isinstance(picture, str | Path):
        return str(picture)
    return str(getattr(picture, "filename", "") or f"an image of {type(picture).__name__}")
