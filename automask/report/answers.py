"""Files of answers, from here or elsewhere, held against what the data want or the first file has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from automask.data import config, dataset
from automask.data.csv_file import Csv, quoted, read_csv, shorten_list
from automask.data.dataset import Dataset
from automask.data.names import number_of
from automask.errors import UserError, did_you_mean
from automask.report.cells import AnswerColumn
from automask.report.layout import Cells, Layout, layout_of_data, layout_of_files
from automask.storage.project import Project


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


def read(paths: Sequence[Path], data: Dataset | None) -> tuple[Layout, list[pd.DataFrame]]:
    """Each file's columns as text, all in one order of ids: the sample's, or the first file's.

    Raises `UserError` where a file has other ids or columns, an id twice, or a cell that is no answer.
    """
    tables = [read_csv(path) for path in paths]
    layout = layout_of_data(data) or layout_of_files(tables)
    return layout, [align_answers(table, layout) for table in tables]


def align_answers(table: Csv, layout: Layout) -> pd.DataFrame:
    """All columns of a file in the layout's order of ids; raises `UserError` where it doesn't fit."""
    answers = {name: read_cells(table, column) for name, column in layout.columns.items()}
    rows = find_answers(table, layout)
    frame = table.frame(table.columns).assign(**answers)
    return frame.iloc[rows].reset_index(drop=True)


def read_cells(table: Csv, column: AnswerColumn) -> list[str]:
    """The cells of a column as they are written here; a `UserError` where one is no answer."""
    if column.style != "sets":
        table.refuse_empty([column.name])
    cells = column.read(table[column.name])
    if odd := [row for row, cell in enumerate(cells) if cell is None]:
        text = table[column.name][odd[0]]
        hint = did_you_mean(text, column.labels or ()) if column.style == "labels" else ""
        raise UserError(f"{table.at(odd)}: '{text}' is {column.phrase} '{column.name}'{hint}")
    return [cell for cell in cells if cell is not None]


def find_answers(table: Csv, layout: Layout) -> np.ndarray:
    """The row of each of the layout's ids `[N]`; raises `UserError` where the ids aren't the same."""
    table.refuse_empty([layout.id])
    table.refuse_repeats(layout.id)
    ids = pd.Index(table[layout.id])
    if len(strange := np.flatnonzero(layout.ids.get_indexer(ids) < 0)):
        raise UserError(
            f"{table.at(strange.tolist())}: {shorten_list(quoted(ids[strange]))} is no id of "
            f"{layout.source}"
        )
    rows = ids.get_indexer(layout.ids)
    if len(missing := layout.ids[rows < 0]):
        raise UserError(
            f"{table.path} lacks {len(missing)} of {len(layout.ids)} ids of {layout.source}: "
            f"{shorten_list(quoted(missing))}"
        )
    return rows


def classify_answers(layout: Layout, frames: Sequence[pd.DataFrame]) -> Classes:
    """The class of each row of the frames; those that the data tell come first.

    Probabilities are classes by what is likeliest. Without data equal numbers are equal labels.
    """
    columns = list(layout.columns)
    declared = pd.DataFrame(layout.declared(), columns=columns, dtype=str)
    hard = [layout.harden(frame) for frame in frames]
    every = pd.concat([declared, *hard], ignore_index=True)
    codes = np.zeros(len(every), np.int64)
    for column in columns:
        texts = every[column] if layout.data is not None else every[column].map(_number_text)
        values, distinct = pd.factorize(texts)
        codes = pd.factorize(codes * len(distinct) + values)[0]
    _, first = np.unique(codes, return_index=True)
    cells = list(every.iloc[first].itertuples(index=False, name=None))
    return Classes(cells, codes[len(declared) :].reshape(len(frames), -1))


def _number_text(text: str) -> str:
    """A number as it is written shortest; digits behind a zero, such as 01, are no number."""
    value = number_of(text)
    code = text.lstrip("+-")[:1] == "0" and text.lstrip("+-")[1:2].isdigit()
    return text if value is None or code else f"{value:.12g}"
