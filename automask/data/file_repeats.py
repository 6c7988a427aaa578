"""Rows of a table that name one file again: repeats, contradictions, and labels of one picture."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import replace
from itertools import combinations

from automask.data.csv_file import Csv, quoted, shorten_list
from automask.data.label_texts import is_same_word
from automask.data.truth import Truth
from automask.errors import UserError


def drop_repeats(
    train: Csv, files: Sequence[Hashable], truth: Truth
) -> tuple[list[int], Truth, list[str]]:
    """The rows to keep, their labels, and a note on the rows that name a file again.

    `files` has what each row shows. A row that says the same again goes; where the truth is `joined`,
    the first row of a file has the labels of all. Raises `UserError` where the rows of a file
    contradict each other.
    """
    import pandas as pd

    places: dict[Hashable, list[int]] = defaultdict(list)
    for row, file in enumerate(files):
        places[file].append(row)
    again = [rows for rows in places.values() if len(rows) > 1]
    if not again:
        return list(range(len(train))), truth, []
    keep = sorted(rows[0] for rows in places.values())
    attributes, count = truth.attributes, len(train) - len(keep)
    if truth.joined:
        columns = {
            name: [max(cells[row] for row in places[files[first]]) for first in keep]
            for name, cells in attributes.to_dict("list").items()
        }
        note = f"{len(train):,} rows of {len(keep):,} files: a file has the labels of all its rows"
        return keep, replace(truth, attributes=pd.DataFrame(columns, dtype=str)), [note]
    cells = list(attributes.itertuples(index=False, name=None))
    if contrary := [rows for rows in again if len({cells[row] for row in rows}) > 1]:
        _refuse(train, contrary, cells, truth)
    names = [f"lines {', '.join(str(train.lines[row]) for row in rows)}" for rows in again]
    note = (
        f"left out: {count:,} row{'s' * (count > 1)} of {train.path.name} for a file that has a row "
        f"with the same label already ({shorten_list(names)})"
    )
    return keep, replace(truth, attributes=attributes.iloc[keep].reset_index(drop=True)), [note]


def _refuse(
    train: Csv, contrary: list[list[int]], cells: list[tuple[str, ...]], truth: Truth
) -> None:
    texts = [list(dict.fromkeys(" × ".join(cells[row]) for row in rows)) for rows in contrary]
    shown = [
        f"lines {', '.join(str(train.lines[row]) for row in rows)} say {' and '.join(quoted(labels))}"
        for rows, labels in zip(contrary, texts, strict=True)
    ]
    ways = "correct them or take the wrong ones out"
    pairs = {pair for labels in texts for pair in combinations(labels, 2)}
    if all(is_same_word(a, b) for a, b in pairs):
        ways += "; merge under [data] makes one label of two spellings"
    elif truth.kind == "single" and len(cells[0]) == 1:
        ways += ", or write kind = 'multi' where a picture can have several labels"
    files = f"{len(contrary):,} file{'s' * (len(contrary) > 1)}"
    raise UserError(
        f"{train.path}: the rows of {files} contradict each other: {shorten_list(shown, most=8)}; {ways}"
    )
