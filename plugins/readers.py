"""Readers: how a data folder becomes the tables of train, test and the sample submission."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from automask import Text, reader
from automask.errors import UserError

from .tabular import (
    Columns,
    Csv,
    Images,
    few,
    find_csv,
    folder_names,
    guess_columns,
    image_names,
    is_image,
    is_image_folder,
    probe,
    quoted,
    read_csv,
    sample_id_column,
    shown,
    squash,
)

if TYPE_CHECKING:
    from automask.tables import Rows, Tables

FILES = {"train": "train.csv", "test": "test.csv", "sample": "sample_submission.csv"}

MASKS = ("wear", "incorrect", "not wear")
GENDERS = ("male", "female")
AGES = ("<30", "30-59", ">=60")
PHOTOS = {f"mask{number}": "wear" for number in range(1, 6)}
PHOTOS |= {"incorrect_mask": "incorrect", "normal": "not wear"}
PERSON = ("gender", "age", "path")


@reader(
    train=Text(),
    test=Text(),
    sample=Text(),
    id=Text(),
    image=Text(),
    target=Text(many=True),
    group=Text(),
)
def table(
    folder: Path,
    *,
    train: str | None = None,
    test: str | None = None,
    sample: str | None = None,
    id: str | None = None,
    image: str | None = None,
    target: str | Sequence[str] | None = None,
    group: str | None = None,
) -> Tables | None:
    """A CSV with a row an image: train.csv, and test.csv and sample_submission.csv if any.

    `train`, `test` and `sample` name the files; `id`, `image`, `target` (one or a list) and `group`
    name columns of train. What is None is guessed and noted; "" says that there is no `test`,
    `sample` or `group`. None where the folder has no such CSV; raises `UserError` where a CSV is
    broken, a row has no image or no label, or the tables don't fit each other.
    """
    from automask.tables import Tables

    given = {"train": train, "test": test, "sample": sample}
    found = {role: find_csv(folder, role, name) for role, name in given.items()}
    names = {role: name for role, (name, _) in found.items() if name is not None}
    if not names.get("train") or (train is None and _is_class_map(folder, names["train"])):
        return None
    csvs = {role: read_csv(folder / name) for role, name in names.items() if name}
    images = Images(folder)
    targets = [target] if isinstance(target, str) else target or []
    columns, guesses = guess_columns(csvs, images, id=id, image=image, targets=targets, group=group)
    notes = [note for _, note in found.values() if note] + guesses
    train_rows = _rows(csvs["train"], images, "train", columns)
    test_rows, id_column, answers = None, columns.id, csvs.get("sample")
    if answers:
        id_column = sample_id_column(answers, columns.id)
    if "test" in csvs:
        test_rows = _rows(csvs["test"], images, "test", _columns_of_test(csvs["test"], columns))
    elif answers:
        _refuse_no_test(answers, id_column, images)
        test_rows = _only_ids(answers, id_column, images)
        notes.append(f"no test table: the ids of {names['sample']} name the test images")
    if test_rows:
        _refuse_shared(folder, train_rows, test_rows)
    if answers and test_rows:
        notes += _check_sample(answers, id_column, test_rows.ids, columns.targets)
    chosen = {role: name for role, name in names.items() if name != FILES[role]}
    chosen |= {"id": columns.id, "image": columns.image}
    chosen |= {"group": columns.group} if columns.group or group == "" else {}
    one, *more = columns.targets
    return Tables(
        train=train_rows,
        test=test_rows,
        sample=answers.frame(answers.columns) if answers else None,
        id_column=id_column,
        arguments={**chosen, "target": [one, *more] if more else one},
        notes=tuple(notes),
    )


def _columns_of_test(test: Csv, columns: Columns) -> Columns:
    """Those of train, where an image that isn't told is the id's."""
    image = columns.image if columns.image in test.columns else columns.id
    group = columns.group if columns.group in test.columns else ""
    return Columns(columns.id, image, group=group)


def _rows(csv: Csv, images: Images, role: str, columns: Columns) -> Rows:
    from automask.tables import Rows

    csv.refuse_empty(dict.fromkeys([columns.id, columns.image, *columns.targets]))
    csv.refuse_repeats(columns.id)
    ids, used = csv[columns.id], {columns.id, columns.image, columns.group, *columns.targets}
    # A row that names no group is one of its own, not of the group of all that name none.
    groups = (
        [g or i for g, i in zip(csv[columns.group], ids, strict=True)] if columns.group else None
    )
    return Rows(
        ids=ids,
        paths=images.resolve(csv, columns.image, role),
        attributes=csv.frame(columns.targets),
        groups=groups,
        extra=csv.frame(column for column in csv.columns if column not in used),
    )


def _only_ids(sample: Csv, id_column: str, images: Images) -> Rows:
    """The test images that a sample submission asks for."""
    ids = replace(sample, columns={id_column: sample[id_column]})
    return _rows(ids, images, "test", Columns(id_column, id_column))


def _refuse_no_test(sample: Csv, id_column: str, images: Images) -> None:
    ids = probe(sample[id_column])
    prefix, _ = images.locate(ids, "test")
    if not images.hits(prefix, ids):
        raise UserError(
            f"{sample.path} asks for {few(quoted(ids))}, but there is neither a test table nor "
            'images so named; add test.csv or the images, or say sample = "" to do without'
        )


def _refuse_shared(folder: Path, train: Rows, test: Rows) -> None:
    if shared := sorted({*train.ids} & {*test.ids}):
        raise UserError(
            f"{folder}: train and test share {len(shared)} ids ({few(quoted(shared))}); "
            "take them out of one"
        )


def _check_sample(
    sample: Csv, id_column: str, test_ids: Sequence[str], targets: Collection[str]
) -> list[str]:
    """Notes on a sample submission; a `UserError` where it doesn't fit the test ids and targets."""
    sample.refuse_repeats(id_column)
    asked, there = dict.fromkeys(sample[id_column]), dict.fromkeys(test_ids)
    unknown = [name for name in asked if name not in there]
    absent = [name for name in there if name not in asked]
    if unknown or absent:
        differ = [f"{len(unknown)} ids are no test ids ({few(quoted(unknown))})"] * bool(unknown)
        differ += [f"{len(absent)} test ids are missing ({few(quoted(absent))})"] * bool(absent)
        raise UserError(
            f"{sample.path}: in column '{id_column}' {' and '.join(differ)}; "
            "it needs a row for each test image"
        )
    answers = [column for column in sample.columns if column != id_column]
    missing = [target for target in targets if target not in answers]
    if len(targets) == len(answers) == len(missing) == 1:
        return [f"'{answers[0]}' of {sample.path.name} takes the answers of '{missing[0]}'"]
    if missing:
        raise UserError(
            f"{sample.path} has no column for the target {', '.join(quoted(missing))} "
            f"(it has {few(quoted(sample.columns))}); rename its column or say target = '...'"
        )
    rest = [answer for answer in answers if answer not in targets]
    return [f"{few(quoted(rest))} of {sample.path.name} stays as it is: no target"] if rest else []


@reader()
def folders(folder: Path) -> Tables | None:
    """A folder a class: DATA/CLASS/*.jpg, or DATA/train/CLASS/*.jpg and DATA/test/*.jpg.

    A train image's id is its path below the folder of the classes, its label the class folder's
    name; a test image's id is its name, without the extension where the sample submission has it
    so. None where the folder has a train CSV or no class folders; raises `UserError` where a class
    has no images, there is only one, or the sample doesn't fit.
    """
    import pandas as pd

    from automask.tables import Rows, Tables

    found = _classes(folder)
    if found is None or _train_csv(folder):
        return None
    root, classes = found
    images = {name: list(_walk(root / name)) for name in classes}
    if empty := [name for name in classes if not images[name]]:
        raise UserError(
            f"{root}: no images in the class folder {few(quoted(empty))}; add some or "
            "remove the folder"
        )
    if len(classes) < 2:
        raise UserError(f"{root} has only one class folder, '{classes[0]}'; it takes at least two")
    pairs = [(name, f"{name}/{path}") for name in classes for path in images[name]]
    notes = [f"labels: the names of the {len(classes)} folders in {root}"]
    others = [name for name in folder_names(folder) if root != folder and name != root.name]
    if others := [f"{name}/" for name in others if not _is_test(name)]:
        notes.append(f"left alone: {few(others)}")
    train = Rows(
        ids=[path for _, path in pairs],
        paths=[root / path for _, path in pairs],
        attributes=pd.DataFrame({"label": [name for name, _ in pairs]}, dtype=str),
    )
    test_name = next((name for name in folder_names(folder) if _is_test(name)), "test")
    files = list(_walk(folder / test_name))
    name, note = find_csv(folder, "sample")
    sample = read_csv(folder / name) if name else None
    id_column, ids = "id", files
    if sample:
        id_column = sample_id_column(sample, "id")
        ids = _named_as(sample[id_column], files, test_name)
        notes += _check_sample(sample, id_column, ids, ["label"])
    return Tables(
        train=train,
        test=Rows(ids=ids, paths=[folder / test_name / file for file in files]) if files else None,
        sample=sample.frame(sample.columns) if sample else None,
        id_column=id_column,
        notes=tuple(filter(None, [*notes, note])),
    )


def _classes(folder: Path) -> tuple[Path, list[str]] | None:
    """The folder of the class folders and their names, if it looks as if there were any."""
    names = folder_names(folder)
    inside = [name for name in names if squash(name) in ("train", "training")]
    root = folder / inside[0] if inside else folder
    classes = [name for name in folder_names(root) if inside or not _is_test(name)]
    if any(map(is_image_folder, classes)):
        return None
    looks = (itertools.islice(_walk(root / name, most=100), 1) for name in classes)
    return (root, classes) if any(map(list, looks)) else None


def _walk(folder: Path, most: int | None = None) -> Iterator[str]:
    """The images in a folder and below it, in order; looks into `most` folders only."""
    for place, inner, files in itertools.islice(os.walk(folder), most):
        inner[:] = sorted(filter(shown, inner))
        below = Path(place).relative_to(folder)
        yield from ((below / name).as_posix() for name in sorted(files) if _is_shown_image(name))


def _is_shown_image(name: str) -> bool:
    return shown(name) and is_image(name)


def _is_test(name: str) -> bool:
    return squash(name) in ("test", "testing")


def _named_as(asked: Sequence[str], files: list[str], folder: str) -> list[str]:
    """The ids of test files in the form that the sample has: name, stem, or below the folder."""
    forms = [files, [os.path.splitext(file)[0] for file in files], [f"{folder}/{f}" for f in files]]
    return max(forms, key=lambda form: len({*asked} & {*form}))


def _train_csv(folder: Path) -> bool:
    name, _ = find_csv(folder, "train")
    return name is not None and not _is_class_map(folder, name)


def _is_class_map(folder: Path, name: str) -> bool:
    """Whether a labels.csv tells what class folders mean, rather than what images show."""
    return squash(Path(name).stem) == "labels" and _classes(folder) is not None


@reader()
def person_folders(folder: Path) -> Tables | None:
    """The mask competition: train/train.csv, a folder of seven photos a person, eval/info.csv.

    Attributes are mask, gender and age, answered as one class number from 0 to 17; a person is a
    group. `extra` has the age in years. None where train/train.csv is no table of people; raises
    `UserError` where a person's folder, a photo or a cell isn't as it should be.
    """
    import pandas as pd

    from automask.tables import Rows, Tables

    people = None if _train_csv(folder) else _people(folder / "train" / "train.csv")
    if people is None:
        return None
    genders, ages, names = (people[column] for column in PERSON)
    photos = _photos(people, folder / "train" / "images")
    rows = [(row, photo) for row, shots in enumerate(photos) for photo in shots]
    who = [row for row, _ in rows]
    stems = [os.path.splitext(photo)[0] for _, photo in rows]
    race = {c: [people[c][row] for row in who] for c in ("race",) if c in people.columns}
    train = Rows(
        ids=[f"{names[row]}/{stem}" for row, stem in zip(who, stems, strict=True)],
        paths=[folder / "train" / "images" / names[row] / photo for row, photo in rows],
        attributes=pd.DataFrame(
            {
                "mask": [PHOTOS[stem] for stem in stems],
                "gender": [genders[row] for row in who],
                "age": [_age_band(float(ages[row])) for row in who],
            },
            dtype=str,
        ),
        groups=[names[row] for row in who],
        extra=pd.DataFrame({"age_years": [float(ages[row]) for row in who], **race}),
    )
    notes = ["groups: the photos of a person stay on one side of a split"]
    if lacking := [name for name, shots in zip(names, photos, strict=True) if len(shots) < 7]:
        notes.append(f"{len(lacking)} people have fewer than seven photos: {few(quoted(lacking))}")
    test, info = None, None
    if (folder / "eval").is_dir():
        info = read_csv(folder / "eval" / "info.csv")
        images = Images(folder / "eval" / "images")
        test = _only_ids(info, "ImageID", images)
        notes += _check_sample(info, "ImageID", test.ids, ["ans"])
    return Tables(
        train=train,
        test=test,
        sample=info.frame(info.columns) if info else None,
        id_column="ImageID",
        codes={
            combination: str(number)
            for number, combination in enumerate(itertools.product(MASKS, GENDERS, AGES))
        },
        notes=tuple(notes),
    )


def _people(path: Path) -> Csv | None:
    """The checked table of people; None where it is none."""
    people = read_csv(path) if path.is_file() else None
    if people is None or len({*PERSON} & {*people.columns}) < 2:
        return None
    genders, ages, _ = (people[column] for column in PERSON)
    people.refuse_empty(PERSON)
    people.refuse_repeats("path")
    if odd := [row for row, gender in enumerate(genders) if gender not in GENDERS]:
        raise UserError(
            f"{people.at(odd)}: gender '{genders[odd[0]]}' is neither {' nor '.join(GENDERS)}"
        )
    if odd := [row for row, age in enumerate(ages) if not _is_age(age)]:
        raise UserError(f"{people.at(odd)}: age '{ages[odd[0]]}' isn't a number of years")
    return people


def _photos(people: Csv, root: Path) -> list[list[str]]:
    """The photos in each person's folder; a `UserError` where one is missing or not of a kind."""
    photos = [image_names(root / name) for name in people["path"]]
    if gone := [row for row, shots in enumerate(photos) if not shots]:
        names = few(quoted(people["path"][row] for row in gone))
        raise UserError(
            f"{people.at(gone)}: no photos in {root} for the person {names}; add the folder or "
            "take the row out"
        )
    for name, shots in zip(people["path"], photos, strict=True):
        stems = [os.path.splitext(shot)[0] for shot in shots]
        for stem, shot in zip(stems, shots, strict=True):
            if stem not in PHOTOS:
                raise UserError(
                    f"{root / name / shot} is none of the photos {', '.join(PHOTOS)}; rename or "
                    "remove it"
                )
            if stems.count(stem) > 1:
                raise UserError(f"{root / name} has more than one photo '{stem}'; remove one")
    return photos


def _is_age(text: str) -> bool:
    try:
        return 0 <= float(text) < math.inf
    except ValueError:
        return False


def _age_band(years: float) -> str:
    return AGES[(years >= 30) + (years >= 60)]
