"""The rows of a study whose labels are suspect, as people look at them and put them right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from automask.data.corrections import GIVEN
from automask.data.dataset import Dataset
from automask.diagnostics import label_errors
from automask.diagnostics.label_errors import Audit
from automask.errors import UserError


@dataclass(frozen=True)
class Suspect:
    """A train row: its given and its likely class and their probabilities, and whether confident
    learning takes the label for wrong.

    Of several labels it is the given and the likely set, with the flagged labels turned round, and the
    probabilities are those of the label that fits worst.
    """

    id: str
    given: str
    likely: str
    given_probability: float
    likely_probability: float
    flagged: bool


@dataclass(frozen=True)
class ClassNoise:
    """A given class, or a label that is there or not: its rows, those flagged, the estimated number of
    wrong labels, and what class these most often are in truth."""

    name: str
    rows: int
    flagged: int
    wrong: float
    truth: str


@dataclass(frozen=True)
class Noise:
    """The estimated number of wrong labels, in all and by given class, the most first."""

    title: str
    wrong: float
    classes: tuple[ClassNoise, ...]


@dataclass(frozen=True)
class Suspects:
    """Labels held against out-of-fold probabilities. `noise` is by class and, of several attributes,
    by the values of each; or by label."""

    data: Dataset
    audit: Audit
    noise: Sequence[Noise]

    @property
    def flagged(self) -> int:
        """Of how many rows confident learning takes the label, or one of them, for wrong."""
        return int(self.audit.flagged.sum())

    @property
    def wrong(self) -> float:
        """The estimated number of wrong labels."""
        return float(self.audit.wrong.sum())

    @property
    def unjudged(self) -> int:
        """Rows whose class no other fold has."""
        return int((~self.audit.judged).sum())

    @cached_property
    def rows(self) -> list[Suspect]:
        """The train rows that can be judged, the most suspect first."""
        data, audit = self.data, self.audit
        return [
            Suspect(
                data.train.ids[row],
                data.describe_answer(data.labels[row]),
                data.describe_answer(audit.likely[row]),
                float(audit.quality[row]),
                float(audit.confidence[row]),
                bool(audit.flagged[row]),
            )
            for row in audit.order.tolist()
        ]

    @cached_property
    def table(self) -> pd.DataFrame:
        """The rows that can be judged, the most suspect first.

        Columns are the id and each target, or label of 0 and 1, to be edited; then each as it was given
        and as it is likely to be, the probabilities of the likely and of the given class, and whether
        confident learning takes the label for wrong. A target of a column's name takes that column's
        place.
        """
        data, audit = self.data, self.audit
        order = audit.order

        def texts(labels: np.ndarray, prefix: str = "") -> dict[str, object]:
            columns = data.answer_columns(labels[order])
            return {prefix + name: column for name, column in columns.items()}

        first = {data.id_column: np.array(data.train.ids, object)[order], **texts(data.labels)}
        more = {
            **texts(data.labels, GIVEN),
            **texts(audit.likely, "likely_"),
            "likely_probability": audit.confidence[order].round(4),
            "given_probability": audit.quality[order].round(4),
            "flagged": np.where(audit.flagged[order], "yes", "no"),
        }
        return pd.DataFrame(first | {name: more[name] for name in more if name not in first})

    def _repr_html_(self) -> str:
        flagged = self.table[self.table["flagged"] == "yes"] if self.flagged else self.table[:0]
        return (
            f"<p>{self.flagged:,} of {len(self.data.labels):,} rows flagged, about "
            f"{self.wrong:.0f} labels estimated to be wrong</p>{flagged.to_html(index=False)}"
        )


def find_suspects(data: Dataset, probability: np.ndarray, folds: np.ndarray) -> Suspects:
    """The train labels held against out-of-fold probabilities `[N, C]`, of several each by itself.

    Raises `UserError` where the target has no labels.
    """
    questions = data.target.questions(data.labels, probability)
    if not questions:
        raise UserError(
            f"suspects are told of classes and labels, and this study's target is {data.target.phrase}; "
            "the report lists the rows that are predicted worst: automask report"
        )
    audits = [label_errors.find_label_errors(*question, folds) for question in questions]
    attributes = data.attributes
    names = [attributes.describe(label) for label in range(len(attributes.classes))]
    if not data.target.exclusive:
        noise = [
            row
            for name, (given, _), audit in zip(names, questions, audits, strict=True)
            for row in _noise((f"without {name}", name), given, audit)
        ]
        whole = label_errors.combine(data.labels, audits)
        return Suspects(data, whole, [_most_first("labels", noise)])
    tables = [_most_first(" × ".join(attributes.names), _noise(names, data.labels, audits[0]))]
    if len(attributes.names) > 1:
        parts = label_errors.by_attribute(data, probability, folds)
        for index, (name, audit) in enumerate(parts.items()):
            given = attributes.classes[data.labels, index]
            tables.append(_most_first(name, _noise(attributes.values[index], given, audit)))
    return Suspects(data, audits[0], tables)


def _most_first(title: str, classes: Sequence[ClassNoise]) -> Noise:
    ordered = sorted(classes, key=lambda row: -row.wrong)
    return Noise(title, sum(row.wrong for row in classes), tuple(ordered))


def _noise(names: Sequence[str], given: np.ndarray, audit: Audit) -> list[ClassNoise]:
    rows = np.bincount(given, minlength=len(names))
    flagged = np.bincount(given[audit.flagged], minlength=len(names))
    classes = []
    for label, name in enumerate(names):
        others = np.where(np.arange(len(names)) == label, 0, audit.joint[label])
        truth, wrong = names[int(others.argmax())], float(audit.wrong[label])
        classes.append(ClassNoise(name, int(rows[label]), int(flagged[label]), wrong, truth))
    return classes
