"""What a file of answers must have, and what its cells come to: classes, labels or numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from automask.data.csv_file import Csv
from automask.data.dataset import Dataset
from automask.data.names import all_numbers
from automask.errors import UserError
from automask.report.cells import AnswerColumn, class_names, columns_of

Cells = tuple[str, ...]


@dataclass(frozen=True)
class Layout:
    """The column `id` with the `ids` of `source`, and the `columns` that answer, by their names.

    `labels` says what columns of probabilities or of 0 and 1 stand for; where they are `exclusive` a row
    has one of them.
    """

    id: str
    ids: pd.Index
    source: str
    columns: Mapping[str, AnswerColumn]
    labels: Mapping[str, str]
    exclusive: bool
    data: Dataset | None = None

    @property
    def style(self) -> str:
        """How the answers are said (`automask.data.tables.Form`)."""
        return next(iter(self.columns.values())).style

    @property
    def is_numeric(self) -> bool:
        """Whether the answers can be averaged."""
        return next(iter(self.columns.values())).is_numeric

    @property
    def is_table(self) -> bool:
        """Whether it has a column a class or label, or that of one of two classes."""
        return self.style in ("probabilities", "one_hot")

    @property
    def codes(self) -> dict[Cells, str] | None:
        """The code of each combination, where the answers are codes."""
        wanted = self.data is not None and self.data.sample is not None
        return self.data.codes if self.data is not None and wanted else None

    @cached_property
    def attributes(self) -> tuple[str, ...]:
        """The names of what a class is made of: targets, or labels, or else the answer columns."""
        if self.data is None or (self.style == "labels" and not self.codes):
            return ("class",) if self.is_table and self.exclusive else tuple(self.columns)
        if self.data.target.exclusive and self.style != "top":
            return self.data.attributes.names
        return tuple(class_names(self.data)) if self.style != "top" else tuple(self.columns)

    def parts(self, cells: Cells) -> Cells:
        """The value of each attribute, of the class that the answer columns hold as `cells`."""
        if self.is_table and self.exclusive:
            return (self._class(cells),)
        if self.style == "sets":
            [column] = self.columns.values()
            labels = set(column.split(cells[0]))
            return tuple("1" if name in labels else "0" for name in self.attributes)
        combinations: dict[Cells, Cells] = {
            (code,): texts for texts, code in (self.codes or {}).items()
        }
        return combinations.get(cells, cells)

    def _class(self, cells: Cells) -> str:
        """The class that a row of 0 and 1 says."""
        labels = list(self.labels.values())
        if "1" in cells and cells.count("1") == 1:
            return labels[cells.index("1")] or list(self.columns)[cells.index("1")]
        if len(cells) == 1 and self.data is not None:
            return next(name for name in class_names(self.data) if name != labels[0])
        return " + ".join(name for name, cell in zip(labels, cells, strict=True) if cell == "1")

    def describe(self, cells: Cells) -> str:
        """A class as people say it, after its code if it has one."""
        parts = self.parts(cells)
        if self.style == "sets" or (self.is_table and not self.exclusive):
            names = [n for n, part in zip(self.attributes, parts, strict=True) if part == "1"]
            return ", ".join(names) or "no label"
        text = " × ".join(parts)
        return f"{cells[0]} {text}" if self.codes else text

    def declared(self) -> list[Cells]:
        """The classes that the data tell."""
        if self.codes is not None:
            return [(code,) for code in self.codes.values()]
        if self.data is None or not self.data.target.exclusive or self.style == "top":
            return []
        attributes = self.data.attributes
        if self.is_table:
            one_hot = (
                "1" if self.labels[c] == name else "0"
                for name in class_names(self.data)
                for c in self.columns
            )
            return list(zip(*[one_hot] * len(self.columns), strict=True))
        # A single answer may have another name than its target.
        order = [attributes.names.index(c) if c in attributes.names else 0 for c in self.columns]
        combinations = map(attributes.combination, range(len(attributes.classes)))
        return [tuple(texts[index] for index in order) for texts in combinations]

    def values(self, frame: pd.DataFrame) -> np.ndarray:
        """The numbers of the answer columns, float `[N, A]`."""
        return frame[list(self.columns)].to_numpy(dtype=float)

    def harden(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The answer columns with what probabilities come to, 1 for an answer and 0 elsewhere; numbers
        come to nothing."""
        columns = list(self.columns)
        if not self.is_numeric:
            return frame[columns]
        values = self.values(frame)
        hard = values > 0.5
        if self.style == "numbers":
            hard = np.zeros_like(hard)
        elif self.exclusive and len(columns) > 1:
            hard = np.eye(len(columns), dtype=bool)[values.argmax(1)]
        return pd.DataFrame(np.where(hard, "1", "0").astype(object), columns=columns)


def layout_of_data(data: Dataset | None) -> Layout | None:
    """What the competition wants; None where nothing is to be submitted."""
    if data is None or data.test is None:
        return None
    # Several pictures of a thing are answered once.
    ids = pd.Index(dict.fromkeys(data.test.units or data.test.ids))
    columns, source = columns_of(data), "the test table"
    if data.sample is not None:
        source, ids = "the sample submission", pd.Index(data.sample[data.id_column])
    labels = {name: data.form.columns.get(name, name) for name in columns}
    return Layout(data.id_column, ids, source, columns, labels, data.target.exclusive, data)


def layout_of_files(tables: Sequence[Csv]) -> Layout:
    """What all files must have: the first column is the id, and all others answer.

    They answer by labels or, where each cell is a number and some are fractions, by probabilities or
    numbers.
    """
    table = tables[0]
    id, *answers = table.columns
    if not answers:
        raise UserError(f"{table.path} has no column of labels beside '{id}'")
    style, exclusive = "labels", False
    cells = [other.columns.get(name, []) for other in tables for name in answers]
    if all(all_numbers(set(texts)) for texts in cells if texts):
        values = np.array([list(map(float, table[name])) for name in answers])
        every = np.concatenate([np.array(list(map(float, texts))) for texts in cells])
        if (every % 1 != 0).any():
            whole = (every >= 0).all() and (every <= 1).all()
            style = "probabilities" if whole else "numbers"
            exclusive = len(answers) > 1 and bool(np.allclose(values.sum(0), 1, atol=1e-3))
    columns = {name: AnswerColumn(name, style) for name in answers}
    labels = {name: name for name in answers}
    return Layout(id, pd.Index(table[id]), str(table.path), columns, labels, exclusive)
