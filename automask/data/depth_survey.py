"""A first look at a data set's images: which have more than 8 bits or four bands, and in what range."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from automask.data.dataset import Dataset
from automask.data.decoding import read_deep, read_header
from automask.data.deep_images import DeepImage
from automask.data.depth import Depth, fit_range
from automask.machine import cores

#: Deep images of train, and of test, that are read to know their range.
SAMPLE = 200


@dataclass(frozen=True)
class DepthSurvey:
    """How the deep images of a data set are scaled, and sentences on it."""

    depth: Depth
    notes: tuple[str, ...]


def survey(data: Dataset) -> DepthSurvey:
    """Look at all headers, and at the pixels of (a sample of) the deep images.

    The range of each kind is that of train; of test only where train has none of the kind. Images that
    can't be read are passed over.
    """
    with ThreadPoolExecutor(cores()) as pool:
        headers = list(pool.map(_header, data.paths))
    count = len(data.train)
    deep = [index for index, (is_deep, _) in enumerate(headers) if is_deep]
    ranges: dict[str, tuple[float, float]] = {}
    windows, bands = 0, max((bands for _, bands in headers), default=0)
    for rows in ([i for i in deep if i >= count], [i for i in deep if i < count]):
        images = _sample([data.paths[row] for row in rows])
        kinds = defaultdict(list)
        for image in images:
            bands = max(bands, image.extra_bands)
            if image.window is None and image.pixels.dtype != np.uint8:
                kinds[image.kind].append(image.pixels)
        windows += sum(image.window is not None for image in images)
        ranges |= {kind: fit_range(arrays) for kind, arrays in kinds.items()}
    depth, notes = Depth(ranges), []
    total = len(data.paths)
    if ranges:
        shown = " and ".join(
            f"{low:.6g} to {high:.6g} of {kind}" for kind, (low, high) in sorted(ranges.items())
        )
        notes.append(
            f"{len(deep):,} of {total:,} images have more than 8 bits: black to white is {shown}, in all"
        )
    if windows:
        notes.append("DICOM images are seen through the window that each of them names")
    if bands:
        notes.append(
            f"images of up to {bands} bands: the first three are read as red, green and blue, and the "
            "others are left alone"
        )
    return DepthSurvey(depth, tuple(notes))


def glance(data: Dataset) -> list[str]:
    """A sentence on the depth of a few images of train and of test; none where all have 8 bits."""
    tests = data.test.paths if data.test else []
    sides = {"train": data.train.paths, "test": tests}
    some = {name: paths[:: -(-len(paths) // SAMPLE) or 1] for name, paths in sides.items()}
    deep = {name: sum(_header(path)[0] for path in paths) for name, paths in some.items()}
    if not any(deep.values()):
        return []
    counts = [
        f"{deep[name]:,} of {len(paths):,} of {name}" for name, paths in some.items() if paths
    ]
    mixed = tests and bool(deep["train"]) != bool(deep["test"])
    return [
        f"images of more than 8 bits, or of DICOM: {' and '.join(counts)} that were looked at; a search "
        "scales all of them by the range that train has"
        + ("; the others are read as they are, so see that both show the same" if mixed else "")
    ]


def _header(path: Path) -> tuple[bool, int]:
    try:
        return read_header(path)
    except Exception:
        # Whoever reads it will tell.
        return False, 0


def _sample(paths: Sequence[Path]) -> list[DeepImage]:
    images = []
    for path in paths[:: -(-len(paths) // SAMPLE) or 1]:
        try:
            image = read_deep(path)
        except Exception:
            continue
        if image is not None:
            images.append(image)
    return images
