"""The columns of a table that say which rows belong together: groups and folds."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Container, Iterable, Sequence

from automask.data.csv_file import Csv, normalize_name
from automask.errors import UserError

LABEL = re.compile(r"(labels?|targets?|class(es)?|categor(y|ies))(name|id)?|y")
GROUP = re.compile(r"groups?|groupid")
PEOPLE = re.compile(
    r"(person|people|patient|subject|user|sender|participant|individual|owner|author)s?(id)?"
)
NO_GROUP = re.compile(r"id|agegroup|bloodgroup|ethnicgroup")
FOLD = re.compile(r"(k|cv|strat(ified)?)?folds?(id|no|num|number|index|idx)?")
MOST_FOLDS = 50


def group_column(
    train: Csv, targets: Iterable[str], skip: Container[str | None]
) -> tuple[str, list[str]]:
    """The group column, by its name only, and a note; "" where there is none that joins some rows.

    What goes with the target is none: if a fold had no row of a value, it had none of a class.
    """
    targets, notes = list(targets), []
    named = {
        column: rank
        for column in train.columns
        if column not in skip and (rank := group_rank(column)) is not None
    }
    joins = [c for c in named if named[c] == 0 or 1 < len(set(train[c])) < len(train)]
    for column in joins:
        if target := next((t for t in targets if goes_with(train[column], train[t])), ""):
            notes.append(
                f"column '{column}' goes with '{target}' and so is no group; group = '{column}' makes "
                "it one"
            )
            named.pop(column)
    joins = [column for column in joins if column in named]
    if not joins:
        return "", notes
    group = min(joins, key=lambda column: named[column])
    unsure = ' (unsure, guessed by its name; group = "" says there is none)'
    notes.append(
        f"group column '{group}': rows that share it stay on one side of a split"
        f"{unsure if named[group] else ''}"
    )
    return group, notes


def goes_with(column: Sequence[str], target: Sequence[str]) -> bool:
    """Whether a column says the target in other words.

    It does where each label has one value in it, or where each value has one label and there are fewer
    than two values a label.
    """
    values, labels = defaultdict(set), defaultdict(set)
    for cell, label in zip(column, target, strict=True):
        if cell.strip():
            values[label.strip()].add(cell)
            labels[cell].add(label.strip())
    rows = sum(bool(cell.strip()) for cell in column)
    if min(len(values), len(labels)) < 2 or len(labels) == rows:
        return False
    fewer = len(labels) < 2 * len(values)
    return all(len(cells) == 1 for cells in values.values()) or (
        fewer and all(len(texts) == 1 for texts in labels.values())
    )


def group_rank(column: str) -> int | None:
    """How surely a column's name says group: 0 for surely, None for not at all."""
    name = normalize_name(column)
    if LABEL.fullmatch(name) or NO_GROUP.fullmatch(name):
        return None
    if GROUP.fullmatch(name):
        return 0
    if PEOPLE.fullmatch(name):
        return 1
    return 2 if name.endswith("group") else 3 if is_id(column) else None


def is_id(column: str) -> bool:
    """Named id, image_id or ImageID, but not paid."""
    return bool(re.search(r"(?:^|[_\W])[iI][dD]$|[a-z]I[dD]$", column))


def fold_column(train: Csv, skip: Container[str | None]) -> tuple[str, str]:
    """The column of the user's own folds, by its name and few values, and a note; "" for none."""
    for column in train.columns:
        count = len({*train[column]})
        few = 1 < count <= min(MOST_FOLDS, len(train) / 2)
        if column not in skip and few and FOLD.fullmatch(normalize_name(column)):
            return column, (
                f"fold column '{column}': its {count} folds are used as they are; folds = '' draws "
                "others"
            )
    return "", ""


def read_folds(train: Csv, column: str) -> list[str] | None:
    """The fold of each row; None where there is no such column.

    Raises `UserError` where a cell is empty, or all rows are of one fold.
    """
    if not column:
        return None
    train.refuse_empty([column])
    folds = [cell.strip() for cell in train[column]]
    if len({*folds}) < 2:
        raise UserError(
            f"{train.path}: column '{column}' has a single fold, '{folds[0]}'; folds = '' draws others"
        )
    return folds
