"""Whether a study may mirror its images: measured once, and kept with it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import optuna

from automask.diagnostics.flip_test import ROWS, SIZE, compare, losses, templates
from automask.hpo.attributes import StudyAttributes, recipe_of
from automask.hpo.trials import complete_trials
from automask.listener import note
from automask.machine import setup_process
from automask.space.space import Space
from automask.study.adaptation import has_open_flips, without_flips
from automask.study.session import Session

#: A class may lose this share of its recognised images; a probe loses a little to anything new.
SPARED = 0.1


def settle_flips(session: Session) -> Session:
    """The session with flips fixed to False in a shipped space where mirrored images lose their class.

    Measured once a study, which keeps the outcome; the user is told.
    """
    if session.space is None or not session.space.adapts or not has_open_flips(session.space):
        return session
    if mirroring_keeps_class(session):
        return session
    return replace(session, space=without_flips(session.space))


def measured_flips(study: optuna.Study, space: Space) -> Space:
    """The space as the study will search it, after what was measured of flips, if it was."""
    measured = StudyAttributes.read(study).mirroring
    if measured is None or measured["kept"] or not space.adapts or not has_open_flips(space):
        return space
    return without_flips(space)


def mirroring_keeps_class(session: Session) -> bool:
    """Do mirrored images keep their class? Measured once a study; the user is told."""
    mirroring = StudyAttributes.read(session.study).mirroring
    if mirroring is None:
        measured = _measured(session)
        # Somebody who began beside this process may have been first.
        mirroring = StudyAttributes.read(session.study).mirroring
        if mirroring is None:
            mirroring = measured
            StudyAttributes(mirroring=mirroring).write(session.study)
    note(mirroring["note"])
    return bool(mirroring["kept"])


def _measured(session: Session) -> dict[str, Any]:
    """What the study is to keep: whether classes are `kept`, and a `note` that says so."""
    data = session.data
    groups = np.arange(len(data.labels)) if data.groups is None else data.groups
    rows = _sample(groups, session.config.search.seed)
    labels, groups = data.single_labels[rows], groups[rows]
    setup_process(session.options.threads)
    plain, mirrored = templates(_pixels(session, rows), session.config.search.seed)
    without, with_ = compare(plain, mirrored, labels, session.folds[rows])
    sure = losses(without, with_, labels, groups)
    worst = int(sure.argmax())

    def recalls(*classes: int) -> str:
        alone, together = (
            np.mean([right[labels == label].mean() for label in classes])
            for right in (without, with_)
        )
        return f"{alone:.2f} alone, {together:.2f} with them"

    figures = f"a probe's recall is {recalls(*np.unique(labels).tolist())}"
    if sure[worst] <= SPARED:
        note = f"mirrored images keep their class ({figures}), so flips may be searched"
        return {"kept": True, "note": note}
    worst_name = data.attributes.describe(worst) if data.target.exclusive else f"class {worst + 1}"
    loss = f"{worst_name}: {recalls(worst)}"
    return {
        "kept": False,
        "note": f"mirrored images lose their class ({figures}; {loss}): no flips",
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
        else recipe_of(complete_trials(session.study)[0])["resize"].name
    )
    large = images.at(resize, images.largest)
    return np.stack(
        [cv2.resize(large[row], (size, size), interpolation=cv2.INTER_AREA) for row in rows]
    )
