"""How pixels of more than 8 bits become 8."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from automask.storage.files import short_hash

#: What values usually end before, by whether they are whole numbers: 8, 10, 12, 14 and 16 bits.
USUAL_ENDS = {True: (2**8, 2**10, 2**12, 2**14, 2**16), False: (1, 2**8, 2**16)}
#: The share of an image's pixels at either end that tells nothing of a range: they may be defects.
EXTREME = 0.001


@dataclass(frozen=True)
class Depth:
    """What is black and white in the deep images of a data set.

    `ranges` has, by the kind of their pixels, the value that becomes 0 and the one before which 255
    ends. An image whose kind isn't there is scaled by its own range.
    """

    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @classmethod
    def read(cls, facts: Mapping[str, Any]) -> Depth:
        """What `facts` were made of, also once they were JSON."""
        return cls({kind: (low, high) for kind, (low, high) in facts["ranges"].items()})

    @property
    def facts(self) -> dict[str, Any]:
        """The same for JSON."""
        return asdict(self)

    @property
    def key(self) -> str:
        """What stands for it in keys; empty where images are as they are without it."""
        differs = self.ranges and dict(self.ranges) != EARLIER.ranges
        return short_hash(repr(sorted(self.ranges.items()))) if differs else ""

    def scale(self, pixels: np.ndarray, kind: str) -> np.ndarray:
        """uint8 of pixels of any type and shape; those that are no number become 0."""
        if pixels.dtype == np.uint8:
            return pixels
        low, high = self.ranges.get(kind) or fit_range([pixels])
        scaled = (pixels.astype(np.float64) - low) * (256 / (high - low))
        return np.nan_to_num(scaled).clip(0, 255).astype(np.uint8)


#: That of studies begun before there were others.
EARLIER = Depth({"uint16": (0, 2**16)})


def fit_range(images: Iterable[np.ndarray]) -> tuple[float, float]:
    """What is black, and what white ends before, in images of one kind.

    That is the usual range of numbers of so many bits where the values fill at least a quarter of it or
    are all one, else their own; `EXTREME` ones are left out.
    """
    lows, highs, whole = [], [], True
    for pixels in images:
        finite = pixels[np.isfinite(pixels)].astype(np.float64)
        if finite.size:
            low, high = np.quantile(finite, (EXTREME, 1 - EXTREME))
            lows.append(float(low))
            highs.append(float(high))
        whole = whole and np.issubdtype(pixels.dtype, np.integer)
    if not lows:
        return 0.0, 1.0
    low, high = min(lows), max(highs)
    # Whole numbers are steps, and the last one is as wide as the others.
    end = np.floor(high) + 1 if whole else high
    usual = next((u for u in USUAL_ENDS[whole] if end <= u), np.inf)
    if low >= 0 and (end - low >= usual / 4 or low == high) and np.isfinite(usual):
        return 0.0, float(usual)
    return float(np.floor(low) if whole else low), float(end if end > low else low + 1)
