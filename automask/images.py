"""Decoding images, and the shared memory maps of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from automask import registry
from automask.errors import UserError
from automask.machine import cores

Progress = Callable[[int, int], None]


def decode(path: Path, enough: int | None = None) -> np.ndarray:
    """An image file as uint8 RGB `[H, W, 3]`, upright by its EXIF orientation.

    Where `enough` pixels a side will do, a larger JPEG may come in a half, a quarter or an eighth of
    its size, which its decoder makes in less time. Transparent pixels become white. Raises `UserError`
    naming a file that can't be decoded.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as file:
            if enough:
                file.draft(None, (enough, enough))
            ImageOps.exif_transpose(file, in_place=True)
            image: Image.Image = file
            if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
                image = image.convert("RGBA")
                white = Image.new("RGBA", image.size, "white")
                image = Image.alpha_composite(white, image)
            elif image.mode.startswith("I;16"):
                image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
            return np.asarray(image.convert("RGB"))
    except Exception as error:  # Pillow's decoders raise nearly everything.
        raise UserError(f"{path}: can't be read as an image: {error}") from error


def longest_side(paths: Sequence[Path], sample: int = 200) -> int:
    """The median over (a sample of) the images of their longer side, in pixels."""
    from PIL import Image

    sides = []
    for path in paths[:: max(1, len(paths) // sample)]:
        try:
            with Image.open(path) as image:
                sides.append(max(image.size))
        except Exception:
            continue
    return int(np.median(sides)) if sides else 0


class Images:
    """All images at any size asked for, as uint8 memory maps `[N, size, size, 3]` in `folder`.

    Files are decoded once a way of resizing, at the largest size; smaller sizes are made from that
    map. `resizes` gives the function of each name. A map is shared by whoever opens it.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        largest: int,
        resizes: dict[str, Callable[[np.ndarray, int], np.ndarray]],
        folder: Path,
        progress: Progress = lambda done, total: None,
    ) -> None:
        self.paths, self.largest, self.resizes = list(paths), largest, resizes
        self.folder, self.progress = folder, progress
        facts = [(str(p.absolute()), s.st_size, s.st_mtime_ns) for p in paths for s in [p.stat()]]
        self.key = hashlib.sha256(repr(facts).encode()).hexdigest()[:16]

    def at(self, resize: str, size: int) -> np.ndarray:
        """The map of that size, made if it isn't there yet."""
        digest = registry.get("resize", resize).digest
        name = f"images-{self.key}-{resize}-{digest}-{size}-of-{self.largest}.npy"
        file = self.folder / name
        if not file.exists():
            if size >= self.largest:
                self._decode(file, resize, size)
            else:
                _shrink(self.at(resize, self.largest), file, size)
        return np.load(file, mmap_mode="r")

    def _decode(self, file: Path, resize: str, size: int) -> None:
        import cv2

        function = self.resizes[resize]
        # Every core already decodes an image of its own.
        cv2.setNumThreads(0)

        def fill(array: Any) -> None:
            def row(index: int) -> str | None:
                try:
                    array[index] = function(decode(self.paths[index], 2 * size), size)
                except UserError as error:
                    return str(error)
                except Exception as error:
                    return f"{self.paths[index]}: resize '{resize}' failed: {error}"
                return None

            def rows(indices: np.ndarray) -> list[str | None]:
                return [row(index) for index in indices.tolist()]

            done, errors = 0, []
            # Several at a time, since handing each over alone would cost as much as a small image.
            parts = np.array_split(np.arange(len(self.paths)), -(-len(self.paths) // 16))
            with ThreadPoolExecutor(cores()) as pool:
                for found in pool.map(rows, parts):
                    done += len(found)
                    self.progress(done, len(self.paths))
                    errors += [error for error in found if error]
            if errors:
                more = f"\n  and {len(errors) - 10} more" if len(errors) > 10 else ""
                raise UserError(
                    f"{len(errors)} of {len(self.paths)} images can't be read; mend them or take "
                    "their rows out of the table:\n  " + "\n  ".join(errors[:10]) + more
                )

        write_array(file, (len(self.paths), size, size, 3), np.uint8, fill)


def write_array(
    file: Path, shape: tuple[int, ...], dtype: Any, fill: Callable[[Any], None]
) -> None:
    """Make a `.npy` file by `fill(array)`, written beside and then renamed.

    Of several processes that want it one makes it and the others wait.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f"{file.name}.part")
    with FileLock(file.with_name(f"{file.name}.lock")):
        if file.exists():
            return
        try:
            array = np.lib.format.open_memmap(beside, "w+", dtype=dtype, shape=shape)
            fill(array)
            array.flush()
            os.replace(beside, file)
        finally:
            beside.unlink(missing_ok=True)


def _shrink(large: np.ndarray, file: Path, size: int) -> None:
    import cv2

    def fill(array: Any) -> None:
        for index, image in enumerate(large):
            array[index] = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)

    write_array(file, (len(large), size, size, 3), np.uint8, fill)
