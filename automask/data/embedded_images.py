"""Images in a table's own cells, written out once as files, which then are read as any others.

The files lie in the project's cache, in a folder by the table's content.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from automask.data.csv_file import Csv, normalize_name, read_csv
from automask.errors import UserError
from automask.storage.cache import Cache
from automask.storage.files import atomic_write, file_digest, short_hash
from automask.storage.project import active


@dataclass(frozen=True)
class Row:
    """A row's line and its other cells, and its image as the suffix and bytes of a file.

    The header has no image.
    """

    line: int
    cells: list[str]
    suffix: str = ""
    content: bytes = b""


def write_out(path: Path, rows: Callable[[], Iterator[Row]], what: str) -> Csv:
    """The table without its images, and these as files, which are written where they aren't yet.

    Raises `UserError` where the cells of a row don't fit the header's, which comes first.
    """
    key = short_hash(file_digest(path) + path.stem)
    folder = Cache(active().no_study.cache).embedded(key)
    slim = folder / "table.csv"  # comes last, so that all images are there where it is
    if not slim.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(slim) as beside, open(beside, "w", newline="", encoding="utf-8") as file:
            csv.writer(file, quoting=csv.QUOTE_ALL).writerows(_without_images(path, folder, rows()))
    table = read_csv(slim)
    notes = (*table.notes, f"{path.name}: {what}; its {len(table):,} images are in {folder}")
    return replace(table, path=path, pictures=folder, notes=notes)


def _without_images(path: Path, folder: Path, rows: Iterable[Row]) -> Iterator[list[str]]:
    """Each row's other cells with an id and the name of its image, which is written."""
    has_id, width = False, 0
    for number, row in enumerate(rows):
        if not number:
            has_id = any(normalize_name(name) in ("id", "imageid") for name in row.cells)
            width = len(row.cells)
            image = "image_file" if "image" in row.cells else "image"
            yield [image, *([] if has_id else ["id"]), *row.cells]
            continue
        if len(row.cells) != width:
            raise UserError(f"{path}, line {row.line}: its cells don't fit the header")
        name = f"{number:06d}{row.suffix}"
        (folder / name).write_bytes(row.content)
        yield [name, *([] if has_id else [made_id(path, number)]), *row.cells]


def made_id(path: Path, number: int) -> str:
    """The id of a row that has none, counted from 1."""
    return f"{path.stem}-{number}"


def number_by_sample(test: Csv, sample: Csv) -> Csv:
    """The test table, its rows named as the sample's where only their order can tell which is which."""
    made = [made_id(test.path, number) for number in range(1, len(test) + 1)]
    if not test.pictures or test.columns.get("id") != made or len(sample) != len(test):
        return test
    note = (
        f"the rows of {test.path.name} have no ids: they are those of {sample.path.name}, in order"
    )
    columns = {**test.columns, "id": next(iter(sample.columns.values()))}
    return replace(test, columns=columns, notes=(*test.notes, note))
