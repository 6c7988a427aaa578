"""Small pictures inside a page."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np

from automask.data.decoding import GREY, decode_partly

EDGE = 256


def thumbnail(path: Path) -> str:
    """A JPEG of at most `EDGE` pixels a side, as base64."""
    image, _ = decode_partly(path, 2 * EDGE)
    return jpeg(GREY if image is None else image)


def jpeg(pixels: np.ndarray) -> str:
    """Pixels uint8 `[H, W, 3]` as a JPEG of at most `EDGE` pixels a side, in base64."""
    from PIL import Image

    image = Image.fromarray(pixels)
    image.thumbnail((EDGE, EDGE))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=80)
    return base64.b64encode(out.getvalue()).decode()


def paint(pixels: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """A picture uint8 `[H, W, 3]` in grey with heat `[h, w]` of 0 to 1 in colour over all of it."""
    import cv2

    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    heat = cv2.resize(heat, grey.shape[::-1], interpolation=cv2.INTER_LINEAR)[..., None]
    colour = cv2.applyColorMap((255 * heat).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    return (grey[..., None] * (1 - 0.65 * heat) + colour * 0.65 * heat).astype(np.uint8)
