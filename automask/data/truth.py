"""What the target columns of a table say: classes, labels, or numbers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from automask.data import target_kinds
from automask.data.csv_file import Csv, quoted, shorten_list
from automask.data.label_sets import label_order, membership, split_cell
from automask.data.label_texts import clean_labels, label_notes, merge_labels, refuse_unused
from automask.errors import UserError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Wording:
    """How the user says that target columns are to be read.

    `kind` (see `target_kinds.KINDS`) and `separator` are None where they are to be guessed; `merge`
    maps labels to others, `limits` are the columns that have limits; `named` says that the user named
    the columns.
    """

    kind: str | None = None
    separator: str | None = None
    merge: Mapping[str, str] = field(default_factory=dict)
    limits: Collection[str] = ()
    named: bool = False


@dataclass(frozen=True)
class Truth:
    """The labels of N rows, with `kind` and `metric` as `Tables` has them.

    `joined` says that rows of one file are one row that has the labels of all. `arguments` are the
    reader's that say the same without guessing, `notes` a sentence on each guess.
    """

    attributes: pd.DataFrame
    kind: str = "single"
    metric: str = ""
    joined: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()


def read_truth(
    train: Csv, targets: Sequence[str], wording: Wording, answers: Sequence[str] = ()
) -> Truth:
    """The labels in the target columns; `answers` are the cells of a sample's only answer.

    Raises `UserError` where a cell is empty or isn't of its kind, naming its line, and where the kind
    can't be told.
    """
    import pandas as pd

    guess = target_kinds.guess(train, targets, wording, answers)
    kind, separator = guess.kind, guess.separator
    sets = kind == "multi" and len(targets) == 1 and not target_kinds.are_flags(train, targets)
    if not separator:
        train.refuse_empty(targets)
    notes = list(guess.notes)
    if sets:
        columns, more = _label_sets(train, targets[0], separator, wording)
    else:
        read = {
            "classes": _classes,
            "one_hot": _class_columns,
            "multi": _label_columns,
            "number": _numbers,
        }
        columns, more = read[kind](train, targets, wording)
    arguments: dict[str, Any] = {"separator": separator} if separator else {}
    if wording.separator == "":
        arguments["separator"] = ""
    if wording.kind or (kind != "classes" and not separator):
        arguments["kind"] = kind
    if wording.merge:
        arguments["merge"] = dict(wording.merge)
    return Truth(
        pd.DataFrame(columns, index=range(len(train)), dtype=str),
        kind={"multi": "multi", "number": "number"}.get(kind, "single"),
        metric="rmse" if kind == "number" else "",
        joined=sets and not separator,
        arguments=arguments,
        notes=[*notes, *more],
    )


Columns = dict[str, list[str]]


def _classes(train: Csv, targets: Sequence[str], wording: Wording) -> tuple[Columns, list[str]]:
    """A column of classes for each target."""
    columns, notes = {name: train[name] for name in targets}, []
    for name in targets:
        if name not in wording.limits:
            columns[name], more = clean_labels(name, columns[name])
            notes += more
    merged = {n: merge_labels(texts, wording.merge) for n, texts in columns.items()}
    refuse_unused(wording.merge, {text for texts in columns.values() for text in texts})
    texts = {name: column for name, column in merged.items() if name not in wording.limits}
    return merged, notes + label_notes(texts, wording.merge)


def _class_columns(
    train: Csv, targets: Sequence[str], wording: Wording
) -> tuple[Columns, list[str]]:
    """The class of each row, of a column a class."""
    rows = list(zip(*target_kinds.flags(train, targets), strict=True))
    if odd := [row for row, cells in enumerate(rows) if sum(cells) != 1]:
        raise UserError(
            f"{train.at(odd)}: kind = 'one_hot' wants a single 1 in the columns "
            f"{shorten_list(quoted(targets))}; correct it, or write kind = 'multi' for labels"
        )
    labels = [targets[cells.index(True)] for cells in rows]
    refuse_unused(wording.merge, {*labels})
    labels = merge_labels(labels, wording.merge)
    return {"label": labels}, label_notes({"label": labels}, wording.merge)


def _label_columns(
    train: Csv, targets: Sequence[str], wording: Wording
) -> tuple[Columns, list[str]]:
    """A column a label."""
    refuse_unused(wording.merge, targets)
    rows = zip(*target_kinds.flags(train, targets), strict=True)
    labels = merge_labels(targets, wording.merge)
    sets = [[name for name, has in zip(labels, cells, strict=True) if has] for cells in rows]
    return membership(sets, list(dict.fromkeys(labels))), []


def _label_sets(
    train: Csv, target: str, separator: str, wording: Wording
) -> tuple[Columns, list[str]]:
    """A column a label, of cells that have several, or one each where there is no separator."""
    cells = train[target]
    sets = [split_cell(cell, separator) if separator else [cell] for cell in cells]
    texts, notes = clean_labels(target, [label for labels in sets for label in labels])
    refuse_unused(wording.merge, {*texts})
    merged = merge_labels(texts, wording.merge)
    notes += label_notes({target: merged}, wording.merge)
    rest = iter(merged)
    sets = [[next(rest) for _ in labels] for labels in sets]
    if empty := sum(not labels for labels in sets):
        notes.append(f"{empty:,} row{'s' * (empty > 1)} of column '{target}' have no label")
    return membership(sets, label_order({*merged})), notes


def _numbers(train: Csv, targets: Sequence[str], wording: Wording) -> tuple[Columns, list[str]]:
    """The numbers of a column, as texts with a decimal point."""
    (target,) = targets
    if target_kinds.are_thousands(train[target]) is None:
        odd = [row for row, cell in enumerate(train[target]) if "," in cell]
        raise UserError(
            f"{train.at(odd)}: '{train[target][odd[0]]}' in column '{target}' is a number of thousands "
            "or has a decimal comma; write the numbers without commas"
        )
    texts = target_kinds.number_texts(train[target])
    if odd := [row for row, text in enumerate(texts) if text is None]:
        cells = shorten_list(quoted(train[target][row] for row in odd))
        raise UserError(
            f"{train.at(odd)}: {cells} in column '{target}' isn't a number; correct it, take the row "
            "out, or write kind = 'classes'"
        )
    return {target: [text for text in texts if text is not None]}, []
