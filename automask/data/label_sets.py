"""Several labels in one cell: whether a column has them, what separates them, and which they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

from automask.data.label_texts import THOUSANDS

SEPARATORS = ("|", ";", ",", " ")
BRACKETS = ("[]", "()", "{}")


def split_cell(cell: str, separator: str) -> list[str]:
    """The labels in a cell, brackets around it and quotes around them taken away.

    >>> split_cell("rust scab", " "), split_cell("['a', 'b']", ","), split_cell("", " ")
    (['rust', 'scab'], ['a', 'b'], [])
    """
    cell = cell.strip()
    inside = cell[1:-1] if _in_brackets(cell) else cell
    parts = (part.strip().strip("'\"").strip() for part in inside.split(separator))
    return list(dict.fromkeys(part for part in parts if part))


def guess_separator(cells: Collection[str]) -> tuple[str, bool]:
    """What separates the labels in the cells of a column ("" for nothing), and whether it is sure.

    Labels are a set where its parts recur: as a label by themselves, or beside others. Words with blanks
    between them are one label (``not wear``), unless each of them is a label by itself somewhere.
    """
    different = {cell.strip() for cell in cells}
    for separator in SEPARATORS:
        if sure := _recur(different, separator):
            return separator, sure == "sure"
    return "", True


def _recur(cells: Collection[str], separator: str) -> str:
    """How surely the separator makes sets of the cells: "sure", "perhaps" or ""."""
    parts = {cell: split_cell(cell, separator) for cell in cells if cell}
    several = [cell for cell in parts if len(parts[cell]) > 1]
    if not several or any(_plain_parts(cell, separator) > len(parts[cell]) for cell in several):
        return ""
    cells_of: dict[str, int] = defaultdict(int)
    for labels in parts.values():
        for label in labels:
            cells_of[label] += 1
    alone = {labels[0] for labels in parts.values() if len(labels) == 1}
    inside = {label for cell in several for label in parts[cell]}
    numbers = all(label.lstrip("-").isdecimal() for label in cells_of)
    most = max(len(parts[cell]) for cell in several)
    if separator == "," and numbers and most < 3 and not any(map(_in_brackets, cells)):
        return ""  # a decimal comma
    if separator == "," and all(map(THOUSANDS.fullmatch, several)):
        return ""
    if all(map(_in_brackets, parts)) or inside <= alone:
        return "sure"
    recurring = sum(cells_of[label] > 1 for label in inside)
    # A comma or a blank can be within a name.
    if recurring <= (0 if numbers or separator in "|;" else len(inside) / 2):
        return ""
    return "sure" if numbers or separator != " " else "perhaps"


def _plain_parts(cell: str, separator: str) -> int:
    return len([part for part in cell.split(separator) if part.strip()])


def _in_brackets(cell: str) -> bool:
    return len(cell) > 1 and cell[0] + cell[-1] in BRACKETS


def label_order(labels: Collection[str]) -> list[str]:
    """The labels in their order: numbers by their size, else by their texts."""
    numbers = all(label.isdecimal() for label in labels)
    return sorted(labels, key=lambda label: (int(label) if numbers else 0, label))


def membership(sets: Sequence[Collection[str]], labels: Sequence[str]) -> dict[str, list[str]]:
    """A column `[N]` a label, of "1" for the rows whose set has it and "0" for the others."""
    columns = {label: ["0"] * len(sets) for label in labels}
    for row, names in enumerate(sets):
        for name in names:
            columns[name][row] = "1"
    return columns
