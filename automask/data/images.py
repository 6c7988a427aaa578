"""Decoding images, and the shared memory maps of them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from automask.data.decoding import GREY, decode_partly
from automask.data.depth import Depth
from automask.data.squares import Squares
from automask.errors import DiskError, UserError
from automask.listener import note, progress
from automask.machine import cores, one_thread_an_image
from automask.space import registry
from automask.storage.arrays import open_array, write_array
from automask.storage.cache import Cache
from automask.storage.disk import DiskBudget
from automask.storage.files import file_facts, short_hash

#: How many pixels a side of a JPEG are decoded at least for each that is kept.
ENOUGH = 1.3


class Images:
    """All images at any size asked for, as uint8 memory maps `[N, size, size, 3]` in `folder`.

    Files are decoded once a way of resizing and preprocessing, at the largest size; smaller sizes are
    made from that map. `resizes` gives the function of each name. A map is shared by whoever opens it,
    and one that is open isn't removed from the `room` that there is; where that has none for a map, or
    none is to be made (`mapped`), images are decoded whenever they are read. The first `whole` files
    must be readable to their end, the others as far as they go; `depth` scales deep ones.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        largest: int,
        resizes: dict[str, Callable[[np.ndarray, int], np.ndarray]],
        folder: Path,
        room: DiskBudget = DiskBudget(),
        depth: Depth = Depth(),
        whole: int | None = None,
        mapped: bool = True,
    ) -> None:
        self.paths, self.largest, self.resizes = list(paths), largest, resizes
        self.folder, self.room = folder, room
        self.reading: tuple[Path, np.ndarray] | None = None
        self.depth, self.whole = depth, len(paths) if whole is None else whole
        self.mapped = mapped
        self.facts = [(*file_facts(path), depth.key) for path in paths]
        self.key = short_hash(repr(self.facts))

    def at(self, resize: str, size: int, prepared: Prepared | None = None) -> np.ndarray:
        """The map of that size, of images that went through a preprocessing, made if it isn't there, or
        what reads as it does."""
        file = self._file(resize, size, prepared)
        if self.reading is not None and self.reading[0] == file:
            return self.reading[1]
        # The map of the recipe before may go, while this one's stays from fold to fold.
        self.reading = None
        while (array := open_array(file, self.room)) is None:
            if not self.mapped:
                return self._unmapped(resize, size, prepared)
            try:
                if size >= self.largest:
                    self._decode(file, resize, size, prepared)
                else:
                    large = self.at(resize, self.largest, prepared)
                    shape = (len(large), size, size, 3)
                    write_array(file, shape, np.uint8, functools.partial(_shrink, large), self.room)
            except DiskError as error:
                note(f"images are decoded whenever they are read: {error}")
                return self._unmapped(resize, size, prepared)
        self.reading = file, array
        return array

    def _unmapped(self, resize: str, size: int, prepared: Prepared | None) -> np.ndarray:
        """What reads as the map of that size does, pixel for pixel."""
        large = max(size, self.largest)
        square = functools.partial(
            make_square, resize=resize, function=self.resizes[resize], size=large, prepared=prepared
        )

        def read(index: int) -> np.ndarray:
            path = self.paths[index]
            image, problem = decode_partly(path, enough_pixels(large, prepared), self.depth)
            if problem and index < self.whole:
                raise UserError(problem)
            made = square(GREY if image is None else image, str(path))
            return made if size == large else shrink(made, size)

        return cast(np.ndarray, Squares(len(self.paths), size, read))

    def read(
        self, rows: np.ndarray, resize: str, size: int, prepared: Prepared | None = None
    ) -> np.ndarray:
        """uint8 `[n, size, size, 3]`, some rows of that map, or made for now where it isn't there."""
        array = open_array(self._file(resize, size, prepared), self.room)
        if array is not None:
            some: np.ndarray = array[rows]
            return some
        if not self.mapped:
            some = self._unmapped(resize, size, prepared)[rows]
            return some
        large: np.ndarray = self.at(resize, self.largest, prepared)[rows]
        if size >= self.largest:
            return large
        small = np.empty((len(rows), size, size, 3), np.uint8)
        _shrink(large, small)
        return small

    def _file(self, resize: str, size: int, prepared: Prepared | None) -> Path:
        digest = registry.get("resize", resize).digest
        key = self.key if prepared is None else f"{self.key}-{prepared.key}"
        return Cache(self.folder).images(f"{key}-{resize}-{digest}-{size}-of-{self.largest}")

    def _decode(self, file: Path, resize: str, size: int, prepared: Prepared | None) -> None:
        square = functools.partial(
            make_square, resize=resize, function=self.resizes[resize], size=size, prepared=prepared
        )
        enough = enough_pixels(size, prepared)

        def fill(array: Any) -> None:
            def row(index: int) -> str | None:
                path = self.paths[index]
                image, problem = decode_partly(path, enough, self.depth)
                if problem and index < self.whole:
                    return problem
                try:
                    array[index] = square(GREY if image is None else image, str(path))
                except UserError as error:
                    return str(error)
                return None

            def rows(indices: np.ndarray) -> list[str | None]:
                return [row(index) for index in indices.tolist()]

            done, errors = 0, []
            # Several at a time, since handing each over alone would cost as much as a small image.
            parts = np.array_split(np.arange(len(self.paths)), -(-len(self.paths) // 16))
            with one_thread_an_image(), ThreadPoolExecutor(cores()) as pool:
                for messages in pool.map(rows, parts):
                    done += len(messages)
                    progress("decoding images", done, len(self.paths))
                    errors += [error for error in messages if error]
            if errors:
                more = f"\n  and {len(errors) - 10} more" if len(errors) > 10 else ""
                raise UserError(
                    f"{len(errors)} of {len(self.paths)} images can't be read; mend them or take "
                    "their rows out of the table:\n  " + "\n  ".join(errors[:10]) + more
                )

        write_array(file, (len(self.paths), size, size, 3), np.uint8, fill, self.room)


def enough_pixels(size: int, prepared: Prepared | None) -> int:
    """How many pixels a side an image needs to be decoded at, to become a square of that size."""
    # A preprocessing may cut away half of each side.
    return round(ENOUGH * size * (1 if prepared is None else 2))


def make_square(
    image: np.ndarray,
    name: str,
    *,
    resize: str,
    function: Callable[[np.ndarray, int], np.ndarray],
    size: int,
    prepared: Prepared | None,
) -> np.ndarray:
    """A decoded image `[H, W, 3]`, prepared, as uint8 `[size, size, 3]` by the resize of that name.

    Raises `UserError` with the image's `name` where a plugin fails.
    """
    step = f"preprocessing '{prepared.key.partition('-')[0]}'" if prepared else ""
    try:
        if prepared is not None:
            image = prepared.transform(image)
        step = f"resize '{resize}'"
        return function(image, size)
    except Exception as error:
        raise UserError(f"{name}: {step} failed: {error}") from error


def shrink(large: np.ndarray, size: int) -> np.ndarray:
    """A square image `[L, L, 3]` as a smaller one, `[size, size, 3]`."""
    import cv2

    return cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA)


def _shrink(large: np.ndarray, small: np.ndarray) -> None:
    """Fill `small` `[N, size, size, 3]` from larger images."""
    for index, image in enumerate(large):
        small[index] = shrink(image, small.shape[1])


@dataclass(frozen=True)
class Prepared:
    """A preprocessing as a fold uses it: `transform` makes an image `[h, w, 3]` of an image `[H, W, 3]`,
    `key` names it in files: equal keys, equal images."""

    key: str
    transform: Callable[[np.ndarray], np.ndarray]
