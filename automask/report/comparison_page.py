"""The page of two submissions: every picture that they disagree on, to look at and to decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from automask.errors import UserError
from automask.report import html, submission
from automask.report.comparison import Comparison
from automask.report.pictures import thumbnails
from automask.storage.files import file_digest

Facts = dict[str, Any]
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
    facts = gather(compared, names, probability, effects)
    text = render(facts)
    submission.put(file, lambda beside: beside.write_text(text, "utf-8"))
    return len(facts["rows"])


def render(facts: Facts) -> str:
    """The text of a page on which each row's class is chosen: between two, or another."""
    return html.render("compare.html", content=facts)


def gather(
    compared: Comparison,
    names: Sequence[str],
    probability: np.ndarray | None,
    effects: Sequence[str] = (),
    save: Facts | None = None,
) -> Facts:
    """What the page shows, as `write` has it; `save` is the `address` that takes the choices and the
    `file` that is proposed for them, where a server is there to take them."""
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
    pictures = thumbnails([paths[compared.layout.ids[row]] for row in rows], data.depth)
    a, b = compared.classes.rows.tolist()
    frame = compared.frames[0]
    some = f"; {len(rows):,} of them, evenly spread, are shown" if len(rows) < len(differ) else ""
    where = "Save writes" if save else "Choices stay in this browser; the CSV is"
    return {
        "names": list(names),
        "key": "compare " + "".join(file_digest(path)[:12] for path in compared.paths),
        "summary": f"{len(differ):,} of {len(frame):,} rows differ{some}. {where} A with your choices.",
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
        "chosen": {},
        "download": "chosen.csv",
        "save": save,
    }


def choose(compared: Comparison, chosen: Mapping[int, Sequence[str]]) -> pd.DataFrame:
    """File A with other classes for some rows, by the cells of their answer columns.

    Raises `UserError` where there is no such row or class.
    """
    frame, columns = compared.frames[0].copy(), list(compared.layout.columns)
    classes = {tuple(cells) for cells in compared.classes.cells}
    for row, cells in chosen.items():
        if not 0 <= row < len(frame) or tuple(cells) not in classes:
            raise UserError(f"no row {row}, or no class {', '.join(map(str, cells))}, is there")
        frame.loc[row, columns] = list(cells)
    return frame
