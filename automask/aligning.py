"""Whether two thumbnails show one picture: the pixels of the one laid over the other's."""

from __future__ import annotations

from typing import Any

import numpy as np

from automask.lookalikes import VIEWS

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
