"""The rows of a train and of a test table, once it is clear which column is what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from automask.data import boxes
from automask.data.columns import Columns
from automask.data.csv_file import Csv, quoted, repeats, shorten_list
from automask.data.file_repeats import drop_repeats
from automask.data.image_files import Images
from automask.data.row_columns import read_folds
from automask.data.tables import Rows
from automask.data.truth import Truth
from automask.errors import UserError


@dataclass(frozen=True)
class Training:
    """A train table without the rows that say the same again, its rows, and what its columns are."""

    table: Csv
    rows: Rows
    columns: Columns
    notes: tuple[str, ...]


def train_rows(
    train: Csv,
    images: Images,
    columns: Columns,
    truth: Truth,
    others: tuple[Csv | None, Csv | None],
) -> Training:
    """The rows of a train table with their labels; `others` are the test table and the sample, if any.

    Raises `UserError` where a row has no image or no id of its own, or contradicts another.
    """
    train.refuse_empty(dict.fromkeys([columns.id, columns.image]))
    paths = images.resolve(train, columns.image, "train")
    inside = [train[name] for name in boxes.columns(train.columns)]
    keep, truth, notes = drop_repeats(train, list(zip(paths, *inside, strict=True)), truth)
    train = train.take(keep)
    columns, more = _find_unit(train, columns, *others)
    rows = _rows(train, [paths[row] for row in keep], columns)
    return Training(train, replace(rows, attributes=truth.attributes), columns, (*notes, *more))


def test_rows(test: Csv, images: Images, columns: Columns) -> Rows:
    """The rows of a test table, of which `columns` are those of train.

    Raises `UserError` where a row has no image or no id of its own.
    """
    there = {name: name if name in test.columns else "" for name in (columns.group, columns.unit)}
    # Without a column of images, the ids name them.
    image = columns.image if columns.image in test.columns else columns.id
    columns = Columns(columns.id, image, group=there[columns.group], unit=there[columns.unit])
    test.refuse_empty(dict.fromkeys([columns.id, columns.image]))
    return _rows(test, images.resolve(test, columns.image, "test"), columns)


def only_ids(sample: Csv, id_column: str, images: Images) -> Rows:
    """The test images that a sample submission asks for."""
    ids = replace(sample, columns={id_column: sample[id_column]})
    return test_rows(ids, images, Columns(id_column, id_column))


def left_alone(table: Csv, used: Columns, others: Sequence[str]) -> list[str]:
    """A note on the columns that say nothing to automask; none where there are none."""
    names = {used.id, used.image, used.group, used.unit, used.folds, *used.targets, *others}
    names |= {*boxes.columns(table.columns)}
    rest = [column for column in table.columns if column not in names]
    if not rest:
        return []
    what = f"{len(rest)} column{'s' * (len(rest) > 1)}"
    return [f"{what} of {table.path.name} left alone: {shorten_list(quoted(rest), most=6)}"]


def _rows(table: Csv, paths: list[Path], columns: Columns) -> Rows:
    _refuse_repeats(table, columns)
    ids = table[columns.id]
    used = {columns.id, columns.image, columns.group, *columns.targets}

    def texts(column: str) -> list[str] | None:
        # A row that names no group is one of its own, not of the group of all that name none.
        cells = table[column] if column else None
        return cells and [cell or name for cell, name in zip(cells, ids, strict=True)]

    return Rows(
        ids=ids,
        paths=paths,
        groups=texts(columns.group),
        units=texts(columns.unit),
        folds=read_folds(table, columns.folds),
        extra=table.frame(column for column in table.columns if column not in used),
    )


def _find_unit(
    train: Csv, columns: Columns, test: Csv | None, sample: Csv | None
) -> tuple[Columns, list[str]]:
    """The columns with the unit, where the sample has an id for several pictures, and a note on it."""
    unit = columns.unit or columns.id
    if not repeats(train[columns.id]):
        return columns, []
    if columns.unit:
        return replace(columns, id=columns.image), []
    counts = Counter(train[unit])
    several = sum(count for count in counts.values() if count > 1)
    in_test = test is not None and unit in test.columns and bool(repeats(test[unit]))
    if sample is None or unit not in sample.columns or not (in_test or several > len(train) / 2):
        return columns, []
    note = (
        f"unit column '{unit}': {several:,} rows are pictures of {len(counts):,} things, each of "
        "which is predicted, scored and answered once, as the sample submission asks"
    )
    return replace(columns, id=columns.image, unit=unit), [note]


def _refuse_repeats(table: Csv, columns: Columns) -> None:
    if repeated := repeats(table[columns.id]):
        rows = [row for row, cell in enumerate(table[columns.id]) if cell == repeated[0]]
        raise UserError(
            f"{table.at(rows)}: {shorten_list(quoted(repeated))} of column '{columns.id}' is there more "
            "than once; an id stands for one row: take the repeats out, name another id column, or, "
            f"where a thing has several pictures, write unit = '{columns.id}'"
        )
