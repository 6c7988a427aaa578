"""What kind of target the columns of a table are, guessed from their cells."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from automask.data.csv_file import Csv, normalize_name, quoted, shorten_list
from automask.data.label_sets import guess_separator, split_cell
from automask.data.label_texts import THOUSANDS, strip_blanks
from automask.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from automask.data.truth import Wording

#: Each target is a column of classes; together they are a column a class; a column a label, or cells of
#: labels; or the target is a column of numbers.
KINDS = ("classes", "one_hot", "multi", "number")
FLAGS = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}
DECIMAL = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")
#: Digits that are no number, such as 007.
CODE = re.compile(r"\s*0\d")
#: More values than grades, bands or counts of whole numbers have.
MANY = 20
#: What is measured, so that many whole numbers of it are no classes.
MEASURE = re.compile(r"(bone|patient)?age(in)?(years?|months?|days?)?|count|weight|height|price")


@dataclass(frozen=True)
class Guess:
    """One of `KINDS`, what separates labels in a cell ("" for nothing), and a note on each guess."""

    kind: str
    separator: str = ""
    notes: Sequence[str] = ()


def guess(train: Csv, targets: Sequence[str], wording: Wording, answers: Sequence[str]) -> Guess:
    """The kind of the target columns, where the wording doesn't say it.

    `answers` are the cells of a sample's only answer. Raises `UserError` where the wording doesn't fit
    the columns, or nothing tells how several of them are to be read.
    """
    _refuse_wording(targets, wording)
    kind = wording.kind
    if wording.separator:
        return Guess("multi", wording.separator)
    if len(targets) > 1 and kind is None and not wording.limits:
        return _guess_columns(train, targets, wording.named)
    one_of_classes = kind not in (None, "multi") or are_flags(train, targets) or wording.limits
    if len(targets) > 1 or one_of_classes:
        return Guess(kind or "classes")
    sets = Guess("classes") if wording.separator == "" else _guess_separator(train, targets[0])
    if kind or sets.separator:
        return Guess("multi", sets.separator, sets.notes if sets.separator else ())
    number = _guess_number(train, targets[0], answers)
    return Guess(number.kind, notes=(*sets.notes, *number.notes))


def are_flags(train: Csv, columns: Sequence[str]) -> bool:
    """Whether the columns hold nothing but 0 and 1, or -1 and 1."""
    return all(None not in _flags({*train[column]}) for column in columns)


def flags(train: Csv, columns: Sequence[str]) -> list[list[bool]]:
    """Each column's cells, which are 0 and 1; a `UserError` naming the line of one that isn't."""
    cells = {column: _flags(train[column]) for column in columns}
    for column, values in cells.items():
        if odd := [row for row, flag in enumerate(values) if flag is None]:
            raise UserError(
                f"{train.at(odd)}: {shorten_list(quoted(train[column][row] for row in odd))} of "
                f"column '{column}' is neither 0 nor 1; correct it, take the row out, or name other "
                "columns with target = [...]"
            )
    return [[bool(flag) for flag in values] for values in cells.values()]


def number_texts(cells: Collection[str]) -> list[str | None]:
    """The numbers of a column, as texts with a decimal point; None for a cell that is none.

    Commas stand between thousands where each could, and a cell shows that they do.
    """
    if are_thousands(cells):
        cells = [cell.replace(",", "") for cell in cells]
    return [number_text(cell) for cell in cells]


def are_thousands(cells: Collection[str]) -> bool | None:
    """Whether commas stand between thousands; None where they may be decimal ones as well."""
    texts = [strip_blanks(cell) for cell in cells]
    commas = [text for text in texts if "," in text]
    if not commas or not all(THOUSANDS.fullmatch(text) for text in commas):
        return False
    sure = any(text.count(",") > 1 for text in commas) or any("." in text for text in texts)
    return True if sure else None


def number_text(cell: str) -> str | None:
    """The text of a number, with a decimal point for a comma; None where the cell is no number."""
    text = strip_blanks(cell)
    return text.replace(",", ".") if DECIMAL.fullmatch(text) else None


def _flags(cells: Collection[str]) -> list[bool | None]:
    """What each cell says; None for one that is no flag. Where nothing is 0, -1 stands for it."""
    texts = [strip_blanks(cell).lower() for cell in cells]
    signs = {*texts} <= {"1", "-1"}
    return [False if signs and text == "-1" else FLAGS.get(text) for text in texts]


def _refuse_wording(targets: Sequence[str], wording: Wording) -> None:
    kind, separator = wording.kind, wording.separator
    if kind is not None and kind not in KINDS:
        raise UserError(f"kind: '{kind}' is none of {', '.join(KINDS)}{did_you_mean(kind, KINDS)}")
    if separator and kind not in (None, "multi"):
        raise UserError(f"separator = '{separator}' reads several labels, kind = '{kind}' doesn't")
    one = f"separator = '{separator}'" if separator else f"kind = '{kind}'"
    if len(targets) > 1 and (separator or kind == "number"):
        raise UserError(f"{one} is for one target, not for {shorten_list(quoted(targets))}")
    if len(targets) == 1 and kind == "one_hot":
        raise UserError(f"{one} is for a column a class, not for '{targets[0]}' alone")
    if wording.limits and kind not in (None, "classes"):
        raise UserError(f"limits make classes of a number, which {one} isn't: take one of them out")


def _guess_columns(train: Csv, targets: Sequence[str], named: bool) -> Guess:
    """Several columns."""
    names = shorten_list(quoted(targets), most=6)
    if not are_flags(train, targets):
        measured = [name for name in targets if _number_rank(name, train[name]) == 2]
        if measured and not named:
            raise UserError(
                f"{train.path}: the targets {shorten_list(quoted(measured))} look like numbers, and "
                f"only one can be learnt: say which with target = '{measured[0]}', or name those "
                "that are classes with target = [...]"
            )
        return Guess("classes")
    if named and len(targets) == 2:
        return Guess("classes")
    sums = {sum(cells) for cells in zip(*flags(train, targets), strict=True)}
    if sums == {1}:
        note = (
            f"the {len(targets)} target columns {names} are the classes, as each row has a single 1: "
            "kind = 'multi' takes them for labels, kind = 'classes' each for a target of its own"
        )
        return Guess("one_hot", notes=[note])
    note = (
        f"the {len(targets)} target columns {names} are labels, from {min(sums)} to {max(sums)} of them "
        "a row: kind = 'classes' takes each for a target of its own"
    )
    return Guess("multi", notes=[note])


def _guess_separator(train: Csv, target: str) -> Guess:
    """One column, whose cells may have several labels."""
    cells = {*train[target]}
    separator, sure = guess_separator(cells)
    if not separator:
        return Guess("classes")
    sets = {cell: split_cell(cell, separator) for cell in sorted(cells)}
    several = [cell for cell in sets if len(sets[cell]) > 1]
    such = f"column '{target}' has cells such as {shorten_list(quoted(several), most=2)}"
    if not sure:
        note = f"{such}, each taken for one label: separator = '{separator}' reads several in them"
        return Guess("classes", notes=[note])
    count = len({label for labels in sets.values() for label in labels})
    note = (
        f"{such}, read as several of {count} labels with '{separator}' between them: separator = '' "
        "takes each cell for one label"
    )
    return Guess("multi", separator, [note])


def _guess_number(train: Csv, target: str, answers: Sequence[str]) -> Guess:
    """One column that may be a number."""
    rank = _number_rank(target, train[target], answers)
    texts = number_texts(train[target])
    values = sorted(float(text or "nan") for text in texts) if rank else []
    if rank == 1:
        note = (
            f"the {len({*values})} whole numbers of target '{target}' are taken for classes: "
            "kind = 'number' with metric = 'rmse' trains a number"
        )
        return Guess("classes", notes=[note])
    if not rank:
        return Guess("classes")
    thirds = (values[len(values) * part // 3] for part in (1, 2))
    limits = ", ".join(dict.fromkeys(f"{float(f'{third:.2g}'):g}" for third in thirds))
    note = (
        f"target '{target}' looks like a number, from {values[0]:g} to {values[-1]:g}, and is trained "
        f"as one: for classes write limits = '{target}: {limits}', or kind = 'classes' where each "
        "number is one, in place of kind = 'number', and metric = 'macro_f1'"
    )
    return Guess("number", notes=[note])


def _number_rank(name: str, cells: Sequence[str], answers: Sequence[str] = ()) -> int:
    """How surely a column is a number rather than classes: 0 for not at all, 2 for surely."""
    texts = number_texts({*cells})
    values = {float(text) for text in texts if text is not None}
    if None in texts or any(CODE.match(cell) for cell in cells):
        return 0
    distinct, rows = len(values), len(cells)
    if not all(value.is_integer() for value in values):
        return 2 if distinct > MANY or (distinct > 5 and distinct > rows / 4) else 0
    if distinct <= 5:
        return 0
    asked = [float(text) for text in map(number_text, answers) if text is not None]
    fractions = any(not value.is_integer() and value > 1 for value in asked)
    if fractions or distinct > max(10, rows / 2):
        return 2
    if distinct <= MANY:
        return 0
    return 2 if MEASURE.fullmatch(normalize_name(name)) else 1
