"""Labellings: the classes that a number is trained as (`automask.space.protocols.LabellingPlugin`).

Lengths are in standard deviations of the values, so that the same ranges fit years and grams.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from automask import Float, labelling

if TYPE_CHECKING:
    import numpy as np


@labelling()
def as_scored(values: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Train on the classes that are scored.

    When to use: the default.
    """
    return _bands(values, limits)


@labelling(shift=Float(-0.3, 0.3))
def shifted(values: np.ndarray, limits: np.ndarray, *, shift: float = -0.1) -> np.ndarray:
    """Move the last limit in training by `shift` standard deviations of the values.

    When to use: the last class is the rare end of a range, such as people of 60 and more where most are
    below 60. A limit that is moved down gives it the rows just below, which look the same, and the
    network says it more often. With ages that spread by 20 years, -0.1 trains from 58 on. It stays
    where it is rather than reach the limit before it.

    Source: moving a threshold against imbalance (Provost, "Machine learning from imbalanced data sets
    101", 2000), that of the labels rather than that of the predictions.
    """
    import numpy as np

    bounds = np.array(limits, float)
    bounds[-1] += shift * np.std(values)
    if len(bounds) > 1 and bounds[-1] <= bounds[-2]:
        return _bands(values, limits)
    return _bands(values, bounds)


@labelling(width=Float(0.0, 0.3))
def banded(values: np.ndarray, limits: np.ndarray, *, width: float = 0.1) -> np.ndarray:
    """Leave out of training the rows within `width` standard deviations of a limit.

    When to use: rows on both sides of a limit look alike, or their numbers are rough, so that their
    classes are partly noise: age told in round years, grades on the border. Rare classes near a limit
    lose rows by it. A class that would lose all of its rows keeps them.

    Source: kin to Tomek's links ("Two modifications of CNN", 1976), which drop the rows along a border
    by their features rather than by the number behind their class.
    """
    import numpy as np

    label = _bands(values, limits)
    distance = np.abs(np.asarray(values)[:, None] - np.asarray(limits)).min(1)
    near = distance < width * np.std(values)
    emptied = [band for band in np.unique(label) if near[label == band].all()]
    return np.where(near & ~np.isin(label, emptied), -1, label)


def _bands(values: np.ndarray, limits: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.searchsorted(limits, values, side="right")
