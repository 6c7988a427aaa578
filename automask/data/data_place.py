"""Where the data are below what a user names, and what lies there that can't be read as it is."""

from __future__ import annotations

import shlex
import zipfile
from pathlib import Path

from automask.data.folder_kinds import is_image_folder
from automask.data.image_files import folder_names, image_names
from automask.data.table_files import table_names

#: How archives are unpacked, by their names' ends.
UNPACK = {
    ".zip": "unzip -q {file} -d {folder}",
    ".7z": "7z x {file} -o{folder}",
    ".rar": "unrar x {file} {folder}/",
    ".tar": "tar -xf {file} -C {folder}",
    ".tgz": "tar -xf {file} -C {folder}",
    ".tar.gz": "tar -xf {file} -C {folder}",
    ".tar.bz2": "tar -xf {file} -C {folder}",
    ".tar.xz": "tar -xf {file} -C {folder}",
    ".gz": "gunzip -k {file}",
}
WORKBOOKS = (".xlsx", ".xls", ".ods", ".numbers")


def only_folder(folder: Path) -> Path:
    """The folder in which the data are: further down where there is nothing but one folder.

    One that is named for its images, such as train, belongs to the layout.
    """
    names = folder_names(folder)
    if len(names) != 1 or is_image_folder(names[0]) or table_names(folder) or image_names(folder):
        return folder
    inner = folder / names[0]
    return only_folder(inner) if folder_names(inner) or table_names(inner) else folder


def unread_files(folder: Path) -> list[str]:
    """A sentence for each archive in a folder that isn't unpacked, and for its workbooks."""
    files = sorted(f for f in folder.iterdir() if f.is_file() and not f.name.startswith("."))
    archives = [f"{file} isn't unpacked: {line}" for file in files if (line := unpack_line(file))]
    return archives + [
        f"{file} is a workbook: save its table as CSV UTF-8"
        for file in files
        if file.suffix.lower() in WORKBOOKS and not file.with_suffix(".csv").exists()
    ]


def unpack_line(file: Path) -> str:
    """The command that unpacks an archive; "" where it is unpacked already, or none."""
    end = max((e for e in UNPACK if file.name.lower().endswith(e)), key=len, default="")
    if not end:
        return ""
    inside = file.with_name(file.name[: -len(end)])
    names = _members(file) if end == ".zip" else []
    here = [name for name in names if (file.parent / name).exists() or (inside / name).exists()]
    if len(here) == len(names) if names else inside.exists():
        return ""
    # What has a folder, or is a table, of its own needs none made for it.
    loose = len({name.partition("/")[0] for name in names}) > 1
    folder = inside if loose or end in (".7z", ".rar") else file.parent
    made = f"mkdir -p {shlex.quote(str(folder))} && " if end.startswith(".t") else ""
    return made + UNPACK[end].format(file=shlex.quote(str(file)), folder=shlex.quote(str(folder)))


def _members(file: Path) -> list[str]:
    """Some of the files in a zip, from all over it; none where it is broken."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = [n for n in archive.namelist() if not n.endswith("/")]
    except (OSError, zipfile.BadZipFile):
        return []
    names = [name for name in names if not name.startswith("__MACOSX/")]
    return names[:: max(1, len(names) // 50)]
