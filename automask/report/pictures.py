"""Small pictures inside a page."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np

from automask.data.decoding import decode

EDGE = 256


def thumbnail(path: Path) -> str:
    """A JPEG of at most `EDGE` pixels a side, as base64."""
    return jpeg(decode(path, 2 * EDGE))


def jpeg(pixels: np.ndarray) -> str:
    """Pixels uint8 `[H, W, 3]` as a JPEG of at most `EDGE` pixels a side, in base64."""
    from PIL import Image

    image = Image.fromarray(pixels)
    image.thumbnail((EDGE, EDGE))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=80)
    return base64.b64encode(out.getvalue()).decode()
