"""Tables whose cells are pixels: a column each (Kaggle's Digit Recognizer), or all in one (FER2013)."""

from __future__ import annotations

import csv
import io
import itertools
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from automask.data.csv_file import Csv, is_image_name, split_rows
from automask.data.embedded_images import Row, write_out
from automask.data.table_text import read_text
from automask.errors import UserError

FEWEST = 64  # pixels that make an image: eight by eight
PIXEL = re.compile(r"(?:pixel|px|p)?[ _]?\d+|\d+x\d+", re.IGNORECASE)
PIXELS = re.compile(rf"[\[(]?\s*\d{{1,3}}(?:[\s,;]+\d{{1,3}}){{{FEWEST - 1},}}\s*[\])]?")
START = 2**22  # bytes in which a CSV's first two rows are
LONGEST = 2**31 - 1  # characters of a cell


def read_pixels(path: Path) -> Csv | None:
    """The table of a CSV whose cells are pixels, which become images; None where they aren't.

    Pixels are rows of a square, grey or with three values each, from 0 to 255. Without a header the
    label is the first column. Raises `UserError` where they are no square or no such numbers.
    """
    before = csv.field_size_limit(LONGEST)
    try:
        start = _beginning(path)
        if len(start) < 2:
            return None
        above, first = start
        header = _header_of_numbers(above) or above
        columns = _pixel_columns(header, first)
        if not columns:
            return None
        what = (
            f"pixels in {len(columns)} columns"
            if columns[1:]
            else f"pixels in '{header[columns[0]]}'"
        )
        what += "" if header is above else ", without a header: the label is taken to come first"
        return write_out(path, lambda: _rows(path, header, columns, header is above), what)
    finally:
        csv.field_size_limit(before)


def _rows(
    path: Path, header: Sequence[str], columns: Sequence[int], has_header: bool
) -> Iterator[Row]:
    """The header without its pixels, and each row with its image."""
    text, _ = read_text(path)
    rest = [n for n in range(len(header)) if n not in {*columns}]
    yield Row(0, [header[n] for n in rest])
    for line, cells in itertools.islice(split_rows(text), int(has_header), None):
        if len(cells) != len(header):
            raise UserError(
                f"{path}, line {line}: {len(cells)} cells where the header has {len(header)}"
            )
        content = _bitmap([cells[n] for n in columns], f"{path}, line {line}")
        yield Row(line, [cells[n] for n in rest], ".bmp", content)


def _header_of_numbers(cells: Sequence[str]) -> list[str]:
    """The header of a table that begins with a row of pixels, and a label first if there is one."""
    if len(cells) < FEWEST or len({*cells}) == len(cells) or not all(map(str.isdigit, cells)):
        return []
    labels = [] if _shape(len(cells)) else ["label"]
    return [*labels, *(f"pixel{n}" for n in range(len(cells) - len(labels)))]


def _beginning(path: Path) -> list[list[str]]:
    """The header and the first row, if they can be read."""
    try:
        with open(path, "rb") as file:
            text = file.read(START).decode("utf-8-sig", "replace")
        return [cells for _, cells in itertools.islice(split_rows(text), 2)]
    except (OSError, csv.Error):
        return []


def _pixel_columns(header: Sequence[str], row: Sequence[str]) -> list[int]:
    """The columns of pixels, by their names and the first row, or the one that has all of them."""
    if len(header) != len(row) or any(map(is_image_name, row)):
        return []
    whole = [n for n, cell in enumerate(row) if PIXELS.fullmatch(cell.strip())]
    if len(whole) == 1:
        return whole
    named = [n for n, name in enumerate(header) if PIXEL.fullmatch(name)]
    values = [row[n].strip() for n in named]
    bytes_ = [v for v in values if re.fullmatch(r"\d{1,3}(\.0*)?", v)]
    # Of classes as columns named by their numbers each is 0 or 1.
    if len(named) < FEWEST or len(bytes_) < len(named) or max(map(float, bytes_)) <= 1:
        return []
    return named


def _shape(count: int) -> tuple[int, int] | None:
    """The side of a square of so many values, and how many a pixel has."""
    for bands in (1, 3):
        side = math.isqrt(count // bands)
        if side * side * bands == count:
            return side, bands
    return None


def _bitmap(cells: Sequence[str], where: str) -> bytes:
    """The cells' pixels as a bitmap, whose bytes no library's version changes."""
    import numpy as np
    from PIL import Image

    texts = re.findall(r"[^\s,;\[\]()]+", cells[0]) if len(cells) == 1 else cells
    shape = _shape(len(texts))
    if shape is None:
        raise UserError(f"{where}: {len(texts)} pixels make no square, grey or with three bands")
    try:
        values = np.array(texts, float)
    except ValueError as error:
        raise UserError(f"{where}: a pixel isn't a number: {error}") from error
    if not (values == values.clip(0, 255).round()).all():
        raise UserError(f"{where}: pixels must be whole numbers from 0 to 255")
    side, bands = shape
    pixels = values.astype(np.uint8).reshape((side, side) if bands == 1 else (side, side, bands))
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "BMP")
    return file.getvalue()
