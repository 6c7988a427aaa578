"""Files that are never half there: written beside, then renamed; and short hashes."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automask.errors import UserError

if TYPE_CHECKING:
    import numpy as np


def file_digest(file: Path) -> str:
    """The SHA-256 of a file's content."""
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


#: Bytes of a file that are read whole; of a larger one so many blocks are, from all over it.
WHOLE, BLOCKS, BLOCK = 2**18, 16, 2**12


def content_digest(file: Path) -> str:
    """What changes with a file's content, and doesn't where it is copied or touched.

    Of a large file only blocks from its beginning to its end count, as a data set has many of them.
    """
    facts = file.stat()
    return _digest(str(file.absolute()), facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)


@functools.lru_cache(2**20)
def _digest(file: str, size: int, *_times: int) -> str:
    with open(file, "rb", buffering=0) as opened:
        if size <= WHOLE:
            parts = [opened.read()]
        else:
            parts = []
            for index in range(BLOCKS):
                opened.seek(index * (size - BLOCK) // (BLOCKS - 1))
                parts.append(opened.read(BLOCK))
    return hashlib.sha256(b"".join([size.to_bytes(8), *parts])).hexdigest()[:16]


def file_facts(file: Path) -> tuple[str, int, int, str]:
    """What identifies a file here: its path, size, time and content."""
    facts = file.stat()
    return str(file.absolute()), facts.st_size, facts.st_mtime_ns, content_digest(file)


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
        facts: dict[str, Any] = json.loads(file.read_text("utf-8"))
        return facts
    except ValueError as error:
        raise UserError(f"{file}: isn't JSON any more ({error}); mend or remove it") from error


def read_arrays(file: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file. Raises `UserError` where it can't be read any more."""
    import numpy as np

    try:
        with np.load(file) as arrays:
            return dict(arrays)
    except (EOFError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(f"{file} can't be read any more ({error}); remove it") from error


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
        with open(beside, "r+b") as opened:  # Windows syncs no file that is only read
            os.fsync(opened.fileno())
        os.replace(beside, file)
    finally:
        beside.unlink(missing_ok=True)


def check_place(file: Path) -> None:
    """Raise `UserError` where there can't be such a file."""
    if file.is_dir() or not file.absolute().parent.is_dir():
        raise UserError(f"{file}: can't be written: give a file in a folder that is there")


def refuse_existing(folder: Path) -> None:
    """Raise `UserError` where something is there already: nothing is ever replaced."""
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UserError(f"{folder}: is there already; remove it or give another name")


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """A folder to fill; it becomes `folder` when the block ends well and is removed otherwise.

    Raises `UserError` where something is there already, or where it can't be written.
    """
    refuse_existing(folder)
    beside = folder.absolute().with_name(f".{folder.name}.{os.getpid()}")
    try:
        beside.mkdir(parents=True)
        yield beside
        os.replace(beside, folder)
    except OSError as error:
        if error.filename is None:
            raise
        raise UserError(f"{folder}: can't be written ({error.strerror})") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
