"""Names of files in another encoding, as an archive from another system leaves them."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from automask.data.csv_file import quoted, shorten_list
from automask.data.table_text import likely_encodings
from automask.errors import UserError


def check_names(folder: Path) -> None:
    """Raise `UserError` where names of files or folders can't be told as text, with what mends them.

    Their classes or ids would be written nowhere, or wrongly.
    """
    odd = sorted({name for name in _names(folder) if not _is_text(os.fsencode(name))})
    if odd:
        likely = likely_encodings(b"\n".join(map(os.fsencode, odd)))
        encoding = next(iter(likely), "ENCODING")
        texts = (
            likely[encoding].split("\n") if likely else [ascii(os.fsencode(name)) for name in odd]
        )
        hint = "" if likely else ", ENCODING being such as cp949, cp932, gb18030 or cp1252"
        raise UserError(
            f"{folder}: {len(odd)} names of files or folders aren't UTF-8: "
            f"{shorten_list(quoted(texts))}{f' in {encoding}' if likely else ''}; unpack their archive "
            f"by unzip -O {encoding}, or mend them with: "
            f"convmv -f {encoding} -t utf-8 -r --notest {shlex.quote(str(folder))}{hint}"
        )
    if sys.getfilesystemencoding() != "utf-8":
        for name in _names(folder):
            if not name.isascii():
                raise UserError(
                    f"{folder}: the name {ascii(os.fsencode(name))[1:]} is UTF-8, and names are "
                    f"{sys.getfilesystemencoding()} in this environment: set PYTHONUTF8=1, or LANG to a "
                    "locale of UTF-8"
                )


def _names(folder: Path) -> list[str]:
    """Of everything in a folder and below it that isn't hidden."""
    names: list[str] = []
    for _, inner, files in os.walk(folder):
        inner[:] = [name for name in inner if not name.startswith(".")]
        names += (*inner, *files)
    return names


def _is_text(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True
