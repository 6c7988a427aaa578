"""Readers: how a data folder becomes the tables of train, test and the sample submission."""

from __future__ import annotations

import itertools
import os
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from automask import Text, reader
from automask.data.bins import read_limits
from automask.data.columns import Columns, guess_columns, sample_id_column
from automask.data.csv_file import Csv, find_csv, normalize_name, quoted, read_csv, shorten_list
from automask.data.image_files import Images, folder_names, is_image_folder, probe, walk_images
from automask.errors import UserError

if TYPE_CHECKING:
    from automask.data.tables import Rows, Tables

FILES = {"train": "train.csv", "test": "test.csv", "sample": "sample_submission.csv"}


@reader(
    train=Text(),
    test=Text(),
    sample=Text(),
    id=Text(),
    image=Text(),
    target=Text(many=True),
    group=Text(),
    limits=Text("age: 30, 60", many=True),
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
    limits: str | Sequence[str] | None = None,
) -> Tables | None:
    """A CSV with a row an image: train.csv, and test.csv and sample_submission.csv if any.

    `train`, `test` and `sample` name the files; `id`, `image`, `target` (one or a list) and `group`
    name columns of train. What is None is guessed and noted; "" says that there is no `test`,
    `sample` or `group`. `limits` such as "age: 30, 60" make classes of a target that is a number: <30,
    30-59 and >=60, which the submission then answers. None where the folder has no such CSV; raises
    `UserError` where a CSV is broken, a row has no image or no label, or the tables don't fit each
    other.
    """
    from automask.data.tables import Tables

    roles = {"train": train, "test": test, "sample": sample}
    choices = {role: find_csv(folder, role, name) for role, name in roles.items()}
    names = {role: name for role, (name, _) in choices.items() if name is not None}
    if not names.get("train") or (train is None and _is_class_map(folder, names["train"])):
        return None
    csvs = {role: read_csv(folder / name) for role, name in names.items() if name}
    images = Images(folder)
    targets = [target] if isinstance(target, str) else target or []
    columns, guesses = guess_columns(csvs, images, id=id, image=image, targets=targets, group=group)
    notes = [note for _, note in choices.values() if note] + guesses
    train_rows = _rows(csvs["train"], images, "train", columns)
    limits = [limits] if isinstance(limits, str) else limits or []
    numbers = read_limits(csvs["train"], columns.targets, limits)
    banded = {name: numeric.texts for name, numeric in numbers.items()}
    train_rows = replace(train_rows, attributes=train_rows.attributes.assign(**banded))
    test_rows, id_column, answers = None, columns.id, csvs.get("sample")
    if answers:
        id_column = sample_id_column(answers, columns.id)
    if "test" in csvs:
        test_rows = _rows(csvs["test"], images, "test", _columns_of_test(csvs["test"], columns))
    elif answers:
        _refuse_no_test(answers, id_column, images)
        test_rows = only_ids(answers, id_column, images)
        notes.append(f"no test table: the ids of {names['sample']} name the test images")
    if test_rows:
        _refuse_shared(folder, train_rows, test_rows)
    if answers and test_rows:
        notes += check_sample(answers, id_column, test_rows.ids, columns.targets)
    chosen = {role: name for role, name in names.items() if name != FILES[role]}
    chosen |= {"id": columns.id, "image": columns.image}
    chosen |= {"group": columns.group} if columns.group or group == "" else {}
    more_said = {"limits": limits} if limits else {}
    one, *more = columns.targets
    return Tables(
        train=train_rows,
        test=test_rows,
        sample=answers.frame(answers.columns) if answers else None,
        id_column=id_column,
        arguments={**chosen, "target": [one, *more] if more else one, **more_said},
        numbers=numbers,
        notes=tuple(notes),
    )


def _columns_of_test(test: Csv, columns: Columns) -> Columns:
    """Those of train, where an image that isn't told is the id's."""
    image = columns.image if columns.image in test.columns else columns.id
    group = columns.group if columns.group in test.columns else ""
    return Columns(columns.id, image, group=group)


def _rows(csv: Csv, images: Images, role: str, columns: Columns) -> Rows:
    from automask.data.tables import Rows

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


def only_ids(sample: Csv, id_column: str, images: Images) -> Rows:
    """The test images that a sample submission asks for."""
    ids = replace(sample, columns={id_column: sample[id_column]})
    return _rows(ids, images, "test", Columns(id_column, id_column))


def _refuse_no_test(sample: Csv, id_column: str, images: Images) -> None:
    ids = probe(sample[id_column])
    prefix, _ = images.locate(ids, "test")
    if not images.hits(prefix, ids):
        raise UserError(
            f"{sample.path} asks for {shorten_list(quoted(ids))}, but there is neither a test table nor "
            'images so named; add test.csv or the images, or say sample = "" to do without'
        )


def _refuse_shared(folder: Path, train: Rows, test: Rows) -> None:
    if shared := sorted({*train.ids} & {*test.ids}):
        raise UserError(
            f"{folder}: train and test share {len(shared)} ids ({shorten_list(quoted(shared))}); "
            "take them out of one"
        )


def check_sample(
    sample: Csv, id_column: str, test_ids: Sequence[str], targets: Collection[str]
) -> list[str]:
    """Notes on a sample submission; a `UserError` where it doesn't fit the test ids and targets."""
    sample.refuse_repeats(id_column)
    wanted, present = dict.fromkeys(sample[id_column]), dict.fromkeys(test_ids)
    unknown = [name for name in wanted if name not in present]
    absent = [name for name in present if name not in wanted]
    if unknown or absent:
        differ = [f"{len(unknown)} ids are no test ids ({shorten_list(quoted(unknown))})"] * bool(
            unknown
        )
        differ += [f"{len(absent)} test ids are missing ({shorten_list(quoted(absent))})"] * bool(
            absent
        )
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
            f"(it has {shorten_list(quoted(sample.columns))}); rename its column or say target = '...'"
        )
    rest = [answer for answer in answers if answer not in targets]
    return (
        [f"{shorten_list(quoted(rest))} of {sample.path.name} stays as it is: no target"]
        if rest
        else []
    )


@reader()
def folders(folder: Path) -> Tables | None:
    """A folder a class: DATA/CLASS/*.jpg, or DATA/train/CLASS/*.jpg and DATA/test/*.jpg.

    A train image's id is its path below the folder of the classes, its label the class folder's
    name; a test image's id is its name, without the extension where the sample submission has it
    so. None where the folder has a train CSV or no class folders; raises `UserError` where a class
    has no images, there is only one, or the sample doesn't fit.
    """
    import pandas as pd

    from automask.data.tables import Rows, Tables

    tree = _classes(folder)
    if tree is None or has_train_csv(folder):
        return None
    root, classes = tree
    images = {name: list(walk_images(root / name)) for name in classes}
    if empty := [name for name in classes if not images[name]]:
        raise UserError(
            f"{root}: no images in the class folder {shorten_list(quoted(empty))}; add some or "
            "remove the folder"
        )
    if len(classes) < 2:
        raise UserError(f"{root} has only one class folder, '{classes[0]}'; it takes at least two")
    pairs = [(name, f"{name}/{path}") for name in classes for path in images[name]]
    notes = [f"labels: the names of the {len(classes)} folders in {root}"]
    others = [name for name in folder_names(folder) if root != folder and name != root.name]
    if others := [f"{name}/" for name in others if not _is_test(name)]:
        notes.append(f"left alone: {shorten_list(others)}")
    train = Rows(
        ids=[path for _, path in pairs],
        paths=[root / path for _, path in pairs],
        attributes=pd.DataFrame({"label": [name for name, _ in pairs]}, dtype=str),
    )
    test_name = next((name for name in folder_names(folder) if _is_test(name)), "test")
    files = list(walk_images(folder / test_name))
    name, note = find_csv(folder, "sample")
    sample = read_csv(folder / name) if name else None
    id_column, ids = "id", files
    if sample:
        id_column = sample_id_column(sample, "id")
        ids = _match_form(sample[id_column], files, test_name)
        notes += check_sample(sample, id_column, ids, ["label"])
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
    inside = [name for name in names if normalize_name(name) in ("train", "training")]
    root = folder / inside[0] if inside else folder
    classes = [name for name in folder_names(root) if inside or not _is_test(name)]
    if any(map(is_image_folder, classes)):
        return None
    looks = (itertools.islice(walk_images(root / name, most=100), 1) for name in classes)
    return (root, classes) if any(map(list, looks)) else None


def _is_test(name: str) -> bool:
    return normalize_name(name) in ("test", "testing")


def _match_form(sample_ids: Sequence[str], files: list[str], folder: str) -> list[str]:
    """The ids of test files in the form that the sample has: name, stem, or below the folder."""
    forms = [files, [os.path.splitext(file)[0] for file in files], [f"{folder}/{f}" for f in files]]
    return max(forms, key=lambda form: len({*sample_ids} & {*form}))


def has_train_csv(folder: Path) -> bool:
    """Whether the folder has a CSV that tells what its images show."""
    name, _ = find_csv(folder, "train")
    return name is not None and not _is_class_map(folder, name)


def _is_class_map(folder: Path, name: str) -> bool:
    """Whether a labels.csv tells what class folders mean, rather than what images show."""
    return normalize_name(Path(name).stem) == "labels" and _classes(folder) is not None
