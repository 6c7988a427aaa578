"""What readers share: CSVs kept as text, images found by name, and which column is which."""

from __future__ import annotations

import csv
import io
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from automask.errors import UserError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

IMAGE_SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff"))
IMAGE_FOLDER = re.compile(
    r"(images?|imgs?|photos?|pictures?|jpe?g|png|train|test)|(train|test)(images?|imgs?)"
)
CSV_STEMS = {
    "train": ("train", "training", "trainlabels", "traininglabels", "trainset", "labels"),
    "test": ("test", "testing", "testset"),
    "sample": ("samplesubmission", "samplesub", "submissionformat", "submissionsample"),
}
LABEL = re.compile(r"(labels?|targets?|class(es)?|categor(y|ies))(name|id)?|y")
GROUP = re.compile(r"groups?|groupid")
PEOPLE = re.compile(
    r"(person|people|patient|subject|user|sender|participant|individual|owner|author)s?(id)?"
)
NO_GROUP = re.compile(r"id|agegroup|bloodgroup|ethnicgroup")
SAID = 3  # how many bad things a sentence names before it counts the rest
TRIED = 50  # folders in which a table's images are looked for
PROBED = 200  # rows that tell which folder or column a table means


@dataclass(frozen=True)
class Csv:
    """A CSV as text: its columns by name, and the line of the file on which each row starts."""

    path: Path
    columns: dict[str, list[str]]
    lines: list[int]

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, column: str) -> list[str]:
        """The cells of a column; a `UserError` with a suggestion where there is no such column."""
        if column not in self.columns:
            raise UserError(
                f"{self.path} has no column '{column}'{did_you_mean(column, self.columns)}"
            )
        return self.columns[column]

    def frame(self, columns: Iterable[str]) -> pd.DataFrame:
        """Some of the columns as text."""
        import pandas as pd

        cells = {column: self[column] for column in columns}
        return pd.DataFrame(cells, index=range(len(self)), dtype=str)

    def at(self, rows: Sequence[int]) -> str:
        """Where those rows are, as a person counts lines."""
        lines = few([str(self.lines[row]) for row in rows])
        return f"{self.path}, {'line' if len(rows) == 1 else 'lines'} {lines}"

    def refuse_empty(self, columns: Iterable[str]) -> None:
        for column in columns:
            if rows := [row for row, cell in enumerate(self[column]) if not cell.strip()]:
                raise UserError(
                    f"{self.at(rows)}: column '{column}' is empty; fill it in or take the row out"
                )

    def refuse_repeats(self, column: str) -> None:
        if repeated := repeats(self[column]):
            rows = [row for row, cell in enumerate(self[column]) if cell == repeated[0]]
            raise UserError(
                f"{self.at(rows)}: {few(quoted(repeated))} of column '{column}' is there more than "
                "once; an id stands for one row, so take the repeats out or name another id column"
            )


def read_csv(path: Path) -> Csv:
    """Read a CSV as text, in UTF-8 with or without a byte order mark, separated as its header is.

    Raises `UserError` where it can't be read, has no rows, or a row doesn't fit the header.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
        rows = list(_rows(text))
    except OSError as error:
        raise UserError(f"{path}: can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} isn't UTF-8 text; save it as CSV UTF-8") from error
    except csv.Error as error:
        raise UserError(f"{path}: can't be read as CSV: {error}") from error
    if len(rows) < 2:
        raise UserError(f"{path} has {'no rows below its header' if rows else 'nothing in it'}")
    (_, header), *rows = rows
    if twice := repeats(header):
        raise UserError(f"{path} has more than one column {few(quoted(twice))}; rename one")
    for line, cells in rows:
        if len(cells) != len(header):
            raise UserError(
                f"{path}, line {line}: {len(cells)} cells where the header has {len(header)}; "
                "look for a separator or a quote too few or too many"
            )
    columns = zip(header, map(list, zip(*(cells for _, cells in rows), strict=True)), strict=True)
    return Csv(path, dict(columns), [line for line, _ in rows])


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Each row that isn't blank, with the line on which it starts."""
    header = re.split(r"[\r\n]", text.lstrip("\r\n"), maxsplit=1)[0]
    # The first of the widest: a comma where nothing separates.
    delimiter = max(",;\t|", key=lambda mark: len(next(csv.reader([header], delimiter=mark), [])))
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    start = 1
    for cells in lines:
        if any(cells):
            yield start, cells
        start = lines.line_num + 1


def find_csv(folder: Path, role: str, given: str | None = None) -> tuple[str | None, str]:
    """The name of the folder's train, test or sample CSV, and a note where it was a choice.

    `given` names it, "" says there is none; None comes back where none is found. Raises `UserError`
    where the given one isn't there, or where several fit equally well.
    """
    names = [name for name in file_names(folder) if name.lower().endswith(".csv")]
    if given is not None:
        if given and not (folder / given).is_file():
            raise UserError(f"{folder / given} isn't there{did_you_mean(given, names)}")
        return given, ""
    ranks = {name: _rank(name, role) for name in names}
    ranked = sorted((rank, name) for name, rank in ranks.items() if rank is not None)
    if not ranked:
        return None, ""
    (best, name), *rest = ranked
    if rest and rest[0][0] == best:
        raise UserError(
            f"{folder} has {name} and {rest[0][1]}; say which one to read with {role} = '{name}'"
        )
    others = ", ".join(other for _, other in rest)
    return name, f"{name} is the {role} table, {others} is left alone" if others else ""


def _rank(name: str, role: str) -> int | None:
    stem, stems = squash(name[: -len(".csv")]), CSV_STEMS[role]
    if stem in stems:
        return stems.index(stem)
    return len(stems) if role == "sample" and stem.startswith(stems[0]) else None


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
            names = [squash(name) for name in folder.split("/")]
            if any(name.startswith(others) for name in names):
                return 3
            return 0 if names[0].startswith(role) else 1 if is_image_folder(names[-1]) else 2

        # Of a thousand class folders none holds all images.
        return ["", *(f"{folder}/" for folder in sorted(tops + inner, key=rank)[:TRIED])]

    def hits(self, prefix: str, values: Iterable[str]) -> int:
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
        found = [self.find(prefix + value) for value in values]
        if missing := [row for row, files in enumerate(found) if not files]:
            places = [prefix] if len(missing) < len(found) else [prefix, *others]
            raise UserError(
                f"{table.at(missing)}: no image {few(quoted(values[row] for row in missing))} of "
                f"column '{column}' in {self.said(places)} ({len(missing)} of {len(found)} rows); "
                "add the files or take the rows out"
            )
        if unclear := [row for row, files in enumerate(found) if len(files) > 1]:
            raise UserError(
                f"{table.at(unclear)}: '{values[unclear[0]]}' of column '{column}' can be "
                f"{' or '.join(found[unclear[0]])}; write the name with its extension"
            )
        return [self.folder / file for (file,) in found]

    def said(self, prefixes: Iterable[str]) -> str:
        return few([prefix or f"{self.folder}/" for prefix in prefixes], most=20)


def _by_name(names: list[str]) -> tuple[set[str], dict[str, list[str]]]:
    stems: dict[str, list[str]] = defaultdict(list)
    for name in names:
        stems[os.path.splitext(name)[0]].append(name)
    return set(names), stems


def image_names(folder: Path) -> list[str]:
    """The names of the images in a folder, hidden ones left out; none where it can't be listed."""
    return [name for name in file_names(folder) if is_image(name)]


def file_names(folder: Path) -> list[str]:
    return _names(folder, os.DirEntry.is_file)


def folder_names(folder: Path) -> list[str]:
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
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES


def is_image_folder(name: str) -> bool:
    """Named for what it holds, such as images or train_img, so that it can't be a class."""
    return bool(IMAGE_FOLDER.fullmatch(squash(name)))


def squash(name: str) -> str:
    """A name without case and separators: Train_Labels and train-labels are both trainlabels."""
    return "".join(character for character in name.lower() if character not in "_- ")


def probe(values: Sequence[str]) -> Sequence[str]:
    """A few values from all over a column."""
    return values[:: max(1, len(values) // PROBED)]


def repeats(values: Iterable[str]) -> list[str]:
    return [value for value, count in Counter(values).items() if count > 1]


def quoted(values: Iterable[str]) -> list[str]:
    return [f"'{value}'" for value in values]


def few(values: Sequence[str], most: int = SAID) -> str:
    """The first of them, and how many more there are."""
    rest = len(values) - most
    return ", ".join(values[:most]) + (f" and {rest} more" if rest > 0 else "")


@dataclass(frozen=True)
class Columns:
    """Which columns of a table are the id, the image, the targets and the group ("" for none)."""

    id: str
    image: str
    targets: tuple[str, ...] = ()
    group: str = ""


def guess_columns(
    tables: Mapping[str, Csv],
    images: Images,
    *,
    id: str | None,
    image: str | None,
    targets: Sequence[str],
    group: str | None,
) -> tuple[Columns, list[str]]:
    """The columns of the train table, guessed where they aren't given, and a note on each guess.

    Raises `UserError` where a given column isn't there or stands for two things, and where an image
    or target column can't be told.
    """
    train, notes = tables["train"], []
    given = [*targets, *filter(None, (id, image, group))]
    for column in given:
        train[column]
    if image is None:
        image, note = _image_column(train, images, skip={*targets, group})
        notes.append(note)
    if id is None:
        id, note = _id_column(tables, image, skip={*targets, group})
        notes.append(note)
    if not targets:
        targets, note = _target_columns(tables, skip={id, image, group})
        notes.append(note)
    if group is None:
        group, note = _group_column(train, skip={id, image, *targets})
        notes.append(note)
    if clash := sorted({*targets} & {id, image, group}) or repeats(targets):
        raise UserError(
            f"{train.path}: column '{clash[0]}' is named twice; a column is a target, the id, the "
            "image or the group"
        )
    return Columns(id, image, tuple(targets), group), list(filter(None, notes))


def sample_id_column(sample: Csv, id: str) -> str:
    """The sample's column of ids: the one named as in train, else its first."""
    return id if id in sample.columns else next(iter(sample.columns))


def _image_column(train: Csv, images: Images, skip: Container[str | None]) -> tuple[str, str]:
    options = [column for column in train.columns if column not in skip]
    scores = {column: _image_score(train[column], images) for column in options}
    best = max(options, key=lambda column: scores[column], default="")
    if not best or scores[best][0] < 0.5:
        # Files that are missing still have names.
        named = [column for column in options if all(map(is_image, probe(train[column])))]
        if not named:
            raise UserError(
                f"{train.path}: none of its columns {few(quoted(options), most=20)} names images "
                f"in {images.said(images.prefixes('train'))}; say which one does with image = '...'"
            )
        best = named[0]
    prefix, others = images.locate(train[best], "train")
    note = f"image column '{best}': its files are in {images.said([prefix])}"
    return best, note + (f" (unsure: also in {images.said(others)})" if others else "")


def _image_score(values: Sequence[str], images: Images) -> tuple[float, int, int]:
    """How well a column names images: the share found, then how distinct, then how literally.

    A column of digits finds 1.jpg as well, but its values repeat; an id without the extension does
    too, but a path beside it says more.
    """
    prefix, _ = images.locate(values, "train")
    values = probe(values)
    hits = images.hits(prefix, values)
    return hits / len(values), len(set(values)), sum(map(is_image, values))


def _id_column(
    tables: Mapping[str, Csv], image: str, skip: Container[str | None]
) -> tuple[str, str]:
    train, test, sample = (tables.get(role) for role in ("train", "test", "sample"))
    assert train is not None
    options = [c for c in train.columns if c not in skip and (not test or c in test.columns)]
    asked = next(iter(sample.columns)) if sample else ""
    if asked in options:
        return asked, f"id column '{asked}': the first of the sample submission"
    for column in options:
        if squash(column) == "id":
            return column, f"id column '{column}', by its name"
    for column in options:
        if _is_id(column) and column != image and not repeats(train[column]):
            return column, f"id column '{column}' (unsure, guessed by its name and distinct values)"
    return image, f"id column '{image}': an image's id is its name, for want of an id column"


def _target_columns(
    tables: Mapping[str, Csv], skip: Container[str | None]
) -> tuple[list[str], str]:
    train, test, sample = (tables.get(role) for role in ("train", "test", "sample"))
    assert train is not None
    options = [column for column in train.columns if column not in skip]
    if asked := [column for column in options if sample and column in sample.columns]:
        return asked, f"target {_said(asked)}: the sample submission asks for it"
    named = [column for column in options if LABEL.fullmatch(squash(column))]
    if named:
        named.sort(key=lambda column: squash(column).endswith(("name", "id")))
        others = f" (unsure: {_said(named[1:])} could be it)" if named[1:] else ", by its name"
        return named[:1], f"target column '{named[0]}'{others}"
    rest = [c for c in options if _group_rank(c) is None and not (test and c in test.columns)]
    repeating = [c for c in rest if 1 < len(set(train[c])) <= len(train) / 2]
    if len(repeating) != 1:
        raise UserError(
            f"{train.path}: can't tell which column is the target"
            f"{f' among {few(quoted(rest))}' if rest else ''}; say it with target = '...'"
        )
    return repeating, (
        f"target column '{repeating[0]}' (unsure: the only one left whose values repeat)"
    )


def _group_column(train: Csv, skip: Container[str | None]) -> tuple[str, str]:
    """The group column, by its name only; "" where there is none that joins some rows."""
    named = {
        column: rank
        for column in train.columns
        if column not in skip and (rank := _group_rank(column)) is not None
    }
    joins = [c for c in named if named[c] == 0 or 1 < len(set(train[c])) < len(train)]
    if not joins:
        return "", ""
    group = min(joins, key=lambda column: named[column])
    unsure = ' (unsure, guessed by its name; group = "" says there is none)'
    return group, (
        f"group column '{group}': rows that share it stay on one side of a split"
        f"{unsure if named[group] else ''}"
    )


def _group_rank(column: str) -> int | None:
    """How surely a column's name says group: 0 for surely, None for not at all."""
    name = squash(column)
    if LABEL.fullmatch(name) or NO_GROUP.fullmatch(name):
        return None
    if GROUP.fullmatch(name):
        return 0
    if PEOPLE.fullmatch(name):
        return 1
    return 2 if name.endswith("group") else 3 if _is_id(column) else None


def _is_id(column: str) -> bool:
    """Named id, image_id or ImageID, but not paid."""
    return bool(re.search(r"(?:^|[_\W])[iI][dD]$|[a-z]I[dD]$", column))


def _said(columns: Sequence[str]) -> str:
    return f"column{'s' if len(columns) > 1 else ''} {', '.join(quoted(columns))}"
