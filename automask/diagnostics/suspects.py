"""The rows of a study whose labels are suspect, as people look at them and put them right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from automask.data.corrections import GIVEN
from automask.data.dataset import Dataset
from automask.diagnostics import label_errors
from automask.diagnostics.label_errors import Audit


@dataclass(frozen=True)
class Suspect:
    """A train row: its given and its likely class and their probabilities, and whether confident
    learning takes the label for wrong."""

    id: str
    given: str
    likely: str
    given_probability: float
    likely_probability: float
    flagged: bool


@dataclass(frozen=True)
class ClassNoise:
    """A given class: its rows, those flagged, the estimated number of wrong labels, and what class
    these most often are in truth."""

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
    """Labels held against out-of-fold probabilities: all together, and those of each attribute."""

    data: Dataset
    audit: Audit
    attributes: Mapping[str, Audit]

    @property
    def flagged(self) -> int:
        """How many labels confident learning takes for wrong."""
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
                data.attributes.describe(data.labels[row]),
                data.attributes.describe(audit.likely[row]),
                float(audit.quality[row]),
                float(audit.confidence[row]),
                bool(audit.flagged[row]),
            )
            for row in audit.order.tolist()
        ]

    @cached_property
    def noise(self) -> list[Noise]:
        """By class and, of several attributes, by the values of each."""
        data, attributes = self.data, self.data.attributes
        names = [attributes.describe(label) for label in range(len(attributes.classes))]
        tables = [_noise(" × ".join(attributes.names), names, data.labels, self.audit)]
        if len(attributes.names) > 1:
            for index, (name, audit) in enumerate(self.attributes.items()):
                given = attributes.classes[data.labels, index]
                tables.append(_noise(name, attributes.values[index], given, audit))
        return tables

    @cached_property
    def table(self) -> pd.DataFrame:
        """The rows that can be judged, the most suspect first.

        Columns are the id and each target, to be edited; then each target as it was given and as it is
        likely to be, the probabilities of the likely and of the given class, and whether confident
        learning takes the label for wrong. A target of a column's name takes that column's place.
        """
        data, audit, attributes = self.data, self.audit, self.data.attributes
        order = audit.order

        def texts(classes: np.ndarray, prefix: str = "") -> dict[str, object]:
            return {
                prefix + name: np.array(attributes.values[index], object)[
                    attributes.classes[classes[order], index]
                ]
                for index, name in enumerate(attributes.names)
            }

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
            f"<p>{self.flagged:,} of {len(self.data.labels):,} labels flagged, about "
            f"{self.wrong:.0f} estimated to be wrong</p>{flagged.to_html(index=False)}"
        )


def find_suspects(data: Dataset, probability: np.ndarray, folds: np.ndarray) -> Suspects:
    """The train labels `[N]` held against out-of-fold probabilities `[N, C]`."""
    return Suspects(
        data,
        label_errors.find_label_errors(data.labels, probability, folds),
        label_errors.by_attribute(data, probability, folds),
    )


def _noise(
    title: str, names: list[str] | tuple[str, ...], given: np.ndarray, audit: Audit
) -> Noise:
    rows = np.bincount(given, minlength=len(names))
    flagged = np.bincount(given[audit.flagged], minlength=len(names))
    classes = []
    for label in np.argsort(-audit.wrong, kind="stable").tolist():
        others = np.where(np.arange(len(names)) == label, 0, audit.joint[label])
        truth = names[int(others.argmax())]
        wrong = float(audit.wrong[label])
        classes.append(
            ClassNoise(names[label], int(rows[label]), int(flagged[label]), wrong, truth)
        )
    return Noise(title, float(audit.wrong.sum()), tuple(classes))
