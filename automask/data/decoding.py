"""Image files to pixels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from automask.errors import UserError

if TYPE_CHECKING:
    from PIL import Image


def decode(path: Path, enough: int | None = None) -> np.ndarray:
    """An image file as uint8 RGB `[H, W, 3]`, upright by its EXIF orientation.

    Where `enough` pixels a side will do, a larger JPEG may come in a half, a quarter or an eighth of
    its size, but no smaller than that, which its decoder makes in less time. Transparent pixels become
    white. Raises `UserError` naming a file that can't be decoded.
    """
    from PIL import Image

    try:
        with Image.open(path) as file:
            if enough:
                file.draft(None, (enough, enough))
            return to_rgb(file)
    except Exception as error:  # Pillow's decoders raise nearly everything.
        raise UserError(f"{path}: can't be read as an image: {error}") from error


def to_rgb(image: Image.Image) -> np.ndarray:
    """An image of any mode as uint8 RGB `[H, W, 3]`, upright by its EXIF orientation."""
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(image)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    elif image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return np.asarray(image.convert("RGB"))


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
