"""Which images are to be predicted: files, folders, tables of paths, and names on standard input."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from automask.data.csv_file import is_image_name
from automask.data.image_files import probe, walk_images
from automask.errors import UserError, did_you_mean
from automask.listener import note

if TYPE_CHECKING:
    import pandas as pd

TABLES = (".csv", ".tsv", ".parquet")
STANDARD_INPUT = "-"


@dataclass(frozen=True)
class Source:
    """An image: its `path`, the `name` by which it was asked for, and which thing's picture it is."""

    name: str
    path: Path
    unit: str = ""


def find_images(
    arguments: Sequence[str], column: str | None = None, unit: str | None = None
) -> list[Source]:
    """The images that the arguments mean, in order; `column` is a table's column of paths, `unit` that
    which says which thing each is a picture of.

    Raises `UserError` where there is no such file, no image in a folder, or where it can't be told
    which column names images.
    """
    images = [source for argument in arguments for source in _images(argument, column, unit)]
    if not images:
        raise UserError("no images: name files, folders or a table of paths")
    return images


def _images(argument: str, column: str | None, unit: str | None) -> list[Source]:
    path = Path(argument)
    if path.suffix.lower() in TABLES and path.is_file():
        return _in_table(path, column, unit)
    if unit is not None:
        raise UserError(f"--unit {unit}: is a table's column, and {argument} is no table")
    if argument == STANDARD_INPUT:
        lines = [line.rstrip("\r\n") for line in sys.stdin]
        return [Source(line, Path(line)) for line in lines if line.strip()]
    if path.is_dir():
        return _in_folder(path)
    if not path.is_file():
        raise UserError(f"{path}: no such file or folder")
    return [Source(argument, path)]


def _in_folder(folder: Path) -> list[Source]:
    names = list(walk_images(folder))
    others = sum(file.is_file() for file in folder.rglob("*")) - len(names)
    if not names:
        raise UserError(
            f"{folder}: no images in it{f', but {others} other files' if others else ''}"
        )
    if others:
        note(f"{folder}: {len(names):,} images; {others:,} other files were left alone")
    return [Source(str(folder / name), folder / name) for name in names]


def _in_table(file: Path, column: str | None, unit: str | None) -> list[Source]:
    frame = read_table(file)
    if not len(frame):
        raise UserError(f"{file}: has no rows")
    for name in (column, unit):
        if name is not None and name not in frame:
            raise UserError(f"{file}: no column '{name}'{did_you_mean(name, frame.columns)}")
    units = [""] * len(frame) if unit is None else frame[unit].tolist()
    if unit is not None and "" in units:
        row = units.index("")
        raise UserError(f"{file}, row {row + 2}: column '{unit}' doesn't say which thing it is of")
    if column is None:
        column = _path_column(file, frame.drop(columns=[] if unit is None else unit))
    values = frame[column].tolist()
    base = _base(file, values)
    return [Source(value, base / value, of) for value, of in zip(values, units, strict=True)]


def read_table(file: Path) -> pd.DataFrame:
    """A table as text. Raises `UserError` where it can't be read."""
    import pandas as pd

    try:
        if file.suffix.lower() == ".parquet":
            frame = pd.read_parquet(file)
            return frame.astype(str).where(frame.notna(), "")
        separator = "\t" if file.suffix.lower() == ".tsv" else ","
        return pd.read_csv(file, dtype=str, keep_default_na=False, sep=separator)
    except ImportError as error:
        raise UserError(f"{file}: reading parquet needs: pip install pyarrow") from error
    except (ValueError, OSError) as error:
        raise UserError(f"{file}: can't be read as a table: {error}") from error


def _path_column(file: Path, frame: pd.DataFrame) -> str:
    """The column most of whose values name files, or at least images."""
    shares = {name: _share(file, probe(frame[name].tolist())) for name in frame}
    best = max(shares.values())
    names = [str(name) for name, share in shares.items() if share == best]
    if best == (0, 0) or len(names) > 1:
        what = f"{' and '.join(names)} both do" if best != (0, 0) else "none does"
        raise UserError(
            f"{file}: can't tell which column names images, as {what}: say it with --column NAME "
            f"({', '.join(map(str, frame.columns))})"
        )
    note(f"{file}: images are those of column '{names[0]}'")
    return names[0]


def _share(file: Path, values: Sequence[str]) -> tuple[float, float]:
    base = _base(file, values)
    files = [bool(value) and (base / value).is_file() for value in values]
    return sum(files) / len(values), sum(map(is_image_name, values)) / len(values)


def _base(file: Path, values: Sequence[str]) -> Path:
    """What paths in a table begin from: its own folder, or this one where more of them are there."""
    bases = [file.parent, Path()]
    return max(bases, key=lambda base: sum((base / value).is_file() for value in probe(values)))
