"""Which pairs of pictures may be one, and whether they are.

Pairs of thumbnails are proposed where their spectra correlate and their colours agree, and confirmed by
laying the pixels of one over the other's. The spectrum is what a perceptual hash holds the signs of
(pHash: Zauner, 2010), kept as numbers, which tell look-alikes apart in far fewer pairs, and are compared
by one matrix product.
"""

from __future__ import annotations

from typing import Any

import numpy as np

#: Correlations from which on two are one picture: of aligned pixels, and of their detail.
ALIKE, DETAIL = 0.97, 0.9
#: What two of an image's colours, blurred, may differ by in 95 % of its places, of 255.
TINT = 40
#: How much of the other's edge either shows, and the share of the pixels that is in both.
SCALES, SHARED = (0.8, 1.25), 0.6
#: Steps of the alignment at most: of copies it has come close after four.
STEPS = 10
#: Standard deviations of the blurs, in pixels: of what is compared, as two resamplings of stripes differ
#: by their finest detail; of what detail is held against; and of colours.
FINE, ROUGH, SOFT = 1, 2, 3


def similarity(copy: np.ndarray, original: np.ndarray, view: int) -> float:
    """The correlation of the detail of two thumbnails uint8 `[S, S, 3]`; 0 where they differ,
    or where it is below `DETAIL`.

    They are aligned by the affine map that maximises the enhanced correlation coefficient (Evangelidis
    and Psarakis, 2008), sought from that view of the original.
    """
    import cv2

    if view >= len(VIEWS):
        original = np.ascontiguousarray(original[:, ::-1])
    one, two = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (copy, original))
    side = len(copy)
    left, top, edge = VIEWS[view % len(VIEWS)]
    start = np.array([[edge, 0, left * side], [0, edge, top * side]], np.float32)
    # The stubs know no call without a mask, which the function takes.
    align: Any = cv2.findTransformECC
    until = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_COUNT, STEPS, 1e-4)
    try:
        warp = align(one, two, start, cv2.MOTION_AFFINE, until, None, 5)[1]
    except cv2.error:  # It doesn't converge: little in common.
        return 0.0
    if not all(SCALES[0] <= warp[i, i] <= SCALES[1] for i in (0, 1)):
        return 0.0

    def aligned(image: Any, how: int = cv2.INTER_LINEAR, edge: int = cv2.BORDER_REPLICATE) -> Any:
        how |= cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(image, warp, (side, side), flags=how, borderMode=edge)

    def blurred(image: Any, deviation: float) -> Any:
        return cv2.GaussianBlur(image.astype(np.float32), (0, 0), deviation)

    inside = np.ones((side, side), np.uint8)
    shared = aligned(inside, cv2.INTER_NEAREST, cv2.BORDER_CONSTANT) > 0
    if shared.mean() < SHARED:
        return 0.0
    fine = [blurred(image, FINE) for image in (one, aligned(two))]
    if _correlation(*(image[shared] for image in fine)) < ALIKE:
        return 0.0
    rough = [blurred(image, ROUGH) for image in (one, aligned(two))]
    detail = _correlation(*((f - r)[shared] for f, r in zip(fine, rough, strict=True)))
    if detail < DETAIL:
        return 0.0
    apart = cv2.absdiff(blurred(copy, SOFT), blurred(aligned(original), SOFT)).max(2)
    return detail if np.quantile(apart[shared], 0.95) <= TINT else 0.0


def _correlation(one: np.ndarray, two: np.ndarray) -> float:
    return float(np.corrcoef(one, two)[0, 1]) if one.std() and two.std() else 0.0


#: The parts of an image that are held against the whole of another, as (left, top, edge): all of it,
#: then nine crops, among which each has its mirror image.
VIEWS = ((0.0, 0.0, 1.0), *((x, y, 0.9) for y in (0.0, 0.05, 0.1) for x in (0.0, 0.05, 0.1)))
#: Low frequencies a side, and from which correlation of theirs on a pair may be one picture.
LOW, NEAR = 8, 0.83
#: What half of the blocks of two images may differ by in their colours, of 255.
HUE = 30
#: Proposals for an image at most, by one view and by all.
NEAREST, MOST = 16, 8
#: Of red, green and blue in grey.
GREY = (0.299, 0.587, 0.114)
BLOCK = 256


def propose(images: np.ndarray) -> np.ndarray:
    """Int `[P, 3]`: copy, original and view of the original, for thumbnails uint8 `[N, S, S, 3]`.

    Views from `len(VIEWS)` on are those of the mirrored original. A pair is there once as it is and
    once mirrored at most, the nearest first.
    """
    blocks = [np.zeros((0, 4))]
    if len(images) > 1:
        spectra, colours = _describe(images, 0)
        for view in range(len(VIEWS)):
            left, top, edge = VIEWS[view]
            others = _describe(images, view)
            blocks += _near(spectra, colours, *others, view)
            # The mirror image of a crop is the crop on the other side, mirrored.
            other_side = np.isclose(VIEWS, (1 - edge - left, top, edge)).all(1)
            view = len(VIEWS) + int(other_side.argmax())
            blocks += _near(spectra, colours, *_mirror(*others), view)
    fit, *rest = np.concatenate(blocks).T
    copy, original, view = (part.astype(np.int64) for part in rest)
    order = np.argsort(-fit, kind="stable")
    copy, original, view = copy[order], original[order], view[order]
    # Copy and original may be either way round; the better fit tells.
    ends = np.minimum(copy, original), np.maximum(copy, original), view >= len(VIEWS)
    _, first = np.unique(np.column_stack(ends), axis=0, return_index=True)
    first.sort()
    proposals = np.column_stack([copy, original, view])[first]
    chosen, count = [], [0] * len(images)
    # Where everything looks alike, the nearest must do.
    for place, (a, b, _) in enumerate(proposals.tolist()):
        if min(count[a], count[b]) < MOST:
            count[a] += 1
            count[b] += 1
            chosen.append(place)
    return proposals[chosen]


def _near(
    spectra: np.ndarray, colours: np.ndarray, others: np.ndarray, tints: np.ndarray, view: int
) -> list[np.ndarray]:
    """(fit, copy, original, view) `[P, 4]` of each block of rows."""
    blocks = []
    for begin in range(0, len(spectra), BLOCK):
        fits = spectra[begin : begin + BLOCK] @ others.T
        np.fill_diagonal(fits[:, begin:], 0)
        copy, original = np.nonzero(fits >= NEAR)
        fit = fits[copy, original]
        order = np.lexsort((-fit, copy))
        rank = np.arange(len(copy)) - np.searchsorted(copy, copy)
        order = order[rank < NEAREST]
        fit, copy, original = fit[order], copy[order] + begin, original[order]
        apart = np.abs(colours[copy].astype(np.int16) - tints[original]).max(1)
        agree = (apart <= HUE).mean((1, 2)) >= 0.5
        block = np.column_stack([fit, copy, original, np.full(len(fit), view)])
        blocks.append(block[agree])
    return blocks


def _describe(images: np.ndarray, view: int) -> tuple[np.ndarray, np.ndarray]:
    """A view of each image: float32 `[N, LOW² - 1]` spectra of length 1, and uint8 `[N, 3, LOW, LOW]`
    the colours of its blocks."""
    left, top, edge = VIEWS[view]
    side = images.shape[1]
    rows, columns = (_averages(start, edge, LOW, side) for start in (top, left))
    tall, wide = (
        _waves(side // 2) @ _averages(start, edge, side // 2, side) for start in (top, left)
    )
    # The spectra of photographs fall with the frequency (Field, 1987): each counts alike.
    weight = np.hypot(*np.mgrid[:LOW, :LOW]).astype(np.float32)
    spectra = np.empty((len(images), LOW**2 - 1), np.float32)
    colours = np.empty((len(images), 3, LOW, LOW), np.uint8)
    for begin in range(0, len(images), BLOCK):
        part = slice(begin, begin + BLOCK)
        pixels = np.moveaxis(images[part].astype(np.float32), 3, 1)
        colours[part] = rows @ pixels @ columns.T
        grey = np.tensordot(np.array(GREY, np.float32), pixels, (0, 1))
        spectrum = weight * (tall @ grey @ wide.T)
        spectra[part] = spectrum.reshape(len(spectrum), -1)[:, 1:]
    length = np.linalg.norm(spectra, axis=1, keepdims=True)
    return spectra / np.maximum(length, 1e-6), colours


def _mirror(spectra: np.ndarray, colours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What `_describe` says of the mirror images: odd waves change their signs."""
    signs = np.tile(np.resize(np.array([1, -1], np.float32), LOW), LOW)[1:]
    return spectra * signs, colours[..., ::-1]


def _averages(start: float, edge: float, parts: int, side: int) -> np.ndarray:
    """The float32 `[parts, side]` matrix that makes `parts` averages of a stretch of `side` pixels."""
    bounds = (start + edge * np.linspace(0, 1, parts + 1)[:, None]) * side
    pixel = np.arange(side)
    shared = np.minimum(bounds[1:], pixel + 1) - np.maximum(bounds[:-1], pixel)
    weights: np.ndarray = shared.clip(0) * parts / (edge * side)
    return weights.astype(np.float32)


def _waves(count: int) -> np.ndarray:
    """The float32 `[LOW, count]` matrix of the discrete cosine transform's low frequencies."""
    from scipy.fft import dct

    waves: np.ndarray = dct(np.eye(count, dtype=np.float32), axis=0, norm="ortho")
    return waves[:LOW]
