"""Labels that may be wrong: confident learning on out-of-fold probabilities.

Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels" (2021).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automask.data.dataset import Dataset, fold_count


@dataclass(frozen=True)
class Audit:
    """What N labels of C classes look like by probabilities of networks that never saw them.

    `judged` `[N]`: has the label's class rows in other folds? Of those that aren't judged nothing else
    holds. `quality` `[N]` is the probability of the given label, `likely` `[N]` the likeliest class and
    `confidence` `[N]` its probability; `flagged` `[N]`: does confident learning take the label for
    wrong? `joint` `[C, C]` is the estimated number of rows by given and by true class.
    """

    judged: np.ndarray
    quality: np.ndarray
    likely: np.ndarray
    confidence: np.ndarray
    flagged: np.ndarray
    joint: np.ndarray

    @property
    def order(self) -> np.ndarray:
        """The rows that are judged, the most suspect first: those flagged, then by quality."""
        order = np.lexsort((self.quality, ~self.flagged))
        rows: np.ndarray = order[self.judged[order]]
        return rows

    @property
    def wrong(self) -> np.ndarray:
        """`[C]` the estimated number of wrong labels of each given class."""
        counts: np.ndarray = self.joint.sum(1) - self.joint.diagonal()
        return counts


def find_label_errors(labels: np.ndarray, probability: np.ndarray, folds: np.ndarray) -> Audit:
    """Hold labels `[N]` against out-of-fold probabilities `[N, C]`.

    A class is confidently that of a row where its probability reaches the mean that it has over the
    rows labelled so, which needs no calibration. A row whose class no other fold has can't be judged:
    no network could have known it.
    """
    classes = probability.shape[1]
    rows = np.zeros((classes, fold_count(folds)), np.int64)
    np.add.at(rows, (labels, folds), 1)
    judged = rows[labels].sum(1) > rows[labels, folds]
    probability = probability.astype(np.float64)
    probability /= probability.sum(1, keepdims=True)
    flagged, joint = (
        np.zeros(len(labels), bool),
        np.diag(np.bincount(labels[judged], minlength=classes)),
    )
    if len(np.unique(labels[judged])) > 1:
        # Takes seconds.
        from cleanlab.count import compute_confident_joint, estimate_joint
        from cleanlab.filter import find_label_issues

        own, table = labels[judged], probability[judged]
        counts = compute_confident_joint(own, table)
        joint = estimate_joint(own, table, confident_joint=counts) * len(own)
        with warnings.catch_warnings():
            # A class with few rows keeps one unflagged.
            warnings.simplefilter("ignore")
            flagged[judged] = find_label_issues(own, table, confident_joint=counts, n_jobs=1)
    return Audit(
        judged=judged,
        quality=probability[np.arange(len(labels)), labels],
        likely=probability.argmax(1),
        confidence=probability.max(1),
        flagged=flagged,
        joint=joint,
    )


def combine(labels: np.ndarray, audits: Sequence[Audit]) -> Audit:
    """The audit of label sets `[N, C]` from those of each label, whose classes are absent and present.

    `quality` and `confidence` are of the label that fits worst, `likely` `[N, C]` has the flagged labels
    turned round, and `joint` counts labels, not rows.
    """
    judged, flagged, likely, quality = (
        np.stack([getattr(audit, name) for audit in audits], axis=1)
        for name in ("judged", "flagged", "likely", "quality")
    )
    worst = np.where(judged, quality, 1).min(1)
    return Audit(
        judged=np.any(judged, axis=1),
        quality=worst,
        likely=np.where(flagged, likely, labels),
        confidence=1 - worst,
        flagged=np.any(flagged, axis=1),
        joint=np.sum([audit.joint for audit in audits], axis=0),
    )


def by_attribute(data: Dataset, probability: np.ndarray, folds: np.ndarray) -> dict[str, Audit]:
    """The audit of each attribute's values by themselves, from the joint probabilities `[N, C]`."""
    attributes = data.attributes
    return {
        name: find_label_errors(
            attributes.classes[data.labels, index], attributes.marginal(probability, index), folds
        )
        for index, name in enumerate(attributes.names)
    }


def noise_matrix(target: np.ndarray, probability: np.ndarray, folds: np.ndarray) -> dict[str, Any]:
    """The label noise that confident learning finds in out-of-fold probabilities `[N, C]`, as JSON.

    `wrong` is the share of wrong labels, `pairs` have (true class, given class, chance).
    """
    joint = find_label_errors(target, probability, folds).joint
    wrong = 1 - joint.trace() / joint.sum()
    chance = (joint / joint.sum(0).clip(1e-12)).T
    np.fill_diagonal(chance, 0)
    pairs = [[int(t), int(g), round(float(chance[t, g]), 4)] for t, g in np.argwhere(chance > 5e-5)]
    return {"wrong": round(float(wrong), 4), "pairs": pairs}
