"""Small pictures inside a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from automask.data.decoding import GREY, decode_partly
from automask.data.depth import Depth
from automask.machine import cores

EDGE = 256


def thumbnails(paths: Sequence[Path], depth: Depth = Depth(), edge: int = EDGE) -> Sequence[str]:
    """A JPEG of each image of at most `edge` pixels a side, as base64."""
    with ThreadPoolExecutor(cores()) as pool:
        return list(pool.map(lambda path: thumbnail(path, depth, edge), paths))


def thumbnail(path: Path, depth: Depth = Depth(), edge: int = EDGE) -> str:
    """The same of one; an image that can't be read is grey."""
    image, _ = decode_partly(path, 2 * edge, depth)
    return jpeg(GREY if image is None else image, edge)


def jpeg(pixels: np.ndarray, edge: int = EDGE) -> str:
    """Pixels uint8 `[H, W, 3]` as a JPEG of at most `edge` pixels a side, in base64."""
    from PIL import Image

    image = Image.fromarray(pixels)
    image.thumbnail((edge, edge))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=80)
    return base64.b64encode(out.getvalue()).decode()


def paint(pixels: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """A picture uint8 `[H, W, 3]` in grey with heat `[h, w]` of 0 to 1 in colour over all of it."""
    import cv2

    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    heat = cv2.resize(heat, grey.shape[::-1], interpolation=cv2.INTER_LINEAR)[..., None]
    colour = cv2.applyColorMap((255 * heat).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    picture: np.ndarray = (grey[..., None] * (1 - 0.65 * heat) + colour * 0.65 * heat).astype(
        np.uint8
    )
    return picture
