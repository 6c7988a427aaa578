"""Where the object is in each image, as far as columns of a table tell it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from automask.data.csv_file import normalize_name
from automask.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from automask.data.tables import Rows


PREFIXES = ("", "bbox", "box", "bb")
#: Left, top, right and bottom, without case and separators.
CORNERS = (
    ("xmin", "ymin", "xmax", "ymax"),
    ("minx", "miny", "maxx", "maxy"),
    ("left", "top", "right", "bottom"),
    ("x1", "y1", "x2", "y2"),
    ("x0", "y0", "x1", "y1"),
)
#: Left, top, width and height.
SIZES = tuple(
    (*corner, *size)
    for corner in (("x", "y"), ("xmin", "ymin"), ("left", "top"))
    for size in (("width", "height"), ("w", "h"))
)


def columns(names: Iterable[str]) -> tuple[str, ...]:
    """The four of a table's columns that hold a box an image; none where there is no such four."""
    by_name: dict[str, str] = {}
    for name in names:
        by_name.setdefault(normalize_name(name), name)
    for wanted in (*CORNERS, *SIZES):
        for prefix in PREFIXES:
            if all(prefix + part in by_name for part in wanted):
                return tuple(by_name[prefix + part] for part in wanted)
    return ()


def read(rows: Rows) -> np.ndarray | None:
    """float `[n, 4]` left, top, right and bottom as shares of each image's width and height.

    None where the table has no columns of boxes. Where a number in them is above 1 they are pixels of
    the upright image. Raises `UserError` naming the row where a cell is no number, or a box is upside
    down or beside its image.
    """
    import numpy as np

    names = columns(map(str, rows.extra))
    if not names:
        return None
    subject = f"the box in the columns {', '.join(names)}"
    boxes = np.empty((len(rows), 4))
    for column, name in enumerate(names):
        for row, cell in enumerate(rows.extra[name]):
            try:
                boxes[row, column] = float(cell)
            except ValueError:
                boxes[row, column] = np.nan
            if not np.isfinite(boxes[row, column]):
                raise UserError(
                    f"row '{rows.ids[row]}': {subject}: '{cell}' isn't a number; mend it, or rename "
                    "the columns if they are no boxes"
                )
    if normalize_name(names[2]).endswith(("width", "w")):
        boxes[:, 2:] += boxes[:, :2]
    if boxes.max() > 1:
        from automask.data.decoding import image_size

        boxes /= np.array([image_size(path) * 2 for path in rows.paths])
    _refuse(boxes[:, 2:] <= boxes[:, :2], "is upside down or empty", subject, rows)
    boxes = boxes.clip(0, 1)
    _refuse(boxes[:, 2:] <= boxes[:, :2], "lies beside its image", subject, rows)
    return boxes


def _refuse(wrong: Any, what: str, subject: str, rows: Rows) -> None:
    for row in wrong.any(axis=1).nonzero()[0].tolist()[:1]:
        raise UserError(f"row '{rows.ids[row]}': {subject} {what}; mend it or take the row out")
