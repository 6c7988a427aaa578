"""One submission of several: a majority by row, or an attribute from each file."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from automask.data.csv_file import Csv, read_csv
from automask.data.dataset import Dataset
from automask.errors import UserError
from automask.report import answers, submission
from automask.report.cells import DECIMALS, AnswerColumn, columns_of
from automask.report.layout import Layout, layout_of_data, layout_of_files


@dataclass(frozen=True)
class Vote:
    """The file that a vote makes, how many rows all agree on, and how many were tied.

    It is a `method` "majority", or the "mean" of probabilities and numbers, which ties nothing.
    """

    frame: pd.DataFrame
    unanimous: int
    tied: int
    method: str = "majority"


def vote(paths: Sequence[Path], weights: Sequence[float] | None, data: Dataset | None) -> Vote:
    """The class with most votes for each row; of tied ones that of the earliest file.

    Of several labels a row each is voted on; probabilities and numbers are averaged.
    Columns that no target answers are the first file's. Raises `UserError` where the files don't
    fit each other, or the weights them.
    """
    weights = weights or [1.0] * len(paths)
    if len(paths) < 2:
        raise UserError("automask vote A.csv B.csv C.csv: at least two files")
    if len(weights) != len(paths) or not all(0 < w < math.inf for w in weights):
        raise UserError(f"--weights: {len(paths)} files want {len(paths)} numbers above 0")
    layout, frames = answers.read(paths, data)
    rows = answers.classify_answers(layout, frames).rows
    columns = list(layout.columns)
    frame, shares = frames[0].copy(), np.array(weights) / sum(weights)
    if layout.is_numeric:
        values = np.stack([layout.values(table) for table in frames])
        frame[columns] = np.tensordot(shares, values, 1).round(DECIMALS)
        alike = (rows == rows[0]) if layout.style != "numbers" else (values == values[0]).all(2)
        return Vote(frame, int(alike.all(0).sum()), 0, "mean")
    if layout.style == "top":
        raise UserError("a vote is on one answer a row, and these files list the likeliest classes")
    if data is not None and not data.target.exclusive:
        return _vote_labels(layout, frames, rows, shares)
    winner, tied = majority(rows, np.array(weights))
    cells = np.stack([table[columns].to_numpy() for table in frames])
    frame[columns] = cells[winner, np.arange(len(frame))]
    return Vote(frame, int((rows == rows[0]).all(0).sum()), int(tied.sum()))


def _vote_labels(
    layout: Layout, frames: Sequence[pd.DataFrame], rows: np.ndarray, shares: np.ndarray
) -> Vote:
    """Each label by itself: the earliest file counts where half are for it."""
    columns, frame = list(layout.columns), frames[0].copy()
    tables = [table[columns].itertuples(index=False, name=None) for table in frames]
    parts = np.array([[layout.parts(cells) for cells in table] for table in tables]) == "1"
    votes = np.tensordot(shares, parts.astype(float), 1).round(9)
    tied = votes == 0.5
    has = np.where(tied, parts[0], votes > 0.5)
    if layout.style == "sets":
        [column] = layout.columns.values()
        names = np.array(layout.attributes, object)
        frame[column.name] = [column.join(sorted(names[row])) for row in has]
    else:
        frame[columns] = np.where(has, "1", "0")
    return Vote(frame, int((rows == rows[0]).all(0).sum()), int(tied.any(1).sum()))


def majority(rows: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The earliest file with the winning class of each row, and whether another class had as many
    votes, `[N]` both, from the classes `[F, N]` that F files of some weight say."""
    # Sums of weights such as 0.1 and 0.2 must tie with 0.3.
    votes = np.stack([weights @ (rows == classes) for classes in rows]).round(9)
    winner = votes.argmax(0)
    others = rows != rows[winner, np.arange(rows.shape[1])]
    return winner, ((votes == votes.max(0)) & others).any(0)


def merge(paths: Sequence[Path], data: Dataset | None) -> pd.DataFrame:
    """One submission from files that answer an attribute or more each, joined by id.

    Without data it has the columns of all files, in the order of the first. Raises `UserError` where
    a file doesn't fit, or the attributes are not each answered once.
    """
    tables = [read_csv(path) for path in paths]
    wanted = layout_of_data(data)
    layout = wanted or layout_of_files(tables[:1])
    columns = _parts(data) if data is not None and wanted else {}
    cells: dict[str, list[str]] = {}
    answered: dict[str, Path] = {}
    for table in tables:
        rows = answers.find_answers(table, layout)
        for name in _answers(table, layout.id, columns):
            if name in answered:
                raise UserError(f"{answered[name]} and {table.path} both answer '{name}'")
            answered[name] = table.path
            texts = answers.read_cells(table, columns.get(name) or AnswerColumn(name))
            cells[name] = np.array(texts, object)[rows].tolist()
    if missing := [name for name in columns if name not in answered]:
        raise UserError(f"no file answers '{missing[0]}': name one with a column '{missing[0]}'")
    if data is None or not wanted:
        return pd.DataFrame({layout.id: layout.ids, **cells})
    return submission.lay_out(data, layout.ids.tolist(), cells)


def _parts(data: Dataset) -> Mapping[str, AnswerColumn]:
    """What files to be joined answer: the targets or, in other styles than labels, the columns."""
    if data.form.style != "labels":
        return columns_of(data)
    values = zip(data.attributes.names, map(frozenset, data.attributes.values), strict=True)
    return {name: AnswerColumn(name, labels=labels) for name, labels in values}


def _answers(table: Csv, id: str, names: Collection[str]) -> list[str]:
    """The columns of a file that answer: the targets, or without any all but the id."""
    if columns := [c for c in table.columns if c != id and (not names or c in names)]:
        return columns
    targets = f"for a target ({', '.join(names)})" if names else f"beside '{id}'"
    raise UserError(f"{table.path} has no column {targets}")
