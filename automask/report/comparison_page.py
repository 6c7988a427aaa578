"""The page of two submissions: every picture that they disagree on, to look at and to decide."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from automask.errors import UserError
from automask.machine import cores
from automask.report import html, submission
from automask.report.comparison import Comparison
from automask.report.pictures import thumbnail
from automask.storage.files import file_digest

PICTURES = 500  # of more rows than these, so many are shown


def write(
    compared: Comparison,
    names: Sequence[str],
    probability: np.ndarray | None,
    file: Path,
    effects: Sequence[str] = (),
) -> int:
    """Write one HTML file that needs no other; returns how many of the rows that differ it shows.

    `probability` `[N, K]` is a study's, if there is one, of the comparison's rows and classes, and
    `effects` are sentences on what B gains over A. Raises `UserError` where no data tell the pictures,
    or one can't be read.
    """
    data = compared.layout.data
    if data is None or data.test is None:
        raise UserError("--html: the pictures are found by an automask.toml with test images")
    if compared.layout.is_numeric:
        raise UserError("--html: its page is for choosing classes, and these files hold numbers")
    differ = np.flatnonzero(compared.differs)
    spread = np.linspace(0, len(differ) - 1, min(PICTURES, len(differ))).round().astype(int)
    rows = differ[spread].tolist()
    names_of = data.test.units or data.test.ids
    paths = dict(zip(reversed(names_of), reversed(data.test.paths), strict=True))
    with ThreadPoolExecutor(cores()) as pool:
        pictures = list(pool.map(thumbnail, [paths[compared.layout.ids[row]] for row in rows]))
    a, b = compared.classes.rows.tolist()
    frame = compared.frames[0]
    content = {
        "names": list(names),
        "key": "".join(file_digest(path)[:12] for path in compared.paths),
        "differ": len(differ),
        "effects": list(effects),
        "columns": list(frame.columns),
        "answers": [frame.columns.get_loc(column) for column in compared.layout.columns],
        "cells": frame.to_numpy().tolist(),
        "classes": [
            {
                "cells": cells,
                "parts": compared.layout.parts(cells),
                "label": compared.describe(label),
            }
            for label, cells in enumerate(compared.classes.cells)
        ],
        "rows": [
            {
                "row": row,
                "id": compared.layout.ids[row],
                "a": a[row],
                "b": b[row],
                "image": picture,
                "sure": None
                if probability is None
                else probability[row, [a[row], b[row]]].round(3).tolist(),
            }
            for row, picture in zip(rows, pictures, strict=True)
        ],
    }
    text = html.render("compare.html", content=content)
    submission.put(file, lambda beside: beside.write_text(text, "utf-8"))
    return len(rows)
