"""Files of answers, from here or elsewhere, held against what the data want or the first file has."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from automask.data import config, dataset
from automask.data.csv_file import Csv, quoted, read_csv, shorten_list
from automask.data.dataset import Dataset
from automask.errors import UserError, did_you_mean
from automask.report import submission
from automask.storage.project import Project

Cells = tuple[str, ...]


@dataclass(frozen=True)
class Form:
    """What a file of answers must have: the column `id` with the `ids` of `source`, and the answer
    columns, each with the labels that it may hold (None for any)."""

    id: str
    ids: pd.Index
    source: str
    labels: Mapping[str, frozenset[str] | None]
    data: Dataset | None = None

    @property
    def codes(self) -> dict[Cells, str] | None:
        """The code of each combination, where the answers are codes."""
        wanted = self.data is not None and self.data.sample is not None
        return self.data.codes if self.data is not None and wanted else None

    @property
    def attributes(self) -> tuple[str, ...]:
        """The names of what a class is made of: targets, or else the answer columns."""
        coded = self.data is not None and self.codes
        return self.data.attributes.names if self.data and coded else tuple(self.labels)

    def parts(self, cells: Cells) -> Cells:
        """The value of each attribute, of the class that the answer columns hold as `cells`."""
        combinations: dict[Cells, Cells] = {
            (code,): texts for texts, code in (self.codes or {}).items()
        }
        return combinations.get(cells, cells)

    def describe(self, cells: Cells) -> str:
        """A class as people say it, after its code if it has one."""
        text = " × ".join(self.parts(cells))
        return f"{cells[0]} {text}" if self.codes else text

    def declared(self) -> list[Cells]:
        """The classes that the data tell."""
        if self.codes is not None:
            return [(code,) for code in self.codes.values()]
        if self.data is None:
            return []
        attributes = self.data.attributes
        # A single answer may have another name than its target.
        order = [attributes.names.index(c) if c in attributes.names else 0 for c in self.labels]
        combinations = map(attributes.combination, range(len(attributes.classes)))
        return [tuple(texts[index] for index in order) for texts in combinations]


@dataclass(frozen=True)
class Classes:
    """K classes by what the answer columns hold, and the class of each row of F files `[F, N]`."""

    cells: list[Cells]
    rows: np.ndarray


def load_data(project: Project) -> Dataset | None:
    """The data of a project; None where it has no `automask.toml`."""
    if not project.config.is_file():
        return None
    settings = config.load(project)
    tables = config.read(settings, project, project.corrections)
    return dataset.prepare(tables, settings.search.metric)


def read(paths: Sequence[Path], data: Dataset | None) -> tuple[Form, list[pd.DataFrame]]:
    """Each file's columns as text, all in one order of ids: the sample's, or the first file's.

    Raises `UserError` where a file has other ids or columns, an id twice, an empty or unknown label.
    """
    tables = [read_csv(path) for path in paths]
    form = form_of_data(data) or form_of_file(tables[0])
    return form, [align_answers(table, form) for table in tables]


def form_of_data(data: Dataset | None) -> Form | None:
    """What the competition wants; None where nothing is to be submitted."""
    if data is None or data.test is None:
        return None
    labels = submission.answer_columns(data)
    if data.sample is None:
        return Form(data.id_column, pd.Index(data.test.ids), "the test table", labels, data)
    ids = pd.Index(data.sample[data.id_column])
    return Form(data.id_column, ids, "the sample submission", labels, data)


def form_of_file(table: Csv) -> Form:
    """What the other files must have too: its first column is the id, and all others answer."""
    id, *answers = table.columns
    if not answers:
        raise UserError(f"{table.path} has no column of labels beside '{id}'")
    return Form(id, pd.Index(table[id]), str(table.path), dict.fromkeys(answers))


def align_answers(table: Csv, form: Form) -> pd.DataFrame:
    """All columns of a file in the form's order of ids; raises `UserError` where it doesn't fit."""
    for column, labels in form.labels.items():
        refuse_odd(table, column, labels)
    rows = find_answers(table, form)
    return table.frame(table.columns).iloc[rows].reset_index(drop=True)


def refuse_odd(table: Csv, column: str, labels: Collection[str] | None) -> None:
    """Raise `UserError` where a cell of the column is empty or none of its labels (None for any)."""
    table.refuse_empty([column])
    if labels is None:
        return
    if odd := [row for row, cell in enumerate(table[column]) if cell not in labels]:
        text = table[column][odd[0]]
        raise UserError(
            f"{table.at(odd)}: '{text}' is no label of '{column}'{did_you_mean(text, labels)}"
        )


def find_answers(table: Csv, form: Form) -> np.ndarray:
    """The row of each of the form's ids `[N]`; raises `UserError` where the ids aren't the same."""
    table.refuse_empty([form.id])
    table.refuse_repeats(form.id)
    ids = pd.Index(table[form.id])
    if len(strange := np.flatnonzero(form.ids.get_indexer(ids) < 0)):
        raise UserError(
            f"{table.at(strange.tolist())}: {shorten_list(quoted(ids[strange]))} is no id of "
            f"{form.source}"
        )
    rows = ids.get_indexer(form.ids)
    if len(missing := form.ids[rows < 0]):
        raise UserError(
            f"{table.path} lacks {len(missing)} of {len(form.ids)} ids of {form.source}: "
            f"{shorten_list(quoted(missing))}"
        )
    return rows


def classify_answers(form: Form, frames: Sequence[pd.DataFrame]) -> Classes:
    """The class of each row of the frames; those that the data tell come first."""
    columns = list(form.labels)
    declared = pd.DataFrame(form.declared(), columns=columns, dtype=str)
    every = pd.concat([declared, *(frame[columns] for frame in frames)], ignore_index=True)
    codes = np.zeros(len(every), np.int64)
    for column in columns:
        values, texts = pd.factorize(every[column])
        codes = pd.factorize(codes * len(texts) + values)[0]
    _, first = np.unique(codes, return_index=True)
    cells = list(every.iloc[first].itertuples(index=False, name=None))
    return Classes(cells, codes[len(declared) :].reshape(len(frames), -1))
