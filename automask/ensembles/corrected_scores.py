"""What a study scores on other labels than its own: those before corrections, or after."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from automask.data import config, corrections, dataset
from automask.data.dataset import Dataset
from automask.scoring import Score, score
from automask.study.session import Session


@dataclass(frozen=True)
class OtherScore:
    """What `labels` they are, in how many rows they differ from the study's, and the score on them."""

    labels: str
    rows: int
    score: Score


def on_other_labels(
    session: Session, probability: np.ndarray, rows: np.ndarray, groups: np.ndarray | None
) -> OtherScore | None:
    """The score of `probability` `[N, C]` on other labels of some `rows`; None where there are none.

    They are those that the corrections give now, for a study that was begun with others, and else
    those of the data themselves.
    """
    project = session.options.project
    own, now = (
        {(c.id, c.target, c.new) for c in corrections.load(file)}
        for file in (session.store.corrections, project.corrections)
    )
    if not own and not now:
        return None
    file = None if own == now else project.corrections
    other = dataset.prepare(
        config.read(session.config, project, file), session.config.search.metric
    )
    target, classes = labels_of(other, session.data)
    wide = np.pad(probability, ((0, 0), (0, classes - probability.shape[1])))
    differs = (target != session.data.labels).reshape(len(target), -1).any(1)
    labels = "uncorrected labels" if file is None else f"labels that {file} gives now"
    value = score(session.metric, target[rows], wide[rows], groups)
    return OtherScore(labels, int(differs.sum()), value)


def labels_of(other: Dataset, data: Dataset) -> tuple[np.ndarray, int]:
    """The labels of other data, `[N]` or `[N, C]`, as classes of `data`, and how many classes there are.

    Those that `data` don't have come after its own.
    """
    index: dict[tuple[str, ...], int] = {}
    for attributes in (data.attributes, other.attributes):
        for label in range(len(attributes.classes)):
            index.setdefault(attributes.combination(label), len(index))
    combinations = map(other.attributes.combination, range(len(other.attributes.classes)))
    places = np.array([index[combination] for combination in combinations])
    return data.target.renumber(other.labels, places, len(index)), len(index)
