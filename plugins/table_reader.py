"""The reader of tables: a CSV with a row an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from automask import Text, reader
from automask.data.bins import read_limits
from automask.data.columns import Columns, guess_columns, sample_id_column
from automask.data.csv_file import Csv, find_csv, quoted, read_csv, shorten_list
from automask.data.image_files import Images, probe
from automask.data.sample import check_sample
from automask.errors import UserError

from .readers import is_class_map

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
    if not names.get("train") or (train is None and is_class_map(folder, names["train"])):
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
        notes=tuple(notes + images.notes),
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
