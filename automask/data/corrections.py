"""Corrected labels: kept in `corrections.csv` beside `automask.toml`, and never in the data."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from automask.data.csv_file import Csv, quoted, read_csv, shorten_list
from automask.data.tables import Numeric, Tables
from automask.errors import UserError, did_you_mean
from automask.storage.files import atomic_write, file_digest
from automask.target import MULTI, SINGLE

#: A column of a file of suspects: the label as it was when the file was written.
GIVEN = "given_"


@dataclass(frozen=True)
class Correction:
    """A row's label of one target: what the data say, what counts instead, and who says so.

    `file` and `sha256` are of the file that it came in; `where` tells a person where it stands.
    """

    id: str
    target: str
    old: str
    new: str
    date: str
    file: str
    sha256: str
    source: str = ""
    note: str = ""
    where: str = ""


COLUMNS = tuple(field.name for field in fields(Correction) if field.name != "where")


def load(file: Path) -> list[Correction]:
    """What was corrected; nothing where there is no such file."""
    if not file.is_file():
        return []
    table = read_csv(file)
    table.refuse_empty(("id", "target", "old", "new"))
    columns = [table[column] for column in COLUMNS]
    corrections = [
        Correction(**dict(zip(COLUMNS, cells, strict=True)), where=table.at([row]))
        for row, cells in enumerate(zip(*columns, strict=True))
    ]
    seen: set[tuple[str, str]] = set()
    for correction in corrections:
        if (key := (correction.id, correction.target)) in seen:
            raise UserError(
                f"{correction.where}: '{correction.id}' is there more than once for "
                f"'{correction.target}'; take one of them out"
            )
        seen.add(key)
    return corrections


def save(corrections: Sequence[Correction], file: Path) -> None:
    """Write the file, or remove it where nothing is corrected."""
    if not corrections:
        file.unlink(missing_ok=True)
        return
    with atomic_write(file) as beside, open(beside, "w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([getattr(c, column) for column in COLUMNS] for c in corrections)


def apply(tables: Tables, corrections: Sequence[Correction]) -> Tables:
    """The tables with those labels instead.

    A number behind a target moves with its label: to the number that is given or, where a band is, to
    the median of the band's rows. Raises `UserError` where an id, a target, a label or their
    combination is none of train's, or where train says something else than it did.
    """
    if not corrections:
        return tables
    train = tables.train
    rows = _rows(tables)
    attributes = {str(name): train.attributes[name].tolist() for name in train.attributes}
    numbers = {name: numeric.values.copy() for name, numeric in tables.numbers.items()}
    labels = {name: _labels(tables.kind, column) for name, column in attributes.items()}
    combinations = set(zip(*attributes.values(), strict=True))
    for c in corrections:
        row, target = _find(c, rows), c.target
        if target not in labels:
            raise UserError(f"{c.where}: '{target}' is no target{did_you_mean(target, labels)}")
        now, numeric = attributes[target][row], tables.numbers.get(target)
        label, texts = _label(c.new, numeric), labels[target]
        if texts is None and not math.isfinite(_value(label)):
            raise UserError(f"{c.where}: '{c.new}' is no number, as '{target}' is in the data")
        if texts is not None and label not in texts:
            raise UserError(
                f"{c.where}: '{c.new}' is no label of '{target}' in the data"
                f"{did_you_mean(c.new, texts)}"
            )
        if now not in (c.old, label):
            raise UserError(
                f"{c.where}: '{c.id}' was '{c.old}' when it was corrected, and the data say '{now}' "
                "now; take the line out, or put the data back"
            )
        attributes[target][row] = label
        if numeric is not None:
            numbers[target][row] = _number(c.new, label, numeric)
    for c in corrections:
        combination = tuple(column[rows[c.id]] for column in attributes.values())
        if tables.kind == SINGLE.name and combination not in combinations:
            raise UserError(
                f"{c.where}: no row of the data is {' × '.join(combination)}, and a class that train "
                "doesn't have can't be learnt from a correction"
            )
    return replace(
        tables,
        train=replace(train, attributes=pd.DataFrame(attributes, dtype=str)),
        numbers={name: replace(n, values=numbers[name]) for name, n in tables.numbers.items()},
    )


@dataclass(frozen=True)
class Outcome:
    """All corrections that hold after a file was read, how many labels it corrected, put back and left
    as they were, and the targets that it doesn't have. `flows` counts (target, from, to)."""

    corrections: list[Correction]
    corrected: int
    undone: int
    same: int
    left_alone: list[str]
    flows: Mapping[tuple[str, str, str], int]


def relabel(path: Path, tables: Tables, earlier: Sequence[Correction]) -> Outcome:
    """Take the labels of a CSV: a column of ids, and one for each target that it corrects.

    `tables` are without corrections, `earlier` those so far. Of a file of suspects only the cells that
    were edited count. Raises `UserError` where the file doesn't fit the data.
    """
    table = read_csv(path)
    ids = _id_column(table, tables)
    table.refuse_empty([ids])
    table.refuse_repeats(ids)
    targets = [str(name) for name in tables.train.attributes]
    present = [target for target in targets if target in table.columns]
    if not present:
        options = quoted(targets)
        raise UserError(
            f"{path} has no column of labels: it needs one named {' or '.join(options)} (it has "
            f"{shorten_list(quoted(table.columns))})"
        )
    table.refuse_empty(present)
    now, rows = apply(tables, earlier), _rows(tables)
    facts = (datetime.now(UTC).isoformat(timespec="seconds"), path.name, file_digest(path))
    remarks = [table.columns.get(column, [""] * len(table)) for column in ("source", "note")]
    by_cell = {(c.id, c.target): c for c in earlier}
    corrected = undone = same = 0
    flows: dict[tuple[str, str, str], int] = {}
    for line, name in enumerate(table[ids]):
        for target in present:
            new = table[target][line]
            original = table.columns.get(GIVEN + target)
            correction = Correction(name, target, "", new, *facts, where=table.at([line]))
            row = _find(correction, rows)
            if (original and original[line] == new) or _says(now, target, row, new):
                same += 1
                continue
            old, before = (t.train.attributes[target].iloc[row] for t in (tables, now))
            label = _label(new, tables.numbers.get(target))
            flows[target, before, label] = flows.get((target, before, label), 0) + 1
            if _says(tables, target, row, new):
                del by_cell[name, target]
                undone += 1
                continue
            source, note = (column[line] for column in remarks)
            by_cell[name, target] = replace(correction, old=old, source=source, note=note)
            corrected += 1
    corrections = list(by_cell.values())
    apply(tables, corrections)
    left_alone = [target for target in targets if target not in present]
    return Outcome(corrections, corrected, undone, same, left_alone, flows)


def correction_notes(file: Path) -> list[str]:
    """A sentence on how many labels the file corrects; none where it is none."""
    count = len(load(file))
    return [f"{count:,} label{'s' * (count != 1)} corrected by {file}"] if count else []


def _id_column(table: Csv, tables: Tables) -> str:
    options = dict.fromkeys([tables.id_column, "id"])
    name = next((column for column in options if column in table.columns), None)
    if name is None:
        raise UserError(
            f"{table.path} has no column of ids: it needs one named {' or '.join(quoted(options))} "
            f"(it has {shorten_list(quoted(table.columns))})"
        )
    return name


def _rows(tables: Tables) -> dict[str, int]:
    return {name: row for row, name in enumerate(tables.train.ids)}


def _find(c: Correction, rows: Mapping[str, int]) -> int:
    if c.id not in rows:
        # Of thousands of ids, none is worth listing.
        near = did_you_mean(c.id, rows)
        raise UserError(f"{c.where}: '{c.id}' is no id of train{near if '?' in near else ''}")
    return rows[c.id]


def _labels(kind: str, texts: Sequence[str]) -> set[str] | None:
    """What a target's label can be corrected to; None where that is any number."""
    if kind == SINGLE.name:
        return set(texts)
    return {"0", "1"} if kind == MULTI.name else None


def _label(text: str, numeric: Numeric | None) -> str:
    """The class that a text means: itself, or the band of a number."""
    if numeric is None or text in numeric.bands or not math.isfinite(value := _value(text)):
        return text
    return replace(numeric, values=np.array([value])).texts[0]


def _number(text: str, label: str, numeric: Numeric) -> float:
    value = _value(text)
    if text not in numeric.bands and math.isfinite(value):
        return value
    return float(np.median(numeric.values[np.array(numeric.texts) == label]))


def _value(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _says(tables: Tables, target: str, row: int, text: str) -> bool:
    """Do the tables give the row that label, or that number?"""
    numeric = tables.numbers.get(target)
    if tables.train.attributes[target].iloc[row] == text:
        return True
    return numeric is not None and text not in numeric.bands and numeric.values[row] == _value(text)
