"""The page of train labels that may be wrong: each with its picture, to keep, to correct or to name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from automask.data.tables import Tables
from automask.diagnostics.suspects import Suspects
from automask.report.pictures import thumbnails
from automask.storage.files import short_hash

Facts = dict[str, Any]
Cells = tuple[str, ...]
#: So many rows are shown at most.
MOST = 500


def shown_rows(suspects: Suspects) -> list[int]:
    """The train rows on the page: flagged, or likelier of another class than given; the most suspect
    first."""
    audit, data = suspects.audit, suspects.data
    doubted = audit.flagged | data.target.differ(audit.likely, data.labels)
    rows: list[int] = audit.order[doubted[audit.order]][:MOST].tolist()
    return rows


def gather(suspects: Suspects, now: Tables, study: str, save: Facts) -> Facts:
    """What the page of `comparison_page.render` shows: A is the given label, B the likely one.

    `now` are the data as they are corrected so far: a row that was corrected is decided already. `save`
    is the `address` that takes the choices.
    """
    data, audit = suspects.data, suspects.audit
    order = shown_rows(suspects)
    columns = data.answer_columns(data.labels)
    given, likely = _cells(columns), _cells(data.answer_columns(audit.likely))
    corrected = _corrected(now, list(columns))
    classes = list(dict.fromkeys([*sorted({*given}), *(likely[row] for row in order)]))
    index = {cells: place for place, cells in enumerate(classes)}
    ids = [data.train.ids[row] for row in order]
    chosen = {
        place: index[corrected[name]]
        for place, (name, row) in enumerate(zip(ids, order, strict=True))
        if corrected.get(name, given[row]) != given[row] and corrected[name] in index
    }
    pictures = thumbnails([data.train.paths[row] for row in order], data.depth)
    return {
        "names": ["given", "likely"],
        # What a browser keeps goes by places: once a study goes on, they are other rows'.
        "key": f"suspects {short_hash(repr((study, ids)))}",
        "summary": (
            f"{suspects.flagged:,} of {len(data.labels):,} labels of train are flagged by study "
            f"{study}, the most suspect first; {len(order):,} are shown. Choose what each is: Save "
            "writes corrections.csv, which the next new study takes. The data stay as they are."
        ),
        "effects": [],
        "columns": [data.id_column, *columns],
        "answers": list(range(1, len(columns) + 1)),
        "cells": [[name, *given[row]] for name, row in zip(ids, order, strict=True)],
        "classes": [
            {"cells": cells, "parts": parts, "label": " × ".join(parts)}
            for cells in classes
            for parts in [_parts(list(columns), cells, data.target.exclusive)]
        ],
        "rows": [
            {
                "row": place,
                "id": name,
                "a": index[given[row]],
                "b": index[likely[row]],
                "image": picture,
                "sure": [float(audit.quality[row].round(3)), float(audit.confidence[row].round(3))],
            }
            for place, (name, row, picture) in enumerate(zip(ids, order, pictures, strict=True))
        ],
        "chosen": chosen,
        "download": "labels.csv",
        "save": save,
    }


def _cells(columns: Mapping[str, np.ndarray]) -> list[Cells]:
    """What each row has in all of the columns."""
    return [tuple(map(str, cells)) for cells in zip(*columns.values(), strict=True)]


def _parts(names: Sequence[str], cells: Cells, exclusive: bool) -> list[str]:
    if exclusive:
        return list(cells)
    return [name for name, cell in zip(names, cells, strict=True) if cell == "1"] or ["no label"]


def _corrected(now: Tables, names: Sequence[str]) -> dict[str, Cells]:
    """What each row has now, by its id."""
    rows = now.train.attributes[list(names)].itertuples(index=False, name=None)
    return dict(zip(now.train.ids, rows, strict=True))
