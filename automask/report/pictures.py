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
