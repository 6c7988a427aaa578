"""Files that are never half there: written beside, then renamed; and short hashes."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from automask.errors import UserError


def file_digest(file: Path) -> str:
    """The SHA-256 of a file's content."""
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def short_hash(text: str, digits: int = 16) -> str:
    """So many hexadecimal digits of the text's SHA-256, which stand for it in names and keys."""
    return hashlib.sha256(text.encode()).hexdigest()[:digits]


def write_json(file: Path, facts: Mapping[str, Any]) -> None:
    """Write facts for people and programs to read."""
    with atomic_write(file) as beside:
        beside.write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", "utf-8")


def read_json(file: Path) -> dict[str, Any]:
    """What `write_json` wrote. Raises `UserError` where it is JSON no more."""
    try:
        return json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise UserError(f"{file}: isn't JSON any more ({error}); mend or remove it") from error


@contextmanager
def atomic_write(file: Path) -> Iterator[Path]:
    """A path to write to; it becomes `file` when the block ends well and is removed otherwise.

    A pipe or a device, such as /dev/stdout, is written to as it is; a link stays one.
    """
    if file.exists() and not file.is_file():
        yield file
        return
    file = file.resolve() if file.is_symlink() else file
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        yield beside
        with open(beside, "rb") as opened:
            os.fsync(opened.fileno())
        os.replace(beside, file)
    finally:
        beside.unlink(missing_ok=True)
