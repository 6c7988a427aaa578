"""A CSV kept as text: found in a folder, read, and what is wrong with it remarks to people."""

from __future__ import annotations

import csv
import io
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from automask.data.table_text import read_text
from automask.errors import UserError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd


CSV_STEMS = {
    "train": ("train", "training", "trainlabels", "traininglabels", "trainset", "labels"),
    "test": ("test", "testing", "testset"),
    "sample": ("samplesubmission", "samplesub", "submissionformat", "submissionsample"),
}
IMAGE_NAME = re.compile(
    r".+\.(jpe?g|jfif|png|bmp|webp|gif|tiff?|heic|avif|p[gpn]m|dcm)", re.IGNORECASE
)
TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
SHOWN = 3  # how many bad things a sentence names before it counts the rest


@dataclass(frozen=True)
class Csv:
    """A table as text: its columns by name, and the line of the file on which each row starts.

    `notes` tells what was mended to read it, a sentence each. `pictures` is the folder of the images
    that the table itself has in its cells. `files` has each row's file where they come from several.
    """

    path: Path
    columns: dict[str, list[str]]
    lines: list[int]
    notes: tuple[str, ...] = ()
    pictures: Path | None = None
    files: tuple[Path, ...] = ()

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, column: str) -> list[str]:
        """The cells of a column; a `UserError` with a suggestion where there is no such column."""
        if column not in self.columns:
            raise UserError(
                f"{self.path} has no column '{column}'{did_you_mean(column, self.columns)}"
            )
        return self.columns[column]

    def frame(self, columns: Iterable[str]) -> pd.DataFrame:
        """Some of the columns as text."""
        import pandas as pd

        cells = {column: self[column] for column in columns}
        return pd.DataFrame(cells, index=range(len(self)), dtype=str)

    def take(self, rows: Sequence[int]) -> Csv:
        """Some of the rows."""
        columns = {name: [cells[row] for row in rows] for name, cells in self.columns.items()}
        files = tuple(self.files[row] for row in rows) if self.files else ()
        return replace(self, columns=columns, lines=[self.lines[row] for row in rows], files=files)

    def at(self, rows: Sequence[int]) -> str:
        """Where those rows are, as a person counts lines."""
        files = [self.files[row] if self.files else self.path for row in rows]
        rows = [row for row, file in zip(rows, files, strict=True) if file == files[0]]
        lines = shorten_list([str(self.lines[row]) for row in rows])
        more = f" and {len(files) - len(rows)} of other files" if len(files) > len(rows) else ""
        return f"{files[0]}, {'line' if len(rows) == 1 else 'lines'} {lines}{more}"

    def refuse_empty(self, columns: Iterable[str]) -> None:
        """Raise `UserError` where a cell of the columns is empty."""
        for column in columns:
            if rows := [row for row, cell in enumerate(self[column]) if not cell.strip()]:
                raise UserError(
                    f"{self.at(rows)}: column '{column}' is empty; fill it in or take the row out"
                )

    def refuse_repeats(self, column: str) -> None:
        """Raise `UserError` where a cell of the column is there more than once."""
        if repeated := repeats(self[column]):
            rows = [row for row, cell in enumerate(self[column]) if cell == repeated[0]]
            raise UserError(
                f"{self.at(rows)}: {shorten_list(quoted(repeated))} of column '{column}' is "
                f"there more than "
                "once; an id stands for one row, so take the repeats out or name another id column"
            )


def read_csv(path: Path) -> Csv:
    """Read a CSV as text, separated as its header is, its cells without the blanks around them.

    A header that names an image is a row, and the columns are given names; columns and rows without any
    text are left out, and so is a header that comes again. Raises `UserError` where it can't be read,
    has no rows, or a row doesn't fit the header.
    """
    text, notes = read_text(path)
    try:
        rows = list(split_rows(text))
    except csv.Error as error:
        raise UserError(f"{path}: can't be read as CSV: {error}") from error
    if rows and any(map(is_image_name, rows[0][1])):
        header = _missing_header(rows[0][1])
        names = shorten_list(quoted(header), most=20)
        notes.append(f"{path.name} has no header: its columns are called {names}")
        rows.insert(0, (0, header))
    return build_csv(path, rows, notes)


def build_csv(path: Path, rows: Sequence[tuple[int, list[str]]], notes: Sequence[str] = ()) -> Csv:
    """A table of rows of text, each with its line, the header first.

    Raises `UserError` as `read_csv` does.
    """
    if len(rows) < 2:
        raise UserError(f"{path} has {'no rows below its header' if rows else 'nothing in it'}")
    (_, header), *rows = rows
    again = [row for row in rows if row[1] == header]
    rows = [(line, _fit(cells, header)) for line, cells in rows if cells != header]
    for line, cells in rows:
        if len(cells) != len(header):
            raise UserError(
                f"{path}, line {line}: {len(cells)} cells where the header has {len(header)}; "
                "look for a separator or a quote too few or too many"
            )
    filled = [n for n, name in enumerate(header) if name or any(cells[n] for _, cells in rows)]
    names = [header[n] or f"Unnamed: {n}" for n in filled]  # as pandas calls them
    if twice := repeats(names):
        raise UserError(
            f"{path} has more than one column {shorten_list(quoted(twice))}; rename one"
        )
    raw = {name: [cells[n] for _, cells in rows] for name, n in zip(names, filled, strict=True)}
    columns = {name: [cell.strip() for cell in cells] for name, cells in raw.items()}
    remarks = list(notes)
    if empty := len(header) - len(filled):
        remarks.append(f"{path.name}: {empty} columns without a name and a cell are left alone")
    if again:
        remarks.append(f"{path.name}: the header comes again in {len(again)} rows, left alone")
    for name, cells in raw.items():
        values = set(cells)
        if len(values) > len(set(columns[name])):
            example = min(cell for cell in values if cell != cell.strip())
            remarks.append(
                f"{path.name}: blanks around cells of '{name}' are taken off ('{example}')"
            )
    return Csv(path, columns, [line for line, _ in rows], tuple(remarks))


def _fit(cells: list[str], header: Sequence[str]) -> list[str]:
    """A row without empty cells beyond its header, or with those that only nameless columns lack."""
    width = len(header)
    if not any(cells[width:]):
        cells = cells[:width]
    return cells + [""] * (width - len(cells)) if not any(header[len(cells) :]) else cells


def _missing_header(cells: Sequence[str]) -> list[str]:
    image = next(n for n, cell in enumerate(cells) if is_image_name(cell))
    other = "label" if len(cells) == 2 else ""
    return ["image" if n == image else other or f"column {n + 1}" for n in range(len(cells))]


def split_rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Each row of a CSV that isn't blank, the header's without blanks, with the line where it starts.

    The header tells what separates, or a line ``sep=;`` before it, which Excel writes.
    """
    start, delimiter = 1, ""
    if mark := re.match(r"sep=([^\r\n])(?:\r\n|\r|\n)", text, re.IGNORECASE):
        start, delimiter, text = 2, mark[1], text[mark.end() :]
    first = re.split(r"[\r\n]", text.lstrip("\r\n"), maxsplit=1)[0]
    # The first of the widest: a comma where nothing separates.
    delimiter = delimiter or max(
        ",;\t|", key=lambda mark: len(next(csv.reader([first], delimiter=mark), []))
    )
    lines = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=delimiter != " "
    )
    above, is_header = start - 1, True
    for cells in lines:
        if any(cell.strip() for cell in cells):
            yield start, [cell.strip() for cell in cells] if is_header else cells
            is_header = False
        start = above + lines.line_num + 1


def find_csv(folder: Path, role: str, choice: str | None = None) -> tuple[str | None, str]:
    """The name of the folder's train, test or sample table, and a note where it was a choice.

    `choice` names it, "" says there is none; None comes back where none is found. Raises `UserError`
    where the given one isn't there, or where several fit equally well.
    """
    _, _, files = next(os.walk(folder), ("", [], []))
    suffixes = ".csv" if role == "sample" else TABLE_SUFFIXES
    names = sorted(f for f in files if f.lower().endswith(suffixes) and not f.startswith("."))
    if choice is not None:
        if choice and not (folder / choice).is_file():
            raise UserError(f"{folder / choice} isn't there{did_you_mean(choice, names)}")
        return choice, ""
    ranks = {name: _rank(name, role) for name in names}
    ranked = sorted((rank, name) for name, rank in ranks.items() if rank is not None)
    if not ranked:
        return None, ""
    (best, name), *rest = ranked
    if rest and rest[0][0] == best:
        raise UserError(
            f"{folder} has {name} and {rest[0][1]}; say which one to read with {role} = '{name}'"
        )
    others = ", ".join(other for _, other in rest)
    return name, f"{name} is the {role} table, {others} is left alone" if others else ""


def _rank(name: str, role: str) -> int | None:
    stem, stems = normalize_name(Path(name).stem), CSV_STEMS[role]
    if stem in stems:
        return stems.index(stem)
    return len(stems) if role == "sample" and stem.startswith(stems[0]) else None


def normalize_name(name: str) -> str:
    """A name without case and separators: Train_Labels and train-labels are both trainlabels."""
    return "".join(character for character in name.lower() if character not in "_- ")


def is_image_name(cell: str) -> bool:
    """Whether a cell can only be the name of an image, by its extension."""
    return bool(IMAGE_NAME.fullmatch(cell))


def repeats(values: Iterable[str]) -> list[str]:
    """The values that are there more than once."""
    return [value for value, count in Counter(values).items() if count > 1]


def quoted(values: Iterable[str]) -> list[str]:
    """Each as a sentence names it: 'like this'."""
    return [f"'{value}'" for value in values]


def shorten_list(values: Sequence[str], most: int = SHOWN) -> str:
    """The first of them, and how many more there are."""
    rest = len(values) - most
    return ", ".join(values[:most]) + (f" and {rest} more" if rest > 0 else "")
