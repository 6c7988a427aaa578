"""The rows of a table that are of test: which column says so, and of which values they are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container
from dataclasses import dataclass

from automask.data.csv_file import Csv, normalize_name, quoted, shorten_list
from automask.data.folder_kinds import role_of
from automask.errors import UserError, did_you_mean

TRAIN = re.compile(r"train(ing)?(set|data|split)?")
VALIDATION = re.compile(r"(val|valid|validation|dev|devel|development)(set|data|split)?")
TEST = re.compile(
    r"(public|private)?test(ing)?(set|data|split)?|(public|private)|(hold|held)out|eval(uation)?"
)
#: Columns of 0 and 1, and what a 1 says.
FLAGS = {
    "train": re.compile(r"(is)?(train|training)(image|set)?"),
    "validation": re.compile(r"is(val|valid|validation|dev)(set)?"),
    "test": re.compile(r"(is)?test(ing|image|set)?"),
}
ONES, ZEROS = frozenset(("1", "1.0", "true")), frozenset(("0", "0.0", "false"))
#: Columns of parts, if their values were words.
PARTS = re.compile(r"(data)?(split|set|subset|usage|partition)s?")


@dataclass(frozen=True)
class HeldOut:
    """The `column` that tells the parts of a table ("" for none), those of its `values` that are held
    out, and a note on each guess. A value such as "test/" is a folder with all that lies in it."""

    column: str = ""
    values: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """What says the same in `automask.toml`."""
        return f"{self.column}: {', '.join(self.values)}" if self.values else ""

    @property
    def is_folder(self) -> bool:
        """Whether folders tell the parts, so that the column has another meaning beside."""
        return any(value.endswith("/") for value in self.values)

    def rows(self, table: Csv) -> tuple[list[int], list[int]]:
        """The rows to train on, and those held out."""
        sides: tuple[list[int], list[int]] = [], []
        cells = table[self.column] if self.column else [""] * len(table)
        for row, cell in enumerate(cells):
            sides[any(_is_of(cell, value) for value in self.values)].append(row)
        return sides


def find_held_out(train: Csv, line: str | None, skip: Container[str | None]) -> HeldOut:
    """What a line such as "split: test, valid" holds out; guessed where it is None, nothing where "".

    A guess leaves the columns `skip` out. Raises `UserError` where the line can't be read, or names no
    column or value of the table, or all rows.
    """
    return _guess(train, skip) if line is None else _read(train, line)


def _read(train: Csv, line: str) -> HeldOut:
    """What a line such as "split: test, valid" says; "" says that no rows are held out.

    Raises `UserError` where there is no such column or value, or where no rows are left.
    """
    if not line:
        return HeldOut()
    named = (name for name in train.columns if line.startswith(f"{name}:"))
    column = max(named, key=len, default=line.rpartition(":")[0])
    values = tuple(value.strip() for value in line[len(column) + 1 :].split(","))
    if ":" not in line:
        raise UserError(f"held_out: '{line}' isn't a column and its values, such as 'split: test'")
    cells = {cell.strip() for cell in train[column.strip()]}
    for value in values:
        if not any(_is_of(cell, value) for cell in cells):
            raise UserError(
                f"held_out: no row of {train.path} has '{value}' in column '{column}'"
                f"{did_you_mean(value, cells)}"
            )
    if all(any(_is_of(cell, value) for value in values) for cell in cells):
        raise UserError(f"held_out: '{line}' holds out every row of {train.path}")
    return HeldOut(column.strip(), values)


def _guess(train: Csv, skip: Container[str | None]) -> HeldOut:
    """The rows of test by a column whose values say train, validation and test, or by a flag's name."""
    for column in train.columns:
        if column in skip:
            continue
        counts = Counter(cell.strip() for cell in train[column])
        parts = _parts(column, counts)
        if "train" in parts.values() and len({*parts.values()}) > 1:
            return _describe(column, counts, parts)
        if PARTS.fullmatch(normalize_name(column)) and 1 < len(counts) <= 3:
            last = max(counts)
            note = (
                f"column '{column}' holds {shorten_list(quoted(sorted(counts)))}, which may be parts or "
                f"folds: held_out = '{column}: {last}' holds out the rows of {last}, folds = '{column}' "
                "makes them the folds"
            )
            return HeldOut(notes=(note,))
    return _guess_folders(train)


def _guess_folders(train: Csv) -> HeldOut:
    """The rows whose path leads through a folder of test, where others' lead through train's."""
    for column in train.columns:
        counts = Counter(filter(None, map(_part_folder, train[column])))
        parts = {folder: role_of(folder.split("/")[-2]) for folder in counts}
        if {"train", "test"} <= {*parts.values()}:
            return _describe(column, counts, parts)
        if {"train", "validation"} <= {*parts.values()} and not train.files:
            return HeldOut(notes=_describe(column, counts, parts).notes)
    return HeldOut()


def _part_folder(cell: str) -> str:
    """A path as far as the first folder that says a part of a split; "" where none does."""
    folders = cell.strip().replace("\\", "/").split("/")[:-1]
    place = next((at for at, name in enumerate(folders, 1) if role_of(name)), 0)
    return "/".join([*folders[:place], ""]) if place else ""


def _is_of(cell: str, value: str) -> bool:
    """Whether a cell is a value, or lies in the folder that it is."""
    cell = cell.strip()
    return cell.replace("\\", "/").startswith(value) if value.endswith("/") else cell == value


def _parts(column: str, counts: Counter[str]) -> dict[str, str]:
    """What each value of a column says: train, validation or test; nothing where one says none."""
    words = {"train": TRAIN, "validation": VALIDATION, "test": TEST}
    texts = {value: normalize_name(value) for value in counts}
    parts = {v: p for v, text in texts.items() for p, word in words.items() if word.fullmatch(text)}
    if len(parts) == len(counts):
        return parts
    ones = {value for value, text in texts.items() if text in ONES}
    zeros = {value for value, text in texts.items() if text in ZEROS}
    for part, name in FLAGS.items():
        if name.fullmatch(normalize_name(column)) and ones and zeros and ones | zeros == {*counts}:
            other = "test" if part == "train" else "train"
            return dict.fromkeys(ones, part) | dict.fromkeys(zeros, other)
    return {}


def _describe(column: str, counts: Counter[str], parts: dict[str, str]) -> HeldOut:
    test, validation = (
        tuple(value for value in counts if parts[value] == part) for part in ("test", "validation")
    )
    notes = []
    if test:
        notes.append(
            f"column '{column}': the {_count(counts, test)} of {_list(test)} are of test: held "
            "out, and never trained on; held_out = '' trains on them too"
        )
    if validation:
        line = f"{column}: {', '.join((*test, *validation))}"
        notes.append(
            f"column '{column}': the {_count(counts, validation)} of {_list(validation)} are trained on "
            f"and scored by folds like all others; held_out = '{line}' holds them out"
        )
    return HeldOut(column, test, tuple(notes))


def _count(counts: Counter[str], values: tuple[str, ...]) -> str:
    rows = sum(counts[value] for value in values)
    return f"{rows:,} row{'s' * (rows != 1)}"


def _list(values: tuple[str, ...]) -> str:
    return shorten_list(quoted(values))
