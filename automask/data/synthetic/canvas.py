"""A pen that draws in units of its own, wherever they lie in the image, and its colours."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image, ImageColor, ImageDraw

Color = tuple[int, ...]
Points = Any  # whatever numpy takes for an array of shape (n, 2)


class Pen:
    """Draws in units of `scale` pixels from the pixel `origin` on, y down, turned by `tilt` radians."""

    def __init__(self, image: Image.Image, scale: float, tilt: float, origin: Points) -> None:
        self._draw = ImageDraw.Draw(image, "RGBA")
        self._scale, self._origin = scale, origin
        cos, sin = scale * np.cos(tilt), scale * np.sin(tilt)
        self._matrix = np.array([[cos, sin], [-sin, cos]])

    def fill(self, points: Points, color: Color, opacity: float = 1) -> None:
        """Fill a polygon."""
        self._draw.polygon(self._place(points), (*color, round(255 * opacity)))

    def line(self, points: Points, color: Color, width: float, opacity: float = 1) -> None:
        """Draw a line through points."""
        ink = (*color, round(255 * opacity))
        self._draw.line(self._place(points), ink, max(1, round(width * self._scale)), "curve")

    def place(self, points: Points) -> Points:
        """Where in the image points lie, in pixels."""
        return np.asarray(points) @ self._matrix + self._origin

    def _place(self, points: Points) -> list[float]:
        placed: list[float] = self.place(points).ravel().tolist()
        return placed


def arc(x: float, y: float, rx: float, ry: float, start: float = 0, stop: float = 360) -> Points:
    """Points of an ellipse around (x, y) from one angle to another, in degrees clockwise."""
    angles = np.radians(np.linspace(start, stop, 28))
    return np.column_stack([x + rx * np.cos(angles), y + ry * np.sin(angles)])


def palette(names: str) -> list[Color]:
    """The colours of hexadecimal names."""
    return [ImageColor.getrgb(f"#{name}") for name in names.split()]


def mix(first: Color, second: Color, share: float) -> Color:
    """A share of the second colour in the first."""
    return tuple(round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
