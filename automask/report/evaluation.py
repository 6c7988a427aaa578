"""What came out of a study, as plain facts from labels `[N]` and out-of-fold probabilities `[N, C]`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from automask.data.dataset import Dataset
from automask.ensembles import calibration
from automask.ensembles.calibration import Calibration
from automask.scoring import ClassScore, by_class
from automask.target import Number, Target

Facts = dict[str, Any]
#: Of more values than these only the pairs most often confused are told, and the worst are listed.
MOST_NAMES, WORST, PAIRS = 30, 30, 12
#: So many rows of a number are drawn.
POINTS = 1000
#: A probability below this counts as this much, so that losses stay finite.
LEAST = 1e-15


@dataclass(frozen=True)
class Predictions:
    """What is to be told apart, all attributes together or one: the names of K classes, and the true
    and the predicted class of each row `[N]`, or its labels `[N, K]`."""

    title: str
    names: tuple[str, ...]
    target: np.ndarray
    predicted: np.ndarray


@dataclass(frozen=True)
class ClassTable:
    """How well each class is recognised."""

    title: str
    rows: list[ClassScore]


def predictions(data: Dataset, probability: np.ndarray) -> list[Predictions]:
    """The classes and, of several attributes, the values of each by themselves; a row a unit."""
    attributes, rows = data.attributes, data.scored_rows
    labels, probability = data.labels[rows], probability[rows]
    names = tuple(attributes.describe(label) for label in range(len(attributes.classes)))
    if len(names) < 2:
        return []
    answers = data.target.decide(probability)
    parts = [Predictions(" × ".join(attributes.names), names, labels, answers)]
    if len(attributes.names) > 1:
        for index, name in enumerate(attributes.names):
            target = attributes.classes[labels, index]
            predicted = attributes.marginal(probability, index).argmax(1)
            parts.append(Predictions(name, tuple(attributes.values[index]), target, predicted))
    return parts


def class_tables(data: Dataset, probability: np.ndarray) -> list[ClassTable]:
    """Class by class and, of several attributes, value by value."""
    return [
        ClassTable(part.title, by_class(part.target, part.predicted, part.names))
        for part in predictions(data, probability)
    ]


def tables(data: Dataset, probability: np.ndarray) -> list[Facts]:
    """Class by class and, of several attributes, value by value: scores, confusion, most mistakes."""
    return [
        table(part.title, list(part.names), part.target, part.predicted)
        for part in predictions(data, probability)
    ]


def table(title: str, names: list[str], target: np.ndarray, predicted: np.ndarray) -> Facts:
    """Scores of each class by name, the worst first, counts `[K, K]` of few classes, and mistakes."""
    rows = [asdict(row) for row in by_class(target, predicted, names)]
    for row in rows:
        row |= {key: None for key in ("precision", "recall", "f1") if np.isnan(row[key])}
    worst = sorted(rows, key=lambda row: (row["f1"] or 0.0, row["name"]))
    counts = np.zeros((len(names), len(names)), int)
    if target.ndim == 1:
        np.add.at(counts, (target, predicted), 1)
    return {
        "title": title,
        "classes": len(names),
        "rows": worst[: WORST if len(names) > MOST_NAMES else len(names)],
        "names": names,
        "counts": counts.tolist() if counts.any() and len(names) <= MOST_NAMES else None,
        "pairs": [
            {"given": names[given], "said": names[other], "rows": rows}
            for given, other, rows in confusions(
                counts if target.ndim == 1 else swaps(target, predicted)
            )
        ],
    }


def numbers(data: Dataset, prediction: np.ndarray) -> Facts | None:
    """Predicted numbers against true ones, at most `POINTS` pairs, and how far apart they are by bands
    of the true one that hold as many rows each; None where the target is no number."""
    if not isinstance(data.target, Number):
        return None
    rows = data.scored_rows
    true, predicted = data.labels[rows], prediction[rows, 0]
    band, step = data.target.strata(true), -(-len(true) // POINTS)
    bands = []
    for index in np.unique(band):
        within = band == index
        apart = predicted[within] - true[within]
        bands.append(
            {
                "low": float(true[within].min()),
                "high": float(true[within].max()),
                "rows": int(within.sum()),
                "error": float(abs(apart).mean()),
                "above": float(apart.mean()),
            }
        )
    return {
        "name": data.attributes.describe(0),
        "points": np.stack([true, predicted], 1)[::step].astype(float).tolist(),
        "bands": bands,
    }


def swaps(target: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """In how many rows the first label was missed and the second one wrongly said `[K, K]`, of sets of
    labels `[N, K]`."""
    missed, extra = (target > predicted).astype(int), (predicted > target).astype(int)
    counts: np.ndarray = missed.T @ extra
    return counts


def label_reliability(data: Dataset, probability: np.ndarray) -> Calibration | None:
    """That of several labels a row, each a question with two answers, all taken together."""
    rows = data.scored_rows
    questions = data.target.questions(data.labels[rows], probability[rows])
    if data.target.exclusive or not questions:
        return None
    labels, tables = zip(*questions, strict=True)
    return calibration.measure(np.concatenate(labels), np.concatenate(tables))


def confusions(counts: np.ndarray) -> list[tuple[int, int, int]]:
    """(given, likeliest, rows) of the mistakes in a confusion matrix, the most frequent first."""
    off = counts.copy()
    np.fill_diagonal(off, 0)
    order = np.argsort(-off, axis=None, kind="stable")[:PAIRS]
    pairs = [divmod(int(place), len(off)) for place in order]
    return [(given, other, int(off[given, other])) for given, other in pairs if off[given, other]]


def hardest_rows(target: Target, labels: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """The rows that were mistaken, those first whose given answer fits least."""
    order = np.lexsort((-probability.max(1), -target.misfit(labels, probability)))
    rows: np.ndarray = order[target.differ(target.decide(probability), labels)[order]]
    return rows


def row_loss(data: Dataset, prediction: np.ndarray, given: Any) -> float:
    """How far what is predicted of a row `[C]` is from its given answer: the log loss, of several labels
    their mean, and of a number the distance."""
    if isinstance(data.target, Number):
        return float(abs(given - prediction[0]))
    if data.target.exclusive:
        return float(-np.log(max(prediction[given], LEAST)))
    right = np.where(given > 0, prediction, 1 - prediction)
    return float(-np.log(right.clip(LEAST)).mean())


def describe_row(data: Dataset, probability: np.ndarray, row: int) -> Facts:
    """A train row with its given and likeliest answer and, of classes, the probability of each."""
    given, likely = data.labels[row], data.target.decide(probability[row : row + 1])[0]
    has_one = data.target.exclusive
    return {
        "id": data.train.ids[row],
        "given": data.describe_answer(given),
        "likely": data.describe_answer(likely),
        "given_probability": float(probability[row, given]) if has_one else None,
        "likely_probability": float(probability[row, likely]) if has_one else None,
        "loss": row_loss(data, probability[row], given),
    }
