"""The cells of a submission's answer columns: written from predictions, and read from anybody's file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from automask.data.dataset import Dataset
from automask.data.names import match_label

#: As near to 0 and 1 as a probability may come, where log loss would be infinite.
CLIP = 1e-15
#: Decimals of a probability, so that ranks survive near 1, and figures of a number, of 32 bits.
DECIMALS, FIGURES = 15, 7


@dataclass(frozen=True)
class AnswerColumn:
    """A column of answers in one of the styles of a `Form`; its `labels` are None where any will do."""

    name: str
    style: str = "labels"
    labels: frozenset[str] | None = None
    separator: str = " "
    empty: str = ""

    @property
    def is_numeric(self) -> bool:
        """Whether its answers can be added up."""
        return self.style in ("probabilities", "numbers")

    @property
    def phrase(self) -> str:
        """What a cell that doesn't fit is not."""
        return {
            "labels": "no label of",
            "probabilities": "no probability, in",
            "one_hot": "neither 0 nor 1, in",
            "numbers": "no number, in",
        }.get(self.style, "no list of labels of")

    def read(self, cells: Sequence[str]) -> list[str | None]:
        """Each cell as it would be written here, None where it is no answer: equal numbers are equal."""
        if self.style in ("probabilities", "numbers"):
            numbers = pd.to_numeric(pd.Series(cells, dtype=object), errors="coerce").to_numpy(float)
            fits = np.isfinite(numbers)
            if self.style == "probabilities":
                fits &= (numbers >= 0) & (numbers <= 1)
            return [cell if fit else None for cell, fit in zip(cells, fits, strict=True)]
        by_text = {cell: self._read(cell) for cell in set(cells)}
        return [by_text[cell] for cell in cells]

    def _read(self, cell: str) -> str | None:
        if self.style == "one_hot":
            return match_label(cell, ("0", "1"))
        if self.style in ("sets", "top"):
            return self._read_list(cell)
        if not cell.strip():
            return None
        return cell if self.labels is None else match_label(cell, self.labels)

    def _read_list(self, cell: str) -> str | None:
        names = (
            []
            if cell == self.empty
            else [t.strip() for t in cell.split(self.separator.strip() or None)]
        )
        labels = [match_label(t, self.labels) if self.labels is not None else t for t in names]
        if None in labels or (self.style == "top" and not labels):
            return None
        texts = [label for label in labels if label is not None]
        return self.join(texts if self.style == "top" else sorted(set(texts)))

    def join(self, labels: Sequence[str]) -> str:
        """A cell of these labels."""
        return self.separator.join(labels) if labels else self.empty

    def split(self, cell: str) -> list[str]:
        """The labels of a cell that was read."""
        return [] if cell == self.empty else cell.split(self.separator)


def columns_of(data: Dataset) -> dict[str, AnswerColumn]:
    """The columns of a submission that answer, by their names."""
    form, names = data.form, data.attributes.names
    if form.style != "labels":
        labels = frozenset(class_names(data))
        wanted = form.columns or [answer_name(data)]
        return {
            name: AnswerColumn(name, form.style, labels, form.separator, form.empty)
            for name in wanted
        }
    values = dict(zip(names, map(frozenset, data.attributes.values), strict=True))
    if data.sample is not None:
        wanted = [column for column in data.sample.columns if column != data.id_column]
        if data.codes is not None:
            values = {wanted[0]: frozenset(data.codes.values())}
        elif len(names) == 1:
            values = {answer_name(data): values[names[0]]}
        else:
            values = {column: values[column] for column in wanted if column in values}
    return {name: AnswerColumn(name, labels=labels) for name, labels in values.items()}


def answer_name(data: Dataset) -> str:
    """The one column that answers: the sample's, which may have another name than the target."""
    [name, *_] = data.attributes.names
    if data.sample is None or name in data.sample.columns:
        return name
    return next(column for column in data.sample.columns if column != data.id_column)


def class_names(data: Dataset) -> list[str]:
    """What each column of a prediction is of `[C]`."""
    return [data.attributes.describe(label) for label in range(len(data.attributes.classes))]


def write_cells(data: Dataset, prediction: np.ndarray) -> dict[str, list[str] | np.ndarray]:
    """The cells of each answer column, from predictions `[M, C]`; for any style but labels.

    Probabilities keep clear of 0 and 1 by `CLIP`, which log loss would never forgive.
    """
    form, columns = data.form, columns_of(data)
    places = {name: place for place, name in enumerate(class_names(data))}
    zero = np.zeros(len(prediction))

    def table(values: np.ndarray) -> dict[str, np.ndarray]:
        # A class that train hasn't is never answered.
        return {
            column: values[:, places[label]] if label in places else zero
            for column, label in form.columns.items()
        }

    if form.style == "probabilities":
        shares = table(prediction.astype(float).round(DECIMALS))
        return {column: share.clip(CLIP, 1 - CLIP) for column, share in shares.items()}
    if form.style == "one_hot":
        return {c: hard.astype(int) for c, hard in table(data.target.harden(prediction)).items()}
    [column] = columns.values()
    if form.style == "numbers":
        texts = [float(f"{value:.{FIGURES}g}") for value in data.target.decide(prediction).tolist()]
        return {column.name: np.array(texts)}
    names = class_names(data)
    if form.style == "top":
        order = np.argsort(-prediction, axis=1, kind="stable")[:, : form.most]
        return {column.name: [column.join([names[i] for i in row]) for row in order.tolist()]}
    sets = [np.flatnonzero(row).tolist() for row in data.target.decide(prediction)]
    return {column.name: [column.join([names[i] for i in labels]) for labels in sets]}
