"""Rows that are both trained on and predicted, told by their files."""

from __future__ import annotations

import filecmp
from pathlib import Path

from automask.data.csv_file import quoted, shorten_list
from automask.data.tables import Rows
from automask.errors import UserError


def refuse_shared(train: Rows, test: Rows) -> None:
    """Raise `UserError` where a test row's file is one of train's.

    It is where it is the same file, or has the content of the train row of the same id. Two tables may
    number different pictures alike.
    """
    files, by_id = {*train.paths}, dict(zip(train.ids, train.paths, strict=False))
    shared = []
    for name, path in zip(test.ids, test.paths, strict=False):
        twin = by_id.get(name)
        if path in files or (twin is not None and _same_content(twin, path)):
            shared.append(name)
    if shared:
        raise UserError(
            f"train and test share {len(shared)} images, such as {shorten_list(quoted(shared))}: a test "
            "row that is also trained on has no honest score; remove it from one of them"
        )


def _same_content(a: Path, b: Path) -> bool:
    try:
        return filecmp.cmp(a, b, shallow=False)
    except OSError:  # what can't be read is told where it is decoded
        return False
