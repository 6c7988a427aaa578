"""Whether a mirrored image keeps its class, measured before flips are searched.

Where left and right tell classes apart, mirrored images under their old labels contradict the others,
and a probe that learns from both recognises fewer of the images as they are. Where they don't, it loses
nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from automask.hpo.searcher import Note
from automask.hpo.trials import complete_trials
from automask.machine import setup_process
from automask.session import Session
from automask.space.ranges import Categorical
from automask.space.space import Space

#: About how many rows are looked at, at which edge in pixels, with how many patches.
ROWS, SIZE, PATCHES = 1000, 32, 128
#: Contrast, as a norm of a patch's pixels from 0 to 1, below which a patch counts as flat.
FLAT = 0.3
#: A class may lose this share of its recognised images; a probe loses a little to anything new.
SPARED = 0.1
ATTRIBUTE = "mirroring"


def settle_flips(session: Session, tell: Callable[[Note], None]) -> Session:
    """The session with flips fixed to False in a shipped space where mirrored images lose their class.

    Measured once a study, which keeps the outcome; the user is told.
    """
    if session.space is None or not session.space.adapts or not has_open_flips(session.space):
        return session
    return (
        session
        if mirroring_keeps_class(session, tell)
        else replace(session, space=without_flips(session.space))
    )


def mirroring_keeps_class(session: Session, tell: Callable[[Note], None]) -> bool:
    """Do mirrored images keep their class? Measured once a study; the user is told."""
    known = session.study.user_attrs.get(ATTRIBUTE)
    if known is None:
        found = _measured(session)
        # Somebody who began beside this process may have been first.
        known = session.study.user_attrs.get(ATTRIBUTE)
        if known is None:
            known = found
            session.study.set_user_attr(ATTRIBUTE, known)
    tell(Note(known["note"]))
    return bool(known["kept"])


def has_open_flips(space: Space) -> bool:
    """Does an augmentation of the space have a `flip` to choose?"""
    return any(
        len(getattr(ranges.get("flip"), "choices", ())) > 1
        for ranges in space.competitors["augmentation"].values()
    )


def without_flips(space: Space) -> Space:
    """The space with every augmentation's `flip` fixed to False."""
    augmentations = {
        name: {**ranges, "flip": Categorical(False)} if "flip" in ranges else ranges
        for name, ranges in space.competitors["augmentation"].items()
    }
    return replace(space, competitors={**space.competitors, "augmentation": augmentations})


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
    found = []
    for features in (np.concatenate([shared, difference], 1), shared):
        right = np.zeros(len(labels), bool)
        for fold in np.unique(folds):
            train, held = folds != fold, folds == fold
            if len(np.unique(labels[train])) > 1:
                # Every class counts alike, however many images it has.
                probe = RidgeClassifier(alpha=100, class_weight="balanced")
                probe.fit(features[train], labels[train])
                right[held] = probe.predict(features[held]) == labels[held]
        found.append(right)
    return found[0], found[1]


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


def _measured(session: Session) -> dict[str, Any]:
    """What the study is to keep: whether classes are `kept`, and a `note` that says so."""
    data = session.data
    groups = np.arange(len(data.labels)) if data.groups is None else data.groups
    rows = _sample(groups, session.config.search.seed)
    labels, groups = data.labels[rows], groups[rows]
    setup_process(session.options.threads)
    plain, mirrored = templates(_pixels(session, rows), session.config.search.seed)
    without, with_ = compare(plain, mirrored, labels, session.folds[rows])
    sure = losses(without, with_, labels, groups)
    worst = int(sure.argmax())

    def recalls(*of: int) -> str:
        alone, together = (
            np.mean([right[labels == label].mean() for label in of]) for right in (without, with_)
        )
        return f"{alone:.2f} alone, {together:.2f} with them"

    figures = f"a probe's recall is {recalls(*np.unique(labels).tolist())}"
    if sure[worst] <= SPARED:
        note = f"mirrored images keep their class ({figures}), so flips may be searched"
        return {"kept": True, "note": note}
    said = f"{data.attributes.describe(worst)}: {recalls(worst)}"
    return {
        "kept": False,
        "note": f"mirrored images lose their class ({figures}; {said}): no flips",
    }


def _sample(groups: np.ndarray, seed: int) -> np.ndarray:
    """Rows of whole groups drawn at random, about `ROWS` of them, in order."""
    order = np.random.default_rng(seed).permutation(groups.max() + 1)
    sizes = np.bincount(groups)[order]
    chosen = order[np.cumsum(sizes) - sizes < ROWS]
    return np.flatnonzero(np.isin(groups, chosen))


def _pixels(session: Session, rows: np.ndarray) -> np.ndarray:
    """uint8 `[n, S, S, 3]` of train rows, small."""
    import cv2

    images = session.images()
    size = min(SIZE, images.largest)
    # After a search its best recipe stands in for the space.
    resize = (
        next(iter(session.space.competitors["resize"]))
        if session.space
        else complete_trials(session.study)[0].user_attrs["recipe"]["resize"]["name"]
    )
    large = images.at(resize, images.largest)
    return np.stack(
        [cv2.resize(large[row], (size, size), interpolation=cv2.INTER_AREA) for row in rows]
    )
