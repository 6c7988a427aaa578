"""The images of a data folder by name: which files they are, and which a table's cells mean."""

from __future__ import annotations

import filecmp
import itertools
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from automask.data.csv_file import Csv, normalize_name, quoted, shorten_list
from automask.data.file_kinds import (
    PACKED,
    READERS,
    image_suffixes,
    is_image_file,
    is_packed,
    suffix_of,
)
from automask.data.folder_kinds import is_companion, is_image_folder, is_litter, is_own, role_of
from automask.data.near_names import Match, NearNames
from automask.errors import UserError

TRIED = 50  # folders in which a table's images are looked for
PROBED = 200  # rows that tell which folder or column a table means
LAST = 3  # the rank of folders that hold something else
OTHERS = {"train": ("test",), "test": ("train", "validation")}


class Images:
    """The images below a folder by name; each directory is listed once, when it is asked for.

    `notes` tells of the names that only nearly fit, a sentence each.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notes: list[str] = []
        self._listings: dict[str, tuple[set[str], dict[str, list[str]]]] = {}
        self._near: dict[str, NearNames] = {}
        self._train: set[str] = set()

    def find(self, relative: str) -> list[str]:
        """The files that `relative` can mean: the one of that name, else all with an extension."""
        head, slash, name = relative.replace("\\", "/").rpartition("/")
        directory = head + slash
        if directory not in self._listings:
            self._listings[directory] = _by_name(image_names(self.folder / directory))
        names, stems = self._listings[directory]
        return [directory + file for file in ([name] if name in names else stems.get(name, []))]

    def prefixes(self, role: str) -> list[str]:
        """The folders in which a table's images may lie, those for its role first.

        Where a folder is named for the role, those named for another aren't among them.
        """
        tops = folder_names(self.folder)
        inner = [
            f"{top}/{name}"
            for top in tops
            for name in folder_names(self.folder / top)
            if is_image_folder(name)
        ]
        roles = {top: role_of(top) for top in tops}
        others = OTHERS[role] if role in roles.values() else ()
        folders = [f for f in tops + inner if roles[f.partition("/")[0]] not in others]
        # Of a thousand class folders none holds all images.
        ranked = sorted(folders, key=lambda folder: self._rank(folder, role))
        return ["", *(f"{folder}/" for folder in ranked[:TRIED])]

    def hits(self, prefix: str, values: Iterable[str]) -> int:
        """How many of the values name an image in the folder."""
        return sum(bool(self.find(prefix + value)) for value in values)

    def names(self, values: Sequence[str]) -> bool:
        """Do most of a column's values name an image each, wherever it lies?"""
        values = list(dict.fromkeys(probe(values)))
        prefix, _ = self.locate(values, "train")
        return 2 * max(self.hits(prefix, values), self.near_hits(values)) > len(values)

    def near_hits(self, values: Sequence[str]) -> int:
        """How many different values of train come near the name of one image anywhere in the folder."""
        matches = self._near_names("train").match(dict.fromkeys(values))
        return sum(len(match.files) == 1 for match in matches.values())

    def locate(self, values: Sequence[str], role: str) -> tuple[str, list[str]]:
        """The folder that has most of the images in a column, and the others that have as many."""
        values = probe(values)
        hits = {prefix: self.hits(prefix, values) for prefix in self.prefixes(role)}
        likely = [p for p in hits if hits[p] and self._rank(p, role) < LAST]
        if likely and all(any(self.find(p + value) for p in likely) for value in values):
            hits = {p: hits[p] for p in hits if p in likely}
        best, *others = (prefix for prefix in hits if hits[prefix] == max(hits.values()))
        return best, others

    def resolve(self, table: Csv, column: str, role: str) -> list[Path]:
        """The path of each row's image; a `UserError` where a row has none, or could have two.

        Rows may have theirs in several folders. Where a name fits no file as it is, it means the one
        that comes nearest, which `notes` then tells.
        """
        values = table[column]
        files, places = self._find_parts(table, column, role)
        absent = dict.fromkeys(v for v in values if v not in files)
        near = self._near_names(role).match(absent) if absent else {}
        means = Counter(match.files[0] for match in near.values() if len(match.files) == 1)
        means.update(file for some in files.values() for file in some)
        sure = {v: m for v, m in near.items() if len(m.files) == 1 and means[m.files[0]] == 1}
        files |= {value: list(match.files) for value, match in sure.items()}
        self._tell_near(column, sure)
        if missing := [row for row, value in enumerate(values) if value not in files]:
            names = dict.fromkeys(values[row] for row in missing)
            unread = unread_kinds(self.folder)
            hints = [f"'{v}' is near {' and '.join(near[v].files[:2])}" for v in names if v in near]
            raise UserError(
                f"{table.at(missing)}: no image {shorten_list(quoted(names))} of "
                f"column '{column}' in {self.describe(places)} ({len(missing)} of {len(values)} rows); "
                f"add the files or take the rows out"
                f"{'; ' if hints or unread else ''}{shorten_list(hints + unread)}"
            )
        if unclear := [row for row, value in enumerate(values) if len(files[value]) > 1]:
            raise UserError(
                f"{table.at(unclear)}: '{values[unclear[0]]}' of column '{column}' can be "
                f"{' or '.join(files[values[unclear[0]]])}; write the name with its folder and extension"
            )
        if role == "train":
            self._train |= {some[0] for some in files.values()}
        elif shared := [row for row, value in enumerate(values) if files[value][0] in self._train]:
            packed = [name for name in _names(self.folder, os.DirEntry.is_file) if is_packed(name)]
            raise UserError(
                f"{table.at(shared)}: no test images of column '{column}' for {len(shared)} of "
                f"{len(values)} rows: {shorten_list([files[values[row]][0] for row in shared])} "
                f"are train's; add the test images{' from ' if packed else ''}{shorten_list(packed)}, "
                'take the rows out, or say test = "" to do without a test table'
            )
        elif role_of(places[0].partition("/")[0]) == "train":
            self.notes.append(
                f"test images (unsure): they are in {places[0]}, beside those of train"
            )
        return [self.folder / files[value][0] for value in values]

    def _find_parts(
        self, table: Csv, column: str, role: str
    ) -> tuple[dict[str, list[str]], list[str]]:
        """The files of each cell in the folder that has most, then in those that have the rest."""
        rest = list(dict.fromkeys(table[column]))
        places: list[str] = []
        files: dict[str, list[str]] = {}
        counts = {}
        while rest:
            prefix, others = self.locate(rest, role)
            parts = {cell: some for cell in rest if (some := self.find(prefix + cell))}
            if not parts or (places and self._rank(prefix, role) == LAST):
                places = places or [prefix, *others]
                break
            for cell in files:
                files[cell] += self._other_pictures(files[cell], self.find(prefix + cell))
            files |= parts
            counts[prefix] = len(parts)
            places.append(prefix)
            rest = [cell for cell in rest if cell not in parts]
        if len(counts) > 1:
            shares = [f"{count} in {self.describe([place])}" for place, count in counts.items()]
            self.notes.append(f"the images of column '{column}': {', '.join(shares)}")
        return files, places

    def _other_pictures(self, files: Sequence[str], more: Sequence[str]) -> list[str]:
        """Those of the further files that aren't copies of the first."""
        first = self.folder / files[0]
        return [f for f in more if not filecmp.cmp(first, self.folder / f, shallow=False)]

    def _tell_near(self, column: str, matches: Mapping[str, Match]) -> None:
        """Note for each way of missing the file's name how many cells do, with an example."""
        ways: dict[str, list[str]] = defaultdict(list)
        for cell, match in matches.items():
            ways[match.how].append(cell)
        for how, cells in ways.items():
            self.notes.append(
                f"{len(cells)} names of column '{column}' {how}; each stands for the only file that "
                f"is near, such as '{cells[0]}' for {matches[cells[0]].files[0]}"
            )

    def _rank(self, prefix: str, role: str) -> int:
        """How late a folder comes among those where a table's images may lie."""
        parts = prefix.strip("/").split("/")
        if role_of(parts[0]) in OTHERS[role] or is_companion(parts[-1]):
            return LAST
        own = role_of(parts[0]) == role or normalize_name(parts[0]).startswith(role)
        return 0 if own else 1 if is_image_folder(parts[-1]) else 2

    def _near_names(self, role: str) -> NearNames:
        if role not in self._near:
            avoid = [f for f in folder_names(self.folder) if role_of(f) in OTHERS[role]]
            self._near[role] = NearNames(walk_images(self.folder), avoid)
        return self._near[role]

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
    return _names(folder, lambda entry: is_image_file(entry.path) and entry.is_file())


def walk_images(folder: Path, most: int | None = None) -> Iterator[str]:
    """The images in a folder and below it, in order; looks into `most` folders only."""
    files = itertools.islice(walk_folders(folder), most)
    root = str(folder)
    return (name for _, names in files for name in names if is_image_file(os.path.join(root, name)))


def walk_folders(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """A folder ("") and those below it, each with the paths of its files from `folder` on, in order.

    Litter, automask's own folders and links to nothing are left out; links to folders are followed,
    but for those that lead back to where they are.
    """
    for place, inner, files in os.walk(folder, followlinks=True):
        inner[:] = sorted(
            n
            for n in inner
            if not (is_litter(n) or is_own(Path(place), n) or _leads_back(Path(place, n)))
        )
        files = [name for name in files if os.path.exists(os.path.join(place, name))]
        below = Path(place).relative_to(folder).as_posix().removeprefix(".")
        head = f"{below}/" if below else ""
        yield below, [f"{head}{name}" for name in sorted(files) if not is_litter(name)]


def _leads_back(path: Path) -> bool:
    """Is it a link to a folder that it is in?"""
    return path.is_symlink() and path.resolve() in {p.resolve() for p in path.parents}


def broken_links(folder: Path) -> list[str]:
    """The links in and below a folder to what isn't there, from `folder` on."""
    return [
        os.path.relpath(os.path.join(place, name), folder)
        for place, _, files in os.walk(folder)
        for name in sorted(files)
        if not is_litter(name) and not os.path.exists(os.path.join(place, name))
    ]


def unread_kinds(folder: Path) -> list[str]:
    """How many images and videos of each ending can't be read, and what would read them."""
    counts = Counter(suffix_of(name) for _, names in walk_folders(folder) for name in names)
    return [
        f"{count} {suffix} file{'s' if count > 1 else ''} ({READERS[suffix]})"
        for suffix, count in counts.most_common()
        if suffix in READERS and suffix not in image_suffixes() and suffix not in PACKED
    ]


def litter_folders(folder: Path) -> list[str]:
    """The folders in and below a folder that are litter but not hidden, from `folder` on."""
    places = [place for place, _ in walk_folders(folder)]
    return [
        f"{place}/{name}".lstrip("/")
        for place in places
        for name in _names(folder / place, os.DirEntry.is_dir, shown=False)
        if is_litter(name) and not name.startswith(".")
    ]


def folder_names(folder: Path) -> list[str]:
    """The names of the folders in a folder, without litter and automask's own; none where it can't be
    listed."""
    return [name for name in _names(folder, os.DirEntry.is_dir) if not is_own(folder, name)]


def _names(
    folder: Path, wanted: Callable[[os.DirEntry[str]], bool], shown: bool = True
) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(
                e.name for e in entries if not (shown and is_litter(e.name)) and wanted(e)
            )
    except (OSError, ValueError):  # a cell's text need not be a name that a file can have
        return []


def probe(values: Sequence[str]) -> Sequence[str]:
    """A few values from all over a column."""
    return values[:: max(1, len(values) // PROBED)]
