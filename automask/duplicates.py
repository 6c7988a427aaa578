"""Near-duplicate images: perceptual hashes propose pairs, aligned pixels decide.

A copy may be recompressed, resized, cropped by up to about 15 % a side, or mirrored. No network takes
part, so that what is found depends on the files alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from automask.errors import UserError
from automask.images import decode
from automask.machine import cores

if TYPE_CHECKING:
    from automask.store import StudyStore

#: The edge of the thumbnails that are compared, and of those that are compared first, in pixels.
SIDE, COARSE = 64, 16

#: Standard deviation of grey values from 0 to 255 below which an image shows nothing to compare.
FLAT = 4.0

#: Of 64 bits a proposed pair's hashes differ in so many at most; proposals for an image, by one view and
#: by all.
BITS, NEAREST, MOST = 16, 4, 12

#: Correlations from which on a pair is looked at closely, and is one image: of coarse pixels, of
#: aligned ones, and of their fine detail.
NEAR, ALIKE, DETAIL = 0.8, 0.97, 0.85

#: What two of an image's colours, blurred, may differ by in 95 % of its places, of 255.
TINT = 40

#: A copy shows this much of the original's edge, and this share of the pixels is in both.
SCALES, SHARED = (0.8, 1.1), 0.6

#: The parts of an image that are hashed, as (left, top, edge): all of it, then nine crops.
VIEWS = ((0.0, 0.0, 1.0), *((x, y, 0.9) for y in (0.0, 0.05, 0.1) for x in (0.0, 0.05, 0.1)))

BLOCK = 256


@dataclass(frozen=True)
class Pairs:
    """Pairs of near-duplicates among N images.

    `rows` [P, 2] ascending; `similarity` [P], the correlation of their fine detail; `mirrored` and
    `exact` [P]: the other way round, and the same in each pixel of the thumbnail. Of several that are
    exactly alike each is paired with the first. `blank` are the rows that show nothing to compare,
    which are in no pair.
    """

    rows: np.ndarray
    similarity: np.ndarray
    mirrored: np.ndarray
    exact: np.ndarray
    blank: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """The parts by their names, to be kept."""
        return {part.name: getattr(self, part.name) for part in fields(self)}

    def take(self, which: np.ndarray) -> Pairs:
        """Some of the pairs."""
        parts = {k: part[which] for k, part in self.arrays.items() if k != "blank"}
        return Pairs(**parts, blank=self.blank)


def of(paths: Sequence[Path], store: StudyStore) -> Pairs:
    """The near-duplicates among image files, found once and kept beside the maps."""
    facts = [(str(p.absolute()), s.st_size, s.st_mtime_ns) for p in paths for s in [p.stat()]]
    told = (
        facts,
        SIDE,
        COARSE,
        FLAT,
        BITS,
        NEAREST,
        NEAR,
        ALIKE,
        DETAIL,
        TINT,
        SCALES,
        SHARED,
        VIEWS,
    )
    key = hashlib.sha256(repr(told).encode()).hexdigest()[:16]
    arrays = store.load_pairs(key)
    if arrays is None or arrays.keys() != {part.name for part in fields(Pairs)}:
        pairs = find(thumbnails(paths))
        store.save_pairs(key, pairs.arrays)
        return pairs
    return Pairs(**arrays)


def thumbnails(paths: Sequence[Path]) -> np.ndarray:
    """uint8 RGB `[N, SIDE, SIDE, 3]`, proportions given up; black where a file can't be read."""
    import cv2

    cv2.setNumThreads(0)

    def one(path: Path) -> np.ndarray:
        try:
            image = decode(path, 2 * SIDE)
        except UserError:
            # Whoever trains on it will tell.
            return np.zeros((SIDE, SIDE, 3), np.uint8)
        return cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)

    out = np.empty((len(paths), SIDE, SIDE, 3), np.uint8)
    with ThreadPoolExecutor(cores()) as pool:
        for index, thumbnail in enumerate(pool.map(one, paths)):
            out[index] = thumbnail
    return out


def find(images: np.ndarray) -> Pairs:
    """The near-duplicates among thumbnails uint8 `[N, SIDE, SIDE, 3]`."""
    grey = _grey(images)
    blank = grey.std((1, 2)) < FLAT
    seen: dict[str, int] = {}
    found: dict[tuple[int, int], tuple[float, bool, bool]] = {}
    for row in np.flatnonzero(~blank).tolist():
        first = seen.setdefault(hashlib.sha256(images[row]).hexdigest(), row)
        if first != row:
            found[first, row] = 1.0, False, True
    kept = np.array(list(seen.values()), np.int64)
    proposed = _proposals(grey[kept])

    def compared(proposal: tuple[int, int, int]) -> float:
        one, two, view = images[kept[proposal[0]]], images[kept[proposal[1]]], proposal[2]
        similarity = _compare(one, two, view)
        if similarity < DETAIL:
            # Which of them is the copy was a guess.
            similarity = _compare(two, one, view - view % len(VIEWS))
        return similarity

    with ThreadPoolExecutor(cores()) as pool:
        for (copy, other, view), similarity in zip(
            proposed, pool.map(compared, proposed), strict=True
        ):
            pair = (int(min(kept[copy], kept[other])), int(max(kept[copy], kept[other])))
            if similarity >= DETAIL and similarity > found.get(pair, (0.0,))[0]:
                found[pair] = similarity, view >= len(VIEWS), False
    pairs = sorted(found)
    told = [found[pair] for pair in pairs]
    return Pairs(
        np.array(pairs, np.int64).reshape(-1, 2),
        np.array([one[0] for one in told], np.float64),
        np.array([one[1] for one in told], bool),
        np.array([one[2] for one in told], bool),
        np.flatnonzero(blank),
    )


def _grey(images: np.ndarray) -> np.ndarray:
    import cv2

    grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in images]
    return np.stack(grey) if grey else np.zeros((0, SIDE, SIDE), np.uint8)


def _proposals(grey: np.ndarray) -> list[tuple[int, int, int]]:
    """(copy, original, view of the original) where hashes and coarse pixels are near."""
    if len(grey) < 2:
        return []
    hashes, coarse = _seen_as(grey, 0)
    found: dict[tuple[int, int, bool], tuple[float, int]] = {}
    for view in range(2 * len(VIEWS)):
        others, pixels = _seen_as(grey, view)
        for begin in range(0, len(grey), BLOCK):
            rows = slice(begin, begin + BLOCK)
            near = np.bitwise_count(hashes[rows, None] ^ others[None]) <= BITS
            fits = coarse[rows] @ pixels.T
            copy, other = np.nonzero(near & (fits >= NEAR))
            fit = fits[copy, other]
            copy += begin
            apart = copy != other
            copy, other, fit = copy[apart], other[apart], fit[apart]
            order = np.lexsort((-fit, copy))
            copy, other, fit = copy[order], other[order], fit[order]
            rank = np.arange(len(copy)) - np.searchsorted(copy, copy)
            for a, b, value in zip(
                *(part[rank < NEAREST].tolist() for part in (copy, other, fit)), strict=True
            ):
                # Copy and original may be either way round; the better fit tells.
                key = min(a, b), max(a, b), view >= len(VIEWS)
                if value > found.get(key, (0.0, 0))[0]:
                    found[key] = value, view if a < b else -1 - view
    kept: list[tuple[int, int, int]] = []
    count = np.zeros(len(grey), int)
    # Where everything looks alike, the nearest must do.
    for (a, b, _), (_, view) in sorted(found.items(), key=lambda item: -item[1][0]):
        if min(count[a], count[b]) < MOST:
            count[[a, b]] += 1
            kept.append((a, b, view) if view >= 0 else (b, a, -1 - view))
    return kept


def _seen_as(grey: np.ndarray, view: int) -> tuple[np.ndarray, np.ndarray]:
    """uint64 hashes `[N]` of a view, the later half of which are mirrored, and its coarse pixels
    float32 `[N, COARSE²]`, centred and of length 1."""
    import imagehash
    from PIL import Image

    left, top, edge = VIEWS[view % len(VIEWS)]
    box = (left * SIDE, top * SIDE, (left + edge) * SIDE, (top + edge) * SIDE)
    hashes = np.empty(len(grey), np.uint64)
    coarse = np.empty((len(grey), COARSE**2), np.float32)
    for row, pixels in enumerate(grey):
        image = Image.fromarray(pixels[:, ::-1] if view >= len(VIEWS) else pixels)
        small = image.resize((32, 32), Image.Resampling.BOX, box)
        hashes[row] = np.packbits(imagehash.phash(small).hash).view(np.uint64)[0]
        coarse[row] = np.asarray(small.reduce(32 // COARSE)).ravel()
    coarse -= coarse.mean(1, keepdims=True)
    return hashes, coarse / np.maximum(np.linalg.norm(coarse, axis=1, keepdims=True), 1e-6)


def _compare(copy: np.ndarray, original: np.ndarray, view: int) -> float:
    """The correlation of fine detail of two thumbnails, aligned by an affine map; 0 where they differ.

    The map is the view's, or one from there that maximises the enhanced correlation coefficient
    (Evangelidis and Psarakis, 2008).
    """
    import cv2

    if view >= len(VIEWS):
        original = np.ascontiguousarray(original[:, ::-1])
    left, top, edge = VIEWS[view % len(VIEWS)]
    start = np.array([[edge, 0, left * SIDE], [0, edge, top * SIDE]], np.float32)
    one, two = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (copy, original))
    # The stubs know no call without a mask, which the function takes.
    align: Any = cv2.findTransformECC
    until = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_COUNT, 30, 1e-4)
    warps = [start]
    with suppress(cv2.error):  # It doesn't converge: little in common.
        warps.append(align(one, two, start.copy(), cv2.MOTION_AFFINE, until, None, 3)[1])
    return max(_agreement(copy, original, one, two, warp) for warp in warps)


def _agreement(copy: Any, original: Any, one: Any, two: Any, warp: Any) -> float:
    """The correlation of fine detail of a copy and an original, in grey `one` and `two`, by that map."""
    import cv2

    if not all(SCALES[0] <= warp[i, i] <= SCALES[1] for i in (0, 1)):
        return 0.0

    def aligned(image: Any, how: int = cv2.INTER_LINEAR) -> Any:
        return cv2.warpAffine(image, warp, (SIDE, SIDE), flags=how | cv2.WARP_INVERSE_MAP)

    shared = aligned(np.ones((SIDE, SIDE), np.uint8), cv2.INTER_NEAREST) > 0
    other = aligned(two)
    if shared.mean() < SHARED or _correlation(one[shared], other[shared]) < ALIKE:
        return 0.0
    colours = [cv2.GaussianBlur(image, (0, 0), 3) for image in (copy, aligned(original))]
    if np.quantile(cv2.absdiff(*colours).max(2)[shared], 0.95) > TINT:
        return 0.0
    return _correlation(_detail(one)[shared], _detail(other)[shared])


def _correlation(one: Any, two: Any) -> float:
    return float(np.corrcoef(one, two)[0, 1]) if one.std() and two.std() else 0.0


def _detail(grey: Any) -> Any:
    import cv2

    values = grey.astype(np.float32)
    return values - cv2.GaussianBlur(values, (0, 0), 2)
