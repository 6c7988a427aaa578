"""Where a model looked: what hiding parts of an image does to its answer.

That is occlusion (Zeiler and Fergus, 2014). It asks the whole model, whatever its networks, views and
blend are, and needs no gradients, so that it tells nothing else than what the answer is made of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from automask.target import Number, Target

#: Cells a side of a heat map, and of the square that is hidden at a time, which moves by one cell.
CELLS, HIDDEN = 8, 2
#: What stands where something is hidden: the grey in the middle.
GREY = 128
#: Of a probability, or of a number's scale, what is no change.
LEAST = 1e-4


@dataclass(frozen=True)
class Explanation:
    """Where a model looked in an image, whose `pixels` are uint8 `[H, W, 3]`.

    `value` is the probability of `label`, the likeliest class or label, or the number. Hiding the worst
    part of the image makes it lower by `loss` (changes a number by that). `heat` `[8, 8]` is from 0 to
    1: how much of that each place costs; all 0 where it is nothing anywhere.
    """

    pixels: np.ndarray
    heat: np.ndarray
    label: int
    value: float
    loss: float


class Occlusions(Sequence[np.ndarray]):
    """The image, and then the image with one square hidden after the other; made when asked for."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels = pixels
        steps = range(CELLS - HIDDEN + 1)
        #: The row and the column of cells at which each square begins.
        self.places = [(row, column) for row in steps for column in steps]

    def __len__(self) -> int:
        return 1 + len(self.places)

    def __getitem__(self, index: int) -> np.ndarray:  # type: ignore[override]
        if index == 0:
            return self.pixels
        hidden = self.pixels.copy()
        rows, columns = (
            slice(*(round(edge * length / CELLS) for edge in (start, start + HIDDEN)))
            for start, length in zip(self.places[index - 1], hidden.shape, strict=False)
        )
        hidden[rows, columns] = GREY
        return hidden


def explain(
    pixels: np.ndarray, answer: Callable[[Sequence[np.ndarray]], np.ndarray], target: Target
) -> Explanation:
    """The explanation of what `answer`, from n images to `[n, C]`, says of an image `[H, W, 3]`."""
    images = Occlusions(pixels)
    table = answer(images)
    label = int(table[0].argmax())
    losses = table[0, label] - table[1:, label]
    scale = 1.0
    if isinstance(target, Number):
        losses, scale = np.abs(losses), target.scale
    total, count = np.zeros((CELLS, CELLS)), np.zeros((CELLS, CELLS))
    for (row, column), loss in zip(images.places, losses, strict=True):
        covered = slice(row, row + HIDDEN), slice(column, column + HIDDEN)
        total[covered] += max(loss, 0)
        count[covered] += 1
    heat, most = total / count, float(losses.max())
    heat = heat / heat.max() if most > LEAST * scale else np.zeros_like(heat)
    return Explanation(pixels, heat.astype(np.float32), label, float(table[0, label]), most)


def shrink_whole(pixels: np.ndarray, enough: int) -> np.ndarray:
    """An image by whole pixels, as a JPEG is decoded, where it has more than is `enough` a side."""
    import cv2

    factor = min(pixels.shape[:2]) // enough
    if factor < 2:
        return pixels
    height, width = (length // factor for length in pixels.shape[:2])
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
