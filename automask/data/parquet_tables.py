"""Parquet files as text, and the images in them as files; pyarrow reads them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from automask.data.csv_file import Csv, build_csv
from automask.data.embedded_images import Row, write_out
from automask.errors import UserError


def read_parquet(path: Path) -> Csv:
    """A Parquet file as text, its images written out; raises `UserError` where it can't be read."""
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise UserError(
            f"{path}: reading Parquet takes pyarrow: pip install 'automask[parquet]'"
        ) from error
    try:
        file = parquet.ParquetFile(path)
        names, schema = file.schema_arrow.names, file.schema_arrow.metadata or {}
    except Exception as error:  # pyarrow's own kinds are many
        raise UserError(f"{path}: can't be read as Parquet: {error}") from error
    classes = _class_names(schema)

    def batches() -> Iterator[tuple[int, list[Any]]]:
        line = 0
        for batch in file.iter_batches(1000):
            for row in batch.to_pylist():
                line += 1
                yield line, [_label(row[name], classes.get(name)) for name in names]

    _, first = next(batches(), (0, []))
    images = [n for n, value in enumerate(first) if _bytes_of(value) is not None]
    if not images:
        cells = [(line, [cell_text(value) for value in row]) for line, row in batches()]
        return build_csv(path, [(0, names), *cells])
    image = images[0]
    rest = [n for n in range(len(names)) if n not in images]

    def rows() -> Iterator[Row]:
        yield Row(0, [names[n] for n in rest])
        for line, row in batches():
            content = _bytes_of(row[image])
            if content is None:
                raise UserError(f"{path}, row {line}: has no image in column '{names[image]}'")
            yield Row(line, [cell_text(row[n]) for n in rest], _suffix(content), content)

    return write_out(path, rows, f"'{names[image]}' has images")


def cell_text(value: Any) -> str:
    """A value of JSON or Parquet as a CSV would have it: nothing for null, a list's parts by commas."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and not any(isinstance(part, list | dict) for part in value):
        return ",".join(map(cell_text, value))
    if isinstance(value, int | float | bool | list | dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _bytes_of(value: Any) -> bytes | None:
    """An image's bytes, as they are or as Hugging Face has them."""
    value = value.get("bytes") if isinstance(value, dict) else value
    return value if isinstance(value, bytes) else None


def _suffix(content: bytes) -> str:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content)) as image:
            return ".jpg" if image.format == "MPO" else f".{(image.format or 'png').lower()}"
    except Exception:  # told where it is decoded
        return ".png"


def _class_names(metadata: Mapping[bytes, bytes]) -> dict[str, list[str]]:
    """The names behind numbers of classes, which Hugging Face keeps beside the table."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        return {name: f["names"] for name, f in features.items() if "names" in f}
    except (KeyError, TypeError, ValueError):
        return {}


def _label(value: Any, names: Sequence[str] | None) -> Any:
    is_class = names is not None and isinstance(value, int) and 0 <= value < len(names)
    return names[value] if names is not None and is_class else value
