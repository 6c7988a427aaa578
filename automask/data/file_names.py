"""Names of files in another encoding, as an archive from another system leaves them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from automask.errors import UserError

#: What names are in that aren't UTF-8, as a rule: Korean, Japanese, Chinese and Western ones.
ENCODINGS = ("cp949", "cp932", "gb18030", "cp1252")


def check_names(folder: Path) -> None:
    """Raise `UserError` for the first file or folder in there whose name can't be told as text.

    Its class or id would be written nowhere, or wrongly.
    """
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in (*folders, *files):
            if not name.isascii():
                _check(os.fsencode(name), place)


def _check(name: bytes, place: str) -> None:
    shown = f"{place}: the name {ascii(name)[1:]}"
    try:
        name.decode()
    except UnicodeDecodeError:
        readings = [(encoding, _decoded(name, encoding)) for encoding in ENCODINGS]
        read = ", ".join(f"{text!r} in {encoding}" for encoding, text in readings if text)
        raise UserError(
            f"{shown} isn't UTF-8{read and f' (it reads {read})'}. Unpack its archive by "
            f"'unzip -O ENCODING', or rename what is there by 'convmv -f ENCODING -t utf-8 -r "
            f"--notest {place}'"
        ) from None
    if sys.getfilesystemencoding() != "utf-8":
        raise UserError(
            f"{shown} is UTF-8, and names are {sys.getfilesystemencoding()} in this environment: set "
            "PYTHONUTF8=1, or LANG to a locale of UTF-8"
        )


def _decoded(name: bytes, encoding: str) -> str:
    """The name in that encoding; empty where it is none."""
    text = name.decode(encoding, "replace")
    return text if text.isprintable() and "\ufffd" not in text else ""
