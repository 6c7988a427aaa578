"""One submission of several: a majority by row, or an attribute from each file."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from automask.data.csv_file import Csv, read_csv
from automask.data.dataset import Dataset
from automask.errors import UserError
from automask.report import answers, submission


@dataclass(frozen=True)
class Vote:
    """The file that a majority makes, how many rows all agree on, and how many were tied."""

    frame: pd.DataFrame
    unanimous: int
    tied: int


def vote(paths: Sequence[Path], weights: Sequence[float] | None, data: Dataset | None) -> Vote:
    """The class with most votes for each row; of tied ones that of the earliest file.

    Columns that no target answers are the first file's. Raises `UserError` where the files don't
    fit each other, or the weights them.
    """
    weights = weights or [1.0] * len(paths)
    if len(paths) < 2:
        raise UserError("automask vote A.csv B.csv C.csv: at least two files")
    if len(weights) != len(paths) or not all(0 < w < math.inf for w in weights):
        raise UserError(f"--weights: {len(paths)} files want {len(paths)} numbers above 0")
    form, frames = answers.read(paths, data)
    rows = answers.classify_answers(form, frames).rows
    winner, tied = majority(rows, np.array(weights))
    columns = list(form.labels)
    cells = np.stack([frame[columns].to_numpy() for frame in frames])
    frame = frames[0].copy()
    frame[columns] = cells[winner, np.arange(len(frame))]
    return Vote(frame, int((rows == rows[0]).all(0).sum()), int(tied.sum()))


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
    wanted = answers.form_of_data(data)
    form = wanted or answers.form_of_file(tables[0])
    values = {}
    if data is not None and wanted:
        values = dict(zip(data.attributes.names, data.attributes.values, strict=True))
    columns: dict[str, list[str]] = {}
    answered: dict[str, Path] = {}
    for table in tables:
        rows = answers.find_answers(table, form)
        for column in _answers(table, form.id, values):
            if column in answered:
                raise UserError(f"{answered[column]} and {table.path} both answer '{column}'")
            answered[column] = table.path
            answers.refuse_odd(table, column, values.get(column))
            columns[column] = np.array(table[column], object)[rows].tolist()
    if missing := [name for name in values if name not in answered]:
        raise UserError(f"no file answers '{missing[0]}': name one with a column '{missing[0]}'")
    if data is None or not wanted:
        return pd.DataFrame({form.id: form.ids, **columns})
    return submission.lay_out(data, form.ids.tolist(), columns)


def _answers(table: Csv, id: str, names: Collection[str]) -> list[str]:
    """The columns of a file that answer: the targets, or without any all but the id."""
    if columns := [c for c in table.columns if c != id and (not names or c in names)]:
        return columns
    targets = f"for a target ({', '.join(names)})" if names else f"beside '{id}'"
    raise UserError(f"{table.path} has no column {targets}")
