"""The images of a data folder by name: which files they are, and which a table's cells mean."""

from __future__ import annotations

import itertools
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from automask.data.csv_file import Csv, normalize_name, quoted, shorten_list
from automask.errors import UserError

IMAGE_SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff"))
IMAGE_FOLDER = re.compile(
    r"(images?|imgs?|photos?|pictures?|jpe?g|png|train|test)|(train|test)(images?|imgs?)"
)
TRIED = 50  # folders in which a table's images are looked for
PROBED = 200  # rows that tell which folder or column a table means


class Images:
    """The images below a folder by name; each directory is listed once, when it is asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._listings: dict[str, tuple[set[str], dict[str, list[str]]]] = {}

    def find(self, relative: str) -> list[str]:
        """The files that `relative` can mean: the one of that name, else all with an extension."""
        head, slash, name = relative.replace("\\", "/").rpartition("/")
        directory = head + slash
        if directory not in self._listings:
            self._listings[directory] = _by_name(image_names(self.folder / directory))
        names, stems = self._listings[directory]
        return [directory + file for file in ([name] if name in names else stems.get(name, []))]

    def prefixes(self, role: str) -> list[str]:
        """The folders in which a table's images may lie, those for its role first."""
        tops = folder_names(self.folder)
        inner = [
            f"{top}/{name}"
            for top in tops
            for name in folder_names(self.folder / top)
            if is_image_folder(name)
        ]
        others = ("test", "eval", "val") if role == "train" else ("train", "val")

        def rank(folder: str) -> int:
            names = [normalize_name(name) for name in folder.split("/")]
            if any(name.startswith(others) for name in names):
                return 3
            return 0 if names[0].startswith(role) else 1 if is_image_folder(names[-1]) else 2

        # Of a thousand class folders none holds all images.
        return ["", *(f"{folder}/" for folder in sorted(tops + inner, key=rank)[:TRIED])]

    def hits(self, prefix: str, values: Iterable[str]) -> int:
        """How many of the values name an image in the folder."""
        return sum(bool(self.find(prefix + value)) for value in values)

    def locate(self, values: Sequence[str], role: str) -> tuple[str, list[str]]:
        """The folder that has most of the images in a column, and the others that have as many."""
        values = probe(values)
        hits = {prefix: self.hits(prefix, values) for prefix in self.prefixes(role)}
        best, *others = (prefix for prefix in hits if hits[prefix] == max(hits.values()))
        return best, others

    def resolve(self, table: Csv, column: str, role: str) -> list[Path]:
        """The path of each row's image; a `UserError` where a row has none, or could have two."""
        values, (prefix, others) = table[column], self.locate(table[column], role)
        matches = [self.find(prefix + value) for value in values]
        if missing := [row for row, files in enumerate(matches) if not files]:
            places = [prefix] if len(missing) < len(matches) else [prefix, *others]
            raise UserError(
                f"{table.at(missing)}: no image "
                f"{shorten_list(quoted(values[row] for row in missing))} of "
                f"column '{column}' in {self.describe(places)} ({len(missing)} of {len(matches)} rows); "
                "add the files or take the rows out"
            )
        if unclear := [row for row, files in enumerate(matches) if len(files) > 1]:
            raise UserError(
                f"{table.at(unclear)}: '{values[unclear[0]]}' of column '{column}' can be "
                f"{' or '.join(matches[unclear[0]])}; write the name with its extension"
            )
        return [self.folder / file for (file,) in matches]

    def describe(self, prefixes: Iterable[str]) -> str:
        """The folders as a sentence names them."""
        return shorten_list([prefix or f"{self.folder}/" for prefix in prefixes], most=20)


def _by_name(names: list[str]) -> tuple[set[str], dict[str, list[str]]]:
    stems: dict[str, list[str]] = defaultdict(list)
    for name in names:
        stems[os.path.splitext(name)[0]].append(name)
    return set(names), stems


def image_names(folder: Path) -> list[str]:
    """The names of the images in a folder, hidden ones left out; none where it can't be listed."""
    return [name for name in _names(folder, os.DirEntry.is_file) if is_image(name)]


def walk_images(folder: Path, most: int | None = None) -> Iterator[str]:
    """The images in a folder and below it, in order; looks into `most` folders only."""
    for place, inner, files in itertools.islice(os.walk(folder), most):
        inner[:] = sorted(filter(shown, inner))
        below = Path(place).relative_to(folder)
        yield from (
            (below / name).as_posix() for name in sorted(files) if shown(name) and is_image(name)
        )


def folder_names(folder: Path) -> list[str]:
    """The names of the folders in a folder, hidden ones left out; none where it can't be listed."""
    return _names(folder, os.DirEntry.is_dir)


def _names(folder: Path, wanted: Callable[[os.DirEntry[str]], bool]) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if shown(entry.name) and wanted(entry))
    except (OSError, ValueError):  # a cell's text need not be a name that a file can have
        return []


def shown(name: str) -> bool:
    """Neither hidden nor litter."""
    return not name.startswith(".") and name not in ("__MACOSX", "__pycache__")


def is_image(name: str) -> bool:
    """Named with an image's extension."""
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES


def is_image_folder(name: str) -> bool:
    """Named for what it holds, such as images or train_img, so that it can't be a class."""
    return bool(IMAGE_FOLDER.fullmatch(normalize_name(name)))


def probe(values: Sequence[str]) -> Sequence[str]:
    """A few values from all over a column."""
    return values[:: max(1, len(values) // PROBED)]
