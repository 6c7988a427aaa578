"""The file that a table's cell means where no file is called so: by another case, ending or path."""

from __future__ import annotations

import itertools
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from automask.data.csv_file import quoted
from automask.data.file_kinds import is_image, suffix_of


@dataclass(frozen=True)
class Match:
    """The files that a cell can mean, relative to the data's folder, and how its name misses them."""

    files: Sequence[str]
    how: str


class NearNames:
    """Files by ever looser names, of which the first that some file has counts.

    A loose name is sure where one file has it, and no other cell means the same file. Files in the
    folders to `avoid` count only for cells that name that folder.
    """

    def __init__(self, files: Iterable[str], avoid: Collection[str] = ()) -> None:
        self.avoid = avoid
        self.files = [(file, PurePosixPath(file)) for file in files]
        self.folders = {_plain(part) for _, path in self.files for part in path.parts[:-1]}
        self._levels: dict[str, dict[str, list[str]]] = {}

    def match(self, cells: Collection[str]) -> dict[str, Match]:
        """What each cell can mean that no file is called by; without those that nothing is near."""
        matches: dict[str, Match] = {}
        for how, key in LEVELS:
            level = self._level(how, key)
            for cell in cells:
                if cell not in matches and (
                    files := self._fit(cell, level.get(key(_name(cell)), []))
                ):
                    matches[cell] = Match(files, how)
        rest = [cell for cell in cells if cell not in matches]
        if len(rest) > 1 and len(rest) == len(cells):
            matches |= self._match_affix(rest)
        return matches

    def _level(self, how: str, key: Callable[[str], str]) -> dict[str, list[str]]:
        if how not in self._levels:
            level: dict[str, list[str]] = defaultdict(list)
            for file, path in self.files:
                for name in {key(path.name), key(path.stem)}:
                    level[name].append(file)
            self._levels[how] = level
        return self._levels[how]

    def _fit(self, cell: str, files: Sequence[str]) -> list[str]:
        """Those of the files whose folders agree best with the cell's."""
        folders = [_plain(part) for part in re.split(r"[\\/]+", cell)[:-1]]
        agree = {
            file: _common_tail(folders, file)
            for file in files
            if (top := file.partition("/")[0]) not in self.avoid or _plain(top) in folders
        }
        best = max(agree.values(), default=0)
        if not best and folders and folders[-1] in self.folders:
            return []  # The cell's folder is there, but without such a file.
        return [file for file, count in agree.items() if count == best]

    def _match_affix(self, cells: Sequence[str]) -> dict[str, Match]:
        """The same for names that all lack a beginning or end, such as 7 for ISIC_0007_left.jpg."""
        level = self._level(*LEVELS[-1])
        keys = {cell: _without_zeros(_name(cell)) for cell in cells}
        longest = max(keys.values(), key=len)
        more = {
            (stem[:at], stem[at + len(longest) :])
            for stem in level
            for at in _places(longest, stem)
        }
        fits = [
            ({cell: f"{head}{key}{tail}" for cell, key in keys.items()}, "lack", head, tail)
            for head, tail in sorted(more)
            if all(f"{head}{key}{tail}" in level for key in keys.values())
        ]
        common = "".join(letters[0] for letters in _shared(list(keys.values())))
        for at in _ends_of_words(common):
            short = {cell: _without_zeros(key[at:]) for cell, key in keys.items()}
            if all(key in level for key in short.values()):
                fits.append((short, "have more than the file's, by", common[:at], ""))
        if len(fits) != 1:
            return {}
        ((names, verb, head, tail),) = fits
        how = f"{verb} {' and '.join(quoted(filter(None, (head, tail))))}"
        matches = {cell: Match(self._fit(cell, level[name]), how) for cell, name in names.items()}
        return {cell: match for cell, match in matches.items() if match.files}


def _places(text: str, stem: str) -> list[int]:
    """Where the text stands in the stem as words of their own: 7 in isic_7, but not in isic_17."""
    return [
        place.start()
        for place in re.finditer(f"(?={re.escape(text)})", stem)
        if _is_cut(stem, place.start()) and _is_cut(stem, place.start() + len(text))
    ]


def _ends_of_words(text: str) -> list[int]:
    return [at for at in range(1, len(text) + 1) if at == len(text) or _is_cut(text, at)]


def _is_cut(text: str, at: int) -> bool:
    """Is that place between two words or numbers?"""
    pair = text[at - 1 : at + 1]
    return not 0 < at < len(text) or not (pair.isdigit() or pair.isalpha())


def _name(cell: str) -> str:
    return re.split(r"[\\/]+", cell)[-1]


def _common_tail(folders: Sequence[str], file: str) -> int:
    own = [_plain(part) for part in PurePosixPath(file).parts[:-1]]
    return len(_shared([folders[::-1], own[::-1]]))


def _shared(rows: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """What all begin with."""
    columns = zip(*rows, strict=False)
    return list(itertools.takewhile(lambda column: len({*column}) == 1, columns))


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip().casefold()


def _stem(name: str) -> str:
    """Without an image's ending, and the decimals that a spreadsheet gives numbers."""
    plain = _plain(name)
    plain = os.path.splitext(plain)[0] if suffix_of(plain) and is_image(plain) else plain
    return re.sub(r"(?<=\d)\.0+$", "", plain)


def _without_zeros(name: str) -> str:
    return re.sub(r"(?<!\d)0+(?=\d)", "", _stem(name))


#: How a cell misses a file's name, and what both have in common, from near to far.
LEVELS: Sequence[tuple[str, Callable[[str], str]]] = (
    ("name another folder", str),
    ("differ in case, blanks or Unicode form", _plain),
    ("differ in the ending", _stem),
    ("differ in leading zeros", _without_zeros),
)
