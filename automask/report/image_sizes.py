"""How large the images of a data set are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from automask.data.dataset import Dataset
from automask.data.decoding import image_size
from automask.errors import UserError
from automask.machine import cores

#: So many of the most frequent sizes are listed, and drawn.
LISTED, DRAWN = 6, 400


def describe_sizes(data: Dataset) -> dict[str, Any]:
    """Widths and heights in pixels by table, the most frequent, and what kinds of files they are.

    Files whose size can't be read are left out.
    """
    tables = {"train": data.train.paths, "test": data.test.paths if data.test else []}
    sizes = {name: _read(paths) for name, paths in tables.items() if paths}
    every = Counter(tuple(size) for part in sizes.values() for size in part.tolist())
    files = Counter(path.suffix.lower() or "no ending" for path in data.paths)
    return {
        "tables": [_describe(name, part) for name, part in sizes.items() if len(part)],
        "distinct": len(every),
        "common": [
            {"width": width, "height": height, "rows": count}
            for (width, height), count in every.most_common(DRAWN)
        ],
        "listed": LISTED,
        "files": files.most_common(),
    }


def _describe(name: str, sizes: np.ndarray) -> dict[str, Any]:
    shorter, longer, aspect = sizes.min(1), sizes.max(1), sizes[:, 0] / sizes[:, 1]
    return {
        "name": name,
        "images": len(sizes),
        "shorter": _range(shorter),
        "longer": _range(longer),
        "aspect": _range(aspect),
    }


def _range(values: np.ndarray) -> list[float]:
    """The smallest, the median and the largest."""
    return [float(np.min(values)), float(np.median(values)), float(np.max(values))]


def _read(paths: Sequence[Path]) -> np.ndarray:
    """`[n, 2]` width and height of each image that tells them."""
    with ThreadPoolExecutor(cores()) as pool:
        sizes = [size for size in pool.map(_size, paths) if size is not None]
    return np.array(sizes, int).reshape(-1, 2)


def _size(path: Path) -> tuple[int, int] | None:
    try:
        return image_size(path)
    except UserError:
        return None
