"""Image files that can't be read to their end: what becomes of their rows, decided as a study begins.

A row of train is left out or stops the search. A row of test has its place in a submission, and is
predicted by as much of its image as can be read.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

from automask.data.csv_file import read_csv
from automask.data.dataset import Dataset
from automask.diagnostics.near_duplicates import UNREADABLE, cached_pairs
from automask.errors import UserError
from automask.storage.files import atomic_write
from automask.storage.study_store import StudyStore

STOP, SKIP = "stop", "skip"
LEFT_OUT, STOPPED = "left out", "stops a search"
PARTLY, GREY = "read as far as it goes", "predicted from a grey image"
#: So many are named in a sentence.
SHOWN = 10


@dataclass(frozen=True)
class BadImage:
    """A row whose image can't be read to its end, why, and what becomes of it."""

    table: str
    id: str
    path: str
    problem: str
    result: str


COLUMNS = tuple(field.name for field in fields(BadImage))


def find(data: Dataset, store: StudyStore) -> list[BadImage]:
    """Those of a data set, train's first; every file is read once, for the near-duplicates too."""
    tables = [("train", data.train)] + ([("test", data.test)] if data.test else [])
    rows = [(name, row, rows) for name, rows in tables for row in range(len(rows))]
    problems = cached_pairs(data.paths, store, data.depth).problems.tolist()
    bad = []
    for (table, row, rows_of), problem in zip(rows, problems, strict=True):
        if problem:
            result = GREY if problem.endswith(UNREADABLE) else PARTLY
            result = LEFT_OUT if table == "train" else result
            bad.append(BadImage(table, rows_of.ids[row], str(rows_of.paths[row]), problem, result))
    return bad


def refuse_unknown(choice: str) -> None:
    """Raise `UserError` where nobody can choose that."""
    if choice not in (STOP, SKIP):
        raise UserError(f"--on-bad-image {choice}: {STOP} or {SKIP}")


def refuse(bad: Sequence[BadImage], choice: str, total: int, file: Path) -> None:
    """Raise `UserError` where rows of train are bad and the user's choice is to stop, with all bad rows
    in a CSV, which goes once that is settled."""
    train = [one for one in bad if one.table == "train"]
    if not train or choice == SKIP:
        file.unlink(missing_ok=True)
        return
    file.parent.mkdir(exist_ok=True)
    save([replace(one, result=STOPPED) if one in train else one for one in bad], file)
    listed = "\n  ".join(one.problem for one in train[:SHOWN])
    more = f"\n  and {len(train) - SHOWN} more" if len(train) > SHOWN else ""
    raise UserError(
        f"{len(train):,} of {total:,} train images can't be read; mend them, or leave their rows "
        f"out with --on-bad-image skip ({file} lists them):\n  {listed}{more}"
    )


def describe(bad: Sequence[BadImage], file: Path) -> list[str]:
    """Sentences on what became of such rows, which `file` lists."""
    sentences = []
    for result in (LEFT_OUT, PARTLY, GREY):
        rows = [one for one in bad if one.result == result]
        if rows:
            names = ", ".join(one.id for one in rows[:3]) + (", …" if len(rows) > 3 else "")
            sentences.append(
                f"{len(rows):,} {rows[0].table} image{'s' * (len(rows) > 1)} can't be read to the end "
                f"({names}): {result}; see {file}"
            )
    return sentences


def describe_test(bad: Sequence[BadImage], data: Dataset, file: Path) -> list[str]:
    """The same of the test rows that there are now."""
    ids = set(data.test.ids) if data.test else set()
    return describe([one for one in bad if one.table == "test" and one.id in ids], file)


def left_out(bad: Sequence[BadImage]) -> set[str]:
    """The ids of train that a study does without."""
    return {one.id for one in bad if one.result == LEFT_OUT}


def save(bad: Sequence[BadImage], file: Path) -> None:
    """Write the list, or remove it where nothing is bad."""
    if not bad:
        file.unlink(missing_ok=True)
        return
    with atomic_write(file) as beside, open(beside, "w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened)
        writer.writerow(COLUMNS)
        writer.writerows(map(astuple, bad))


def load(file: Path) -> list[BadImage]:
    """What `save` wrote; nothing where there is no such file."""
    if not file.is_file():
        return []
    table = read_csv(file)
    return [BadImage(*cells) for cells in zip(*(table[name] for name in COLUMNS), strict=True)]
