"""What of a data folder nothing was made of, by kind and number."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from automask.data.csv_file import shorten_list
from automask.data.file_kinds import READERS, is_image_file, is_packed, suffix_of
from automask.data.image_files import broken_links, litter_folders, unread_kinds, walk_folders
from automask.data.tables import Tables

SHOWN = 6
#: Readers tell of the tables that they leave alone.
TABLES = (".csv", ".tsv", ".parquet", ".json", ".jsonl", ".xlsx", ".xls", ".ods")
OWN = ("automask.toml", "report.html")


def leftovers(folder: Path, tables: Tables) -> list[str]:
    """A sentence on the images and other files that weren't read; none where all were."""
    used = {*tables.train.paths, *(tables.test.paths if tables.test else ())}
    images: dict[str, list[str]] = defaultdict(list)
    others: dict[str, list[str]] = defaultdict(list)
    for place, files in walk_folders(folder):
        for name in files:
            path, suffix = folder / name, suffix_of(name)
            if path in used or suffix in TABLES or is_packed(name) or name in OWN:
                continue
            if is_image_file(path):
                images[f"{place.partition('/')[0] or folder}/"].append(name)
            else:
                others[suffix].append(name)
    counts = sorted(images.items(), key=lambda item: -len(item[1]))
    what = [f"{_count(files, 'image')} in {place}" for place, files in counts]
    what += unread_kinds(folder)
    for suffix, files in sorted(others.items(), key=lambda item: -len(item[1])):
        if suffix not in READERS:
            what.append(_count(files, f"{suffix} file" if suffix else "file without an ending"))
    if litter := litter_folders(folder):
        what.append(f"{_count(litter, 'folder')} of the system ({shorten_list(litter)})")
    if links := broken_links(folder):
        what.append(f"{_count(links, 'link')} to what isn't there ({shorten_list(links)})")
    return [f"left alone: {shorten_list(what, SHOWN)}"] if what else []


def _count(things: list[str], noun: str) -> str:
    if len(things) == 1 and "file" in noun:
        return things[0]
    head, *rest = noun.split(" ", 1) if noun.startswith("file ") else (noun,)
    return " ".join([f"{len(things):,} {head}{'s' if len(things) > 1 else ''}", *rest])
