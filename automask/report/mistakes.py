"""The mistakes of one trial as a picture and a text, for tools that show such beside a trial."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from automask.data.dataset import Dataset
from automask.data.decoding import GREY, decode_partly
from automask.report import evaluation

#: So many mistakes, so many beside each other, and the edge of each picture in pixels.
MOST, ACROSS, EDGE = 12, 4, 160


def worst_rows(data: Dataset, prediction: np.ndarray) -> list[int]:
    """The train rows whose given answer fits least what a trial predicts of them `[N, C]`."""
    rows = data.scored_rows
    hard = evaluation.hardest_rows(data.target, data.labels[rows], prediction[rows])
    worst: list[int] = rows[hard[:MOST]].tolist()
    return worst


def contact_sheet(data: Dataset, rows: Sequence[int]) -> np.ndarray:
    """Their pictures, line by line, uint8 `[H, W, 3]`."""
    import cv2

    lines = -(-len(rows) // ACROSS)
    sheet = np.full((lines * EDGE, ACROSS * EDGE, 3), 255, np.uint8)
    for place, row in enumerate(rows):
        image, _ = decode_partly(data.train.paths[row], EDGE, data.depth)
        image = GREY if image is None else image
        factor = (EDGE - 4) / max(image.shape[:2])
        size = [max(1, round(side * factor)) for side in image.shape[1::-1]]
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        top, left = place // ACROSS * EDGE + 2, place % ACROSS * EDGE + 2
        sheet[top : top + small.shape[0], left : left + small.shape[1]] = small
    return sheet


def note(data: Dataset, prediction: np.ndarray, rows: Sequence[int], picture: str) -> str:
    """The same as Markdown: the picture at that address, and what was given and predicted of each."""
    if not rows:
        return "No row was mistaken."
    facts = [evaluation.describe_row(data, prediction, row) for row in rows]
    lines = [
        f"| {escape_markdown(row['id'])} | {escape_markdown(row['given'])} "
        f"| {escape_markdown(row['likely'])} |"
        for row in facts
    ]
    return "\n".join(
        [
            f"### The {len(rows)} rows that it mistakes most",
            "",
            f"![mistakes, line by line]({picture})",
            "",
            "| row | given | predicted |",
            "|---|---|---|",
            *lines,
        ]
    )


def escape_markdown(text: str) -> str:
    r"""A text that means nothing in Markdown.

    >>> escape_markdown("a|b <i>_x_")
    'a\\|b \\<i\\>\\_x\\_'
    """
    return re.sub(r"([\\`*_{}\[\]()<>#+\-.!|~&:])", r"\\\1", " ".join(text.split()))
