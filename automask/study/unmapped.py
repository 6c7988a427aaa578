"""What it costs to decode images whenever they are read, where their maps have no room."""

from __future__ import annotations

import time

import numpy as np

from automask.data.dataset import Dataset
from automask.data.images import Images
from automask.space import registry
from automask.units import duration, format_bytes

#: So many images are decoded to tell what one takes.
SAMPLE = 64


def describe(data: Dataset, enough: str, needed: int, cap: float, largest: int) -> str:
    """A sentence on images that are decoded when they are read, at an edge of `largest` pixels, as their
    maps need so many bytes of `cap`; `enough` is the `--disk` with which they would fit."""
    return (
        f"maps of {len(data.paths):,} images need {format_bytes(needed)}, and caches and weights may "
        f"take {format_bytes(cap)} in all (--disk): images are decoded whenever they are read, "
        f"{duration(seconds(data, largest) * len(data.train))} more an epoch of all train rows; --disk "
        f"{enough} or more makes the maps, and so does a smaller image_size in the space"
    )


def seconds(data: Dataset, largest: int) -> float:
    """What an image takes by all cores, measured on some."""
    name = "pad"
    resize = registry.get("resize", name)
    rows = np.unique(np.linspace(0, len(data.train) - 1, SAMPLE).astype(int))
    paths = [data.train.paths[row] for row in rows]
    folder, resizes = data.train.paths[0].parent, {name: resize.function}
    images = Images(paths, largest, resizes, folder, depth=data.depth, whole=0, mapped=False)
    begin = time.perf_counter()
    images.read(np.arange(len(rows)), name, largest)
    return (time.perf_counter() - begin) / len(rows)
