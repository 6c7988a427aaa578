"""Which files of a data folder are its tables, and what they hold, whatever they are written in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from automask.data.columns import image_score
from automask.data.csv_file import (
    TABLE_SUFFIXES,
    Csv,
    build_csv,
    find_csv,
    normalize_name,
    quoted,
    read_csv,
    shorten_list,
)
from automask.data.file_kinds import is_image
from automask.data.folder_kinds import role_of
from automask.data.image_files import Images, folder_names, image_names, probe, walk_images
from automask.data.parquet_tables import cell_text, read_parquet
from automask.data.pixel_tables import read_pixels
from automask.data.sample import find_answers
from automask.data.table_text import read_text
from automask.errors import UserError
from automask.storage.project import active

#: Folders of a split, which may have a table of their own.
SPLITS = {
    "train": ("train", "training", "trainset", "trainingset"),
    "validation": ("valid", "val", "validation", "dev", "validset", "valset"),
    "test": ("test", "testing", "testset", "eval", "evaluation"),
}
NO_TRAIN = ("submission", "sample", "test", "answer", "solution")
#: What Hugging Face's image folders and Roboflow call it.
SPLIT_TABLES = ("metadata.csv", "metadata.jsonl", "metadata.parquet", "_classes.csv")


def read_table(path: Path) -> Csv:
    """A CSV, JSON Lines or Parquet file as text; images in its cells are written out as files.

    Raises `UserError` where it can't be read, has no rows, or a row doesn't fit.
    """
    suffix = path.suffix.lower()
    if suffix == ".jsonl":
        return _read_lines(path)
    return read_parquet(path) if suffix == ".parquet" else read_pixels(path) or read_csv(path)


def read_tables(folder: Path, names: Sequence[str], role: str) -> Csv:
    """The tables of those names, one below the other, with the columns that all have.

    What a table in a folder further down says of its images counts from the data folder on.
    """
    parts = [_from_folder(read_table(folder / name), folder, name, role) for name in names]
    if role != "sample":
        parts = [_without_index(part, Images(folder), role) for part in parts]
    return parts[0] if len(parts) == 1 else _join(parts)


def find_tables(
    folder: Path, among_classes: bool, choices: Mapping[str, str | Sequence[str] | None]
) -> tuple[dict[str, list[str]], list[str]]:
    """The names of the tables of train, test and sample, and a note on each choice among several.

    `choices` names them, "" says there is none; what is None is looked for. Raises `UserError` where
    a given one isn't there, or where several fit equally well.
    """
    names: dict[str, list[str]] = {}
    notes: list[str] = []
    for role, choice in choices.items():
        if choice is not None:
            several = [choice] if isinstance(choice, str) else choice
            names[role] = [name for name in several if find_csv(folder, role, name)[0]]
            continue
        if role == "train":
            files, remarks = find_train(folder, among_classes)
        elif role == "test":
            files, remarks = find_test(folder, names.get("train", []))
        else:
            name, note = find_csv(folder, role)
            if not name and not names.get("test"):
                name, note = find_answers(folder, table_names(folder))
            files, remarks = [name] if name else [], [note] if note else []
        if not files:
            files, remarks = _find_in_folders(folder, role, among_classes)
        names |= {role: files} if files else {}
        notes += remarks
    return names, notes


def unused_tables(folder: Path, names: Iterable[str], notes: Sequence[str]) -> list[str]:
    """A note on the folder's tables that are neither in use nor told of already, if any."""
    used = {*names}
    rest = [n for n in table_names(folder) if n not in used and not any(n in t for t in notes)]
    tables = "1 table" if len(rest) == 1 else f"{len(rest)} tables"
    return [f"left alone: {shorten_list(rest)} ({tables})"] if rest else []


def find_train(folder: Path, among_classes: bool) -> tuple[list[str], list[str]]:
    """The names of the tables of a folder's train images, and what was a choice; none where it has none.

    It is the table named so, the one of a folder named so, or the only one that names images.
    `among_classes` says that folders could be classes: then a table has to name images to go before
    them, and one that isn't named for labels images of one folder. Raises `UserError` where several fit.
    """
    name, note = find_csv(folder, "train")
    if name and not (among_classes and _is_class_map(folder, name)):
        return [name], [note] if note else []
    if splits := _split_tables(folder, "train", among_classes):
        more = _split_tables(folder, "validation", among_classes)
        note = f"{shorten_list(more)} is trained on, too; train = '{splits[0]}' leaves it out"
        return splits + more, [note] if more else []
    others = [n for n in table_names(folder) if _is_nameless(n)]
    fitting = [n for n in others if _names_images(folder, n, among_classes)]
    if len(fitting) > 1:
        raise UserError(
            f"{folder}: {', '.join(fitting)} name images; say which one is the train table with "
            f"train = '{fitting[0]}', or begin with: automask init {folder / fitting[0]}"
        )
    return fitting, [f"{n} is the train table: the only one that names images" for n in fitting]


def find_test(folder: Path, train: Sequence[str]) -> tuple[list[str], list[str]]:
    """The same of the test images; where train's table is a split folder's, the one in test's."""
    name, note = find_csv(folder, "test")
    if name:
        return [name], [note] if note else []
    inside = any("/" in name for name in train)
    return (_split_tables(folder, "test", False) if inside else []), []


def _find_in_folders(folder: Path, role: str, among_classes: bool) -> tuple[list[str], list[str]]:
    """The same of the tables in a folder that holds nothing but tables, such as csv or annotations."""
    for place in folder_names(folder):
        inner = folder / place
        if role_of(place) or not table_names(inner) or next(walk_images(inner), None):
            continue
        name, _ = find_csv(inner, role)
        names = [f"{place}/{name}"] if name else []
        if role == "train":
            others = [f"{place}/{n}" for n in table_names(inner) if _is_nameless(n)]
            names = [n for n in names or others if _names_images(folder, n, among_classes)]
        if len(names) == 1:
            return names, [f"{names[0]} is the {role} table"]
    return [], []


def table_names(folder: Path) -> list[str]:
    """The tables in a folder, but for those that automask wrote there itself."""
    project = active()
    own = {project.submission, project.out_of_fold, project.corrections}
    written = {file.resolve() for file in own}
    return sorted(
        file.name
        for file in (folder.iterdir() if folder.is_dir() else ())
        if file.suffix.lower() in TABLE_SUFFIXES
        and not file.name.startswith(".")
        and file.resolve() not in written
    )


def image_column(table: Csv, images: Images, role: str = "train") -> tuple[str, str]:
    """The column of which most cells name images, and the folder they are in; "" where none does."""

    scores = {column: image_score(table[column], images, role) for column in table.columns}
    best = max(scores, key=lambda column: scores[column])
    if scores[best][0] < 0.5:
        return "", ""
    return best, images.locate(table[best], role)[0]


def class_columns(table: Csv) -> list[str]:
    """The columns of a table that has nothing but a column of file names and one a class."""
    image, *classes = table.columns
    is_roboflow = table.path.name == SPLIT_TABLES[-1] and normalize_name(image) == "filename"
    return classes if is_roboflow else []


def _split_tables(folder: Path, role: str, among_classes: bool) -> list[str]:
    """The table in the folder of a split, named as usual or else the only one, that names images."""
    for split in folder_names(folder):
        if normalize_name(split) in SPLITS[role]:
            names = sorted(table_names(folder / split), key=lambda n: n not in SPLIT_TABLES)
            names = [n for n in names if _names_images(folder / split, n, among_classes)]
            if names and (len(names) == 1 or names[0] in SPLIT_TABLES):
                return [f"{split}/{names[0]}"]
    return []


def _is_nameless(name: str) -> bool:
    """Not named for what it is: a test table, a submission or its answers."""
    stem = normalize_name(Path(name).stem)
    return not any(word in stem for word in NO_TRAIN)


def _names_images(folder: Path, name: str, one_folder: bool) -> bool:
    """Whether a table is about images of train, which `one_folder` wants to be in one folder."""
    try:
        table = read_table(folder / name)
    except UserError:
        return False
    if table.pictures:
        return True
    images = Images(folder)
    column, prefix = image_column(table, images)
    in_test = normalize_name(prefix.partition("/")[0]) in SPLITS["test"]
    if not column or in_test or _tells_of_classes(folder, table):
        return False
    values = probe(table[column])
    files = {file for value in values for file in images.find(prefix + value)}
    places = {file.rpartition("/")[0] for file in files}
    if one_folder and len(places) > 1:
        return False
    # A short column of numbers finds 1.jpg as well.
    there = sum(len(image_names(folder / place)) for place in places)
    return any(map(is_image, values)) or 2 * len({*table[column]}) > there


def _is_class_map(folder: Path, name: str) -> bool:
    """Whether a table called labels tells what class folders mean, rather than what images show."""
    if normalize_name(Path(name).stem) != "labels":
        return False
    table = read_table(folder / name)
    named = table.pictures or image_column(table, Images(folder))[0]
    return _tells_of_classes(folder, table) or not named


def _tells_of_classes(folder: Path, table: Csv) -> bool:
    """Whether a column has the name of a folder in every row."""
    places = [folder, *(folder / name for name in folder_names(folder))]
    classes = {name for place in places for name in folder_names(place)}
    columns = table.columns.values()
    return any({*cells} <= classes and len({*cells}) == len(cells) for cells in columns)


def _from_folder(table: Csv, folder: Path, name: str, role: str) -> Csv:
    """The table with the names of its images counted from the data folder on."""
    place = name.rpartition("/")[0]
    if not place or table.pictures:
        return table
    column, prefix = image_column(table, Images(folder / place), role)
    if not column:
        return table
    files = [f"{place}/{prefix}{cell}" for cell in table[column]]
    return replace(table, columns={**table.columns, column: files})


def _without_index(table: Csv, images: Images, role: str) -> Csv:
    """The table without columns of pandas that number its rows, unless these name the images."""
    counted = [[str(n) for n in range(start, start + len(table))] for start in (0, 1)]
    index = [c for c in table.columns if c.startswith("Unnamed: ") and table[c] in counted]
    rest = replace(
        table, columns={c: cells for c, cells in table.columns.items() if c not in index}
    )
    if not index or not rest.columns or not (table.pictures or image_column(rest, images, role)[0]):
        return table
    note = f"{table.path.name}: {shorten_list(quoted(index))} numbers the rows, left alone"
    return replace(rest, notes=(*table.notes, note))


def _join(parts: Sequence[Csv]) -> Csv:
    common = [c for c in parts[0].columns if all(c in part.columns for part in parts)]
    if not common:
        raise UserError(f"{parts[0].path} and {parts[1].path} have no column in common")
    left = {c for part in parts for c in part.columns} - {*common}
    notes = [note for part in parts for note in part.notes]
    if left:
        notes.append(
            f"{shorten_list(quoted(sorted(left)))} is left alone: not in every train table"
        )
    return Csv(
        parts[0].path,
        {c: [cell for part in parts for cell in part[c]] for c in common},
        [line for part in parts for line in part.lines],
        tuple(notes),
        files=tuple(part.path for part in parts for _ in part.lines),
    )


def _read_lines(path: Path) -> Csv:
    """A table of JSON Lines: an object a row."""
    text, notes = read_text(path)
    rows: list[tuple[int, dict[str, Any]]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError as error:
                raise UserError(f"{path}, line {number}: isn't JSON: {error}") from error
            if not isinstance(row, dict):
                raise UserError(f'{path}, line {number}: isn\'t an object, such as {{"a": 1}}')
            rows.append((number, row))
    header = list(dict.fromkeys(key for _, row in rows for key in row))
    cells = [(line, [cell_text(row.get(key)) for key in header]) for line, row in rows]
    return build_csv(path, [(0, header), *cells] if cells else [], notes)
