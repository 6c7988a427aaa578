"""Files by name and first bytes: which are images, and what would be needed to read others."""

from __future__ import annotations

import functools
import importlib.util
import os
import re
from contextlib import suppress
from pathlib import Path

#: Formats that Pillow identifies but which hold no pixels, or no picture alone.
NO_PICTURES = frozenset(("BUFR", "EPS", "FLI", "GRIB", "HDF5", "IPTC", "MPEG", "WMF", "FITS", "IM"))
PACKED = (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar")
#: Of an ending that can't be read as things are: what reads it.
READERS = {
    ".heic": "pip install pillow-heif reads them",
    ".heif": "pip install pillow-heif reads them",
    ".hif": "pip install pillow-heif reads them",
    ".avif": "a newer Pillow reads them",
    ".dcm": "pip install pydicom reads them",
    ".dicom": "pip install pydicom reads them",
    ".jxl": "convert them to PNG",
    ".svg": "convert them to PNG",
    ".eps": "convert them to PNG",
    ".exr": "convert them to TIFF",
    ".hdr": "convert them to TIFF",
    ".fits": "convert them to TIFF",
    ".npy": "convert them to TIFF",
    ".nii": "convert them to TIFF",
    **dict.fromkeys(
        (".cr2", ".cr3", ".nef", ".arw", ".dng", ".orf", ".rw2", ".raf"), "convert them to TIFF"
    ),
    **dict.fromkeys(
        (".mp4", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg"), "automask takes no videos"
    ),
    **dict.fromkeys(PACKED, "unpack them"),
}
#: How the files of common formats begin, for files that no ending tells.
MAGIC = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|BM.{4}\0\0\0\0|II[*+]\0|MM\0[*+]|RIFF.{4}WEBP"
    rb"|P[1-6][ \t\r\n]+[\d#]|\0\0\0\x0cjP  |qoif",
    re.DOTALL,
)
#: How files begin, in lower case, that are something else, and what that is.
OTHERS = {
    b"<!doctype html": "a web page, perhaps of a download that failed: download it again",
    b"<html": "a web page, perhaps of a download that failed: download it again",
    b"version https://git-lfs": "only a pointer to the image, by Git LFS: fetch it with: git lfs pull",
    b"<svg": "an SVG drawing: convert it to PNG",
    b"<?xml": "an XML text: download it again, or convert it to PNG if it is SVG",
    b"%pdf": "a PDF: convert it to PNG",
    b"pk\3\4": "a zip: unpack it",
    b"\x1f\x8b": "compressed by gzip: unpack it",
}


@functools.cache
def image_suffixes() -> frozenset[str]:
    """The endings, in lower case, of what Pillow and its plugins here read; .dcm where pydicom is."""
    from PIL import Image

    with suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()
    endings = Image.registered_extensions()
    suffixes = {e for e, form in endings.items() if form in Image.OPEN and form not in NO_PICTURES}
    if importlib.util.find_spec("pydicom"):
        suffixes |= {".dcm", ".dicom"}
    return frozenset(suffixes)


def suffix_of(name: str) -> str:
    """The ending in lower case; "" where what follows the last dot is no ending, as in photo.12."""
    suffix = os.path.splitext(name)[1].lower()
    return suffix if re.fullmatch(r"\.(?=\w*[a-z])\w{1,8}", suffix, re.ASCII) else ""


def is_image(name: str) -> bool:
    """Named with an image's ending."""
    return suffix_of(name) in image_suffixes()


def is_packed(name: str) -> bool:
    """Named as an archive of files."""
    return suffix_of(name) in PACKED


def is_image_file(path: str | Path) -> bool:
    """Named as an image or, without an ending, beginning as one."""
    name = os.path.basename(path)
    return is_image(name) or (not suffix_of(name) and starts_as_image(path))


def starts_as_image(path: str | Path) -> bool:
    """Do the file's first bytes say that it's an image?"""
    try:
        with open(path, "rb") as file:
            return bool(MAGIC.match(file.read(32)))
    except OSError:
        return False


def describe_content(content: bytes) -> str:
    """What a file is that is no image known here.

    >>> describe_content(b""), describe_content(b"Not found")
    ('it is empty', "it is a text, beginning with 'Not found'")
    """
    start = content[:64].lstrip()
    for beginning, what in OTHERS.items():
        if start.lower().startswith(beginning):
            return f"it is {what}"
    if content[4:8] == b"ftyp":
        return f"it is of the kind '{content[8:12].decode('ascii', 'replace')}', perhaps a video"
    if not content.strip(b"\0"):
        return "it has nothing but zeros: copy it again" if content else "it is empty"
    text = start.decode("utf-8", "replace")
    if "\ufffd" not in text and text.replace("\n", "").replace("\r", "").isprintable():
        return f"it is a text, beginning with '{text[:20].strip()}'"
    return "no image that automask knows"
