"""The text of a table's file: which encoding it is in, or what the file is instead of text."""

from __future__ import annotations

import codecs
import re
import shlex
import unicodedata
from collections.abc import Callable
from pathlib import Path

from automask.errors import UserError

#: How files begin that are no text, and what to say of them.
BINARY = {
    b"PAR1": "a Parquet file: rename it to .parquet",
    b"\x1f\x8b": "compressed by gzip: add .gz to its name and unpack it with: gunzip",
    b"\xd0\xcf\x11\xe0": "an Excel workbook: open it there and save it as CSV UTF-8",
    b"%PDF": "a PDF: save the table in it as CSV UTF-8",
    b"SQLite format 3": "an SQLite database: export its table as CSV UTF-8",
    b"version https://git-lfs": "only a pointer to the file, by Git LFS: fetch it with: git lfs pull",
    b"<!doctype html": "a web page, perhaps one that asks to log in: download the table again",
    b"<html": "a web page, perhaps one that asks to log in: download the table again",
}
MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16's, with which it begins
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
USUAL = ("CJK UNIFIED", "HIRAGANA", "KATAKANA", "FULLWIDTH", "IDEOGRAPHIC")
SURE = 4  # so many different Hangul syllables are hardly Chinese ones read wrongly


def read_text(path: Path) -> tuple[str, list[str]]:
    """A file's text, and a note where it isn't in UTF-8.

    UTF-16 and UTF-32, Korean (cp949), Japanese (cp932) and Western (cp1252) text is read where it can be
    nothing else. Raises `UserError` where the file can't be read, isn't text, or can be in several
    encodings, with the line that converts it.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: can't be read: {error.strerror}") from error
    _refuse_binary(path, data)
    encoding = next((name for mark, name in MARKS.items() if data.startswith(mark)), None)
    encoding = encoding or _unmarked_utf16(data)
    if encoding is None:
        try:
            return _without_nul(path, data.decode("utf-8-sig")), []
        except UnicodeDecodeError:
            encoding = _legacy_encoding(path, data)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise UserError(f"{path} begins as {encoding} text, but isn't: {error.reason}") from error
    words = re.findall(r"\w*[^\W\x00-\x7f]\w*", text)
    example = f", such as '{words[0]}'" if words else ""
    note = f"{path.name} was read as {encoding}{example}; this writes it anew in UTF-8: "
    return _without_nul(path, text.lstrip("\ufeff")), [note + conversion(path, encoding)]


def conversion(path: Path, encoding: str) -> str:
    """The line that writes a file anew in UTF-8."""
    old, new = (shlex.quote(str(p)) for p in (path, path.with_suffix(".utf8" + path.suffix)))
    return f"iconv -f {encoding} -t utf-8 {old} > {new}"


def _refuse_binary(path: Path, data: bytes) -> None:
    if data.startswith(b"PK\x03\x04"):
        if b"xl/" in data:
            what = "an Excel workbook: open it there and save it as CSV UTF-8"
        else:
            archive = path.with_suffix(".zip")
            what = f"a zip: rename it to {archive.name} and unpack it with: unzip {archive}"
        raise UserError(f"{path} isn't text but {what}")
    start = data[:64].lstrip().lower()
    for magic, what in BINARY.items():
        if data.startswith(magic) or (magic.islower() and start.startswith(magic)):
            raise UserError(f"{path} isn't a table but {what}")


def _without_nul(path: Path, text: str) -> str:
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise UserError(
            f"{path}, line {line}: has NUL bytes, so that it is damaged or no text; write it again as "
            "CSV UTF-8"
        )
    return text


def _unmarked_utf16(data: bytes) -> str | None:
    """UTF-16 without its mark, by the zeros in every other byte of ASCII."""
    start = data[:4096]
    low, high = start[::2].count(0), start[1::2].count(0)
    if len(start) < 16 or max(low, high) < len(start) // 4 or min(low, high):
        return None
    return "utf-16le" if high else "utf-16be"


def likely_encodings(data: bytes) -> dict[str, str]:
    """The text in each encoding from before UTF-8 in which the bytes make words."""
    texts = {encoding: _decode(data, encoding) for encoding in (*LIKELY, "gb18030")}
    likely = [name for name, is_likely in LIKELY.items() if is_likely(texts[name])]
    few = len({c for c in texts["cp949"] if _is_hangul(c)}) < SURE
    if likely == ["cp949"] and few and texts["gb18030"]:
        likely.append("gb18030")
    return {name: texts[name] for name in likely}


def _legacy_encoding(path: Path, data: bytes) -> str:
    """The only encoding in which the bytes make words; `UserError` where it can't be told."""
    likely = likely_encodings(data)
    if len(likely) == 1:
        return next(iter(likely))
    lines = [
        f"{conversion(path, name)}  # {', '.join(_words(text)[:3])}"
        for name, text in likely.items()
    ]
    lines = lines or [f"{conversion(path, 'ENCODING')}  # such as cp949, cp932, gb18030, cp1252"]
    raise UserError(
        f"{path} isn't UTF-8 text, and its encoding can't be told; save it as CSV UTF-8, or "
        "convert it:\n  " + "\n  ".join(lines)
    )


def _decode(data: bytes, encoding: str) -> str:
    """The text; empty where the bytes aren't so encoded."""
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return ""


def _words(text: str) -> list[str]:
    return list(dict.fromkeys(re.findall(r"[^\W\x00-\x7f]+", text)))


def _is_hangul(character: str) -> bool:
    return "가" <= character <= "힣"


def _mixed_share(text: str) -> float:
    """The share of the words outside ASCII that touch an ASCII letter."""
    runs = re.findall(r"[^\x00-\x7f]+", text)
    touching = re.findall(r"[A-Za-z][^\x00-\x7f]+|[^\x00-\x7f]+(?=[A-Za-z])", text)
    return len(touching) / max(1, len(runs))


def _is_korean(text: str) -> bool:
    """Syllables of everyday use: those that cp949 adds to KS X 1001 are hardly ever written."""
    letters = [c for c in text if c > "\x7f" and c.isalpha()]
    everyday = [c for c in letters if _is_hangul(c) and len(c.encode("euc_kr", "ignore")) == 2]
    return bool(letters) and len(everyday) >= 0.95 * len(letters) and _mixed_share(text) < 0.5


def _is_japanese(text: str) -> bool:
    """Kana and Kanji, but no half-width kana, which is how Korean bytes look."""
    letters = [c for c in text if c > "\x7f" and c.isalpha()]
    names = [unicodedata.name(c, "") for c in letters]
    usual = [n for n in names if n.startswith(USUAL)]
    return bool(letters) and len(usual) == len(letters) and _mixed_share(text) < 0.5


def _is_western(text: str) -> bool:
    """Accented letters one by one among plain ones, none of them large after a small one."""
    others = [c for c in text if c > "\x7f"]
    letters = [c for c in others if c.isalpha()]
    return (
        all(c.isalpha() or c in "€‘’“”–—…«»°§\xa0¿¡©®" for c in others)
        and len(letters) >= 0.5 * len(others)
        and not re.search(r"[^\W\x00-\x7f\d_]{3}", text)
        and not re.search(r"[a-z](?=[^\x00-\x7f])[^\Wa-zß-ÿœšž\d_]", text)
        and _mixed_share(text) >= 0.5
    )


LIKELY: dict[str, Callable[[str], bool]] = {
    "cp949": _is_korean,
    "cp932": _is_japanese,
    "cp1252": _is_western,
}
