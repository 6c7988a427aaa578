"""Near-duplicate images: spectra of thumbnails propose pairs, their aligned pixels decide.

A copy may be recompressed, resized, cropped by up to about 15 % a side, or mirrored. No network takes
part, so that what is found depends on the files alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from automask.data.decoding import decode_partly
from automask.data.depth import Depth
from automask.diagnostics import image_matching
from automask.listener import progress
from automask.machine import cores, one_thread_an_image
from automask.storage.files import file_facts, short_hash

if TYPE_CHECKING:
    from automask.storage.study_store import StudyStore


#: What a problem ends in where nothing of the file can be read.
UNREADABLE = " (nothing can be read)"
#: The edge of the thumbnails that are compared, in pixels.
SIDE = 64
#: Standard deviation of grey values from 0 to 255 below which an image shows nothing to compare.
FLAT = 4.0
#: What pairs that are kept depend on, beside the images.
RULES = (
    SIDE,
    FLAT,
    *(
        image_matching.VIEWS,
        image_matching.LOW,
        image_matching.NEAR,
        image_matching.HUE,
        image_matching.NEAREST,
        image_matching.MOST,
    ),
    *(
        image_matching.ALIKE,
        image_matching.DETAIL,
        image_matching.TINT,
        image_matching.SCALES,
        image_matching.SHARED,
    ),
    *(image_matching.STEPS, image_matching.FINE, image_matching.ROUGH, image_matching.SOFT),
)


@dataclass(frozen=True)
class Pairs:
    """Pairs of near-duplicates among N images.

    `rows` [P, 2] ascending; `similarity` [P], the correlation of their fine detail; `mirrored` and
    `exact` [P]: the other way round, and the same in each pixel of the thumbnail. Of several that are
    exactly alike each is paired with the first. `blank` are the rows that show nothing to compare,
    which are in no pair. `problems` [N] tell why a file can't be read to its end, and end in
    `UNREADABLE` where nothing of it can; they are empty where all is well.
    """

    rows: np.ndarray
    similarity: np.ndarray
    mirrored: np.ndarray
    exact: np.ndarray
    blank: np.ndarray
    problems: np.ndarray = field(default_factory=lambda: np.zeros(0, str))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """The parts by their names, to be kept."""
        return {part.name: getattr(self, part.name) for part in fields(self)}

    def take(self, which: np.ndarray) -> Pairs:
        """Some of the pairs."""
        whole = {"blank": self.blank, "problems": self.problems}
        return Pairs(**{k: p[which] for k, p in self.arrays.items() if k not in whole}, **whole)


def cached_pairs(paths: Sequence[Path], store: StudyStore, depth: Depth = Depth()) -> Pairs:
    """The near-duplicates among image files, found once and kept beside the maps."""
    facts = [(*file_facts(path), depth.key) for path in paths]
    key = short_hash(repr((facts, RULES)))
    arrays = store.load_pairs(key)
    if arrays is None or arrays.keys() != {part.name for part in fields(Pairs)}:
        pairs = read_pairs(paths, depth)
        store.save_pairs(key, pairs.arrays)
        return pairs
    return Pairs(**arrays)


def read_pairs(paths: Sequence[Path], depth: Depth = Depth()) -> Pairs:
    """The same where nothing is to be kept."""
    images, problems = read_thumbnails(paths, depth)
    return replace(find_pairs(images), problems=np.array(problems, str))


def thumbnails(paths: Sequence[Path], depth: Depth = Depth()) -> np.ndarray:
    """uint8 RGB `[N, SIDE, SIDE, 3]`, proportions given up; black where a file can't be read."""
    return read_thumbnails(paths, depth)[0]


def read_thumbnails(paths: Sequence[Path], depth: Depth) -> tuple[np.ndarray, list[str]]:
    """The same with what is wrong with each file, as `problems` of `Pairs`."""
    import cv2

    def one(path: Path) -> tuple[np.ndarray, str]:
        image, problem = decode_partly(path, 2 * SIDE, depth)
        if image is None:
            return np.zeros((SIDE, SIDE, 3), np.uint8), f"{problem}{UNREADABLE}"
        return cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA), problem

    out, problems = np.empty((len(paths), SIDE, SIDE, 3), np.uint8), []
    with one_thread_an_image(), ThreadPoolExecutor(cores()) as pool:
        for index, (thumbnail, problem) in enumerate(pool.map(one, paths)):
            out[index] = thumbnail
            problems.append(problem)
            progress("reading images", index + 1, len(paths))
    return out, problems


def find_pairs(images: np.ndarray) -> Pairs:
    """The near-duplicates among thumbnails uint8 `[N, SIDE, SIDE, 3]`."""
    import cv2

    grey = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in images)
    blank = np.array([image.std() < FLAT for image in grey], bool)
    seen: dict[str, int] = {}
    facts: dict[tuple[int, int], tuple[float, bool, bool]] = {}
    for row in np.flatnonzero(~blank).tolist():
        first = seen.setdefault(hashlib.sha256(images[row]).hexdigest(), row)
        if first != row:
            facts[first, row] = 1.0, False, True
    distinct = np.array(list(seen.values()), np.int64)
    proposals = image_matching.propose(images[distinct])
    proposals[:, :2] = distinct[proposals[:, :2]]

    def compared(proposal: list[int]) -> float:
        copy, original, view = proposal
        return image_matching.similarity(images[copy], images[original], view)

    with ThreadPoolExecutor(cores()) as pool:
        for (copy, original, view), similarity in zip(
            proposals.tolist(), pool.map(compared, proposals.tolist()), strict=True
        ):
            pair = min(copy, original), max(copy, original)
            if similarity > facts.get(pair, (0.0,))[0]:
                facts[pair] = similarity, view >= len(image_matching.VIEWS), False
    pairs = sorted(facts)
    values = [facts[pair] for pair in pairs]
    return Pairs(
        np.array(pairs, np.int64).reshape(-1, 2),
        np.array([one[0] for one in values], np.float64),
        np.array([one[1] for one in values], bool),
        np.array([one[2] for one in values], bool),
        np.flatnonzero(blank),
    )
