"""Files that people write by hand, read as their editors leave them."""

from __future__ import annotations

import codecs
import re
import tomllib
from pathlib import Path
from typing import Any

from automask.errors import UserError

ESCAPES = (
    "a backslash in double quotes begins an escape, so that paths have forward slashes there, or "
    "stand in single quotes"
)


def read_text(file: Path, name: str = "") -> str:
    """The text of a file in UTF-8, or in UTF-16 with the mark that says so; `name` is for errors.

    Raises `UserError` for any other encoding.
    """
    content = file.read_bytes()
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if marked else "utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise UserError(f"{name or file}: isn't UTF-8 text: {error}; save it as UTF-8") from error


def parse_toml(text: str, name: str) -> dict[str, Any]:
    r"""The tables of a TOML text.

    Raises `UserError` that names the line; of a Windows path such as ``"C:\data"``, whose backslash
    begins an escape, with how it is written.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        named, lines = re.search(r"at line (\d+)", str(error)), text.splitlines()
        suspects = [lines[int(named[1]) - 1]] if named else lines
        slashes = next((line.strip().replace("\\", "/") for line in suspects if "\\" in line), "")
        hint = f"; write {slashes}: {ESCAPES}" if slashes else ""
        raise UserError(f"{name}: isn't TOML: {error}{hint}") from error


def check_path(text: str) -> str:
    r"""The text of a path; raises `ValueError` where an escape was read in it, as in ``"C:\new"``."""
    if re.search(r"[\x00-\x1f]", text):
        raise ValueError(f"{text!r} has an escape where a path has none: {ESCAPES}")
    return text
