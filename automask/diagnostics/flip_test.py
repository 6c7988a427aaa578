"""Whether a mirrored image keeps its class, measured before flips are searched.

Where left and right tell classes apart, mirrored images under their old labels contradict the others,
and a probe that learns from both recognises fewer of the images as they are. Where they don't, it loses
nothing.
"""

from __future__ import annotations

import numpy as np

#: About how many rows are looked at, at which edge in pixels, with how many patches.
ROWS, SIZE, PATCHES = 1000, 32, 128
#: Contrast, as a norm of a patch's pixels from 0 to 1, below which a patch counts as flat.
FLAT = 0.3


def compare(
    plain: np.ndarray, mirrored: np.ndarray, labels: np.ndarray, folds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Which rows `[n]`, as they are, a linear probe recognises out of fold: trained on them alone, and
    on mirrored ones too.

    `plain` and `mirrored` are features `[n, D]` of the same rows. By symmetry a probe that learns both
    can use nothing but what they share, so that it is given just that; the other has their difference
    besides.
    """
    from sklearn.linear_model import RidgeClassifier
    from sklearn.preprocessing import StandardScaler

    shared = StandardScaler().fit_transform(plain + mirrored)
    difference = plain - mirrored
    spread = np.sqrt(np.square(difference).mean(0))
    difference = difference / np.where(spread > 0, spread, 1)
    hits = []
    for features in (np.concatenate([shared, difference], 1), shared):
        right = np.zeros(len(labels), bool)
        for fold in np.unique(folds):
            train, held = folds != fold, folds == fold
            if len(np.unique(labels[train])) > 1:
                # Every class counts alike, however many images it has.
                probe = RidgeClassifier(alpha=100, class_weight="balanced")
                probe.fit(features[train], labels[train])
                right[held] = probe.predict(features[held]) == labels[held]
        hits.append(right)
    return hits[0], hits[1]


def templates(images: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """float32 features `[n, D]` of uint8 images `[n, S, S, 3]` as they are and mirrored.

    How well each of some patches, cut from the images at random, fits anywhere, as it is and inverted:
    normalised correlation, the largest of all places (after Coates, Ng and Lee, 2011). Pretrained
    networks hardly tell left from right, as flips were part of their training.
    """
    import torch
    from torch.nn import functional as F

    edge = images.shape[1] // 3
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    rng = np.random.default_rng(seed)
    corners = rng.integers(images.shape[1] - edge + 1, size=(PATCHES, 2)).tolist()
    rows = rng.integers(len(images), size=PATCHES).tolist()
    patches = torch.stack(
        [pixels[r, :, y : y + edge, x : x + edge] for r, (y, x) in zip(rows, corners, strict=True)]
    )
    patches -= patches.mean((1, 2, 3), keepdim=True)
    patches /= patches.square().sum((1, 2, 3), keepdim=True).sqrt() + FLAT

    def fit(batch: torch.Tensor) -> torch.Tensor:
        mean = F.avg_pool2d(batch.mean(1, keepdim=True), edge, 1)
        square = F.avg_pool2d(batch.square().mean(1, keepdim=True), edge, 1)
        size = ((square - mean.square()).clamp(min=0) * patches[0].numel()).sqrt()
        fits = F.conv2d(batch, patches) / (size + FLAT)
        return torch.cat([fits.amax((2, 3)), -fits.amin((2, 3))], 1)

    with torch.inference_mode():
        plain, mirrored = (
            torch.cat([fit(batch) for batch in some.split(128)])
            for some in (pixels, pixels.flip(3))
        )
    return plain.numpy(), mirrored.numpy()


def losses(
    without: np.ndarray, with_: np.ndarray, labels: np.ndarray, groups: np.ndarray
) -> np.ndarray:
    """For each class `[C]` the share of its images that mirrored ones cost it for sure.

    That is the difference of two recalls, less two standard errors over groups. One group won and one
    lost are added, so that a class of few groups proves nothing by them.
    """
    change = without.astype(float) - with_
    sure = np.zeros(labels.max() + 1)
    for label in np.unique(labels):
        own = labels == label
        index = np.unique(groups[own], return_inverse=True)[1]
        usual = own.sum() / (index.max() + 1)
        totals = np.r_[np.bincount(index, change[own]), usual, -usual]
        sizes = np.r_[np.bincount(index), usual, usual]
        mean = totals.sum() / sizes.sum()
        squares = np.square(totals - mean * sizes).sum() * len(sizes) / (len(sizes) - 1)
        sure[label] = mean - 2 * np.sqrt(squares) / sizes.sum()
    return sure
