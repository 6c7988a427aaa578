"""Resizes: how an image of any shape becomes a square (`automask.space.protocols.ResizePlugin`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automask import resize

if TYPE_CHECKING:
    import numpy as np


@resize()
def pad(image: np.ndarray, size: int) -> np.ndarray:
    """The whole image in its own proportions, the rest filled by its mirrored edges.

    When to use: objects of any shape that must be seen whole.
    """
    import cv2

    height, width = image.shape[:2]
    scale = size / max(height, width)
    small = _scaled(image, max(1, round(height * scale)), max(1, round(width * scale)))
    top, left = (size - small.shape[0]) // 2, (size - small.shape[1]) // 2
    bottom, right = size - small.shape[0] - top, size - small.shape[1] - left
    return cv2.copyMakeBorder(small, top, bottom, left, right, cv2.BORDER_REFLECT)


@resize()
def crop(image: np.ndarray, size: int) -> np.ndarray:
    """The largest square in the middle.

    When to use: the object is in the middle and its detail matters more than its ends.
    """
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return _scaled(image[top : top + side, left : left + side], size, size)


@resize()
def squash(image: np.ndarray, size: int) -> np.ndarray:
    """The whole image, its proportions given up.

    When to use: nothing may be lost and shape matters little.
    """
    return _scaled(image, size, size)


def _scaled(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Means over whole pixels first, then between neighbours for what is left: less than a half.

    OpenCV's means over parts of pixels look the same and take five times as long.
    """
    import cv2

    factor = min(image.shape[0] // height, image.shape[1] // width)
    if factor > 1:
        rows, columns = image.shape[0] // factor, image.shape[1] // factor
        whole = image[: rows * factor, : columns * factor]
        image = cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA)
    if image.shape[:2] == (height, width):
        return image
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
