"""Which column of a table is which, guessed from names and values, with a note on each guess."""

from __future__ import annotations

import re
from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import dataclass

from automask.data import boxes
from automask.data.csv_file import Csv, normalize_name, quoted, repeats, shorten_list
from automask.data.file_kinds import is_image
from automask.data.image_files import Images, probe
from automask.data.label_texts import NUMBER
from automask.data.row_columns import LABEL, fold_column, goes_with, group_column, group_rank, is_id
from automask.data.sample import sample_id_column
from automask.data.target_kinds import MEASURE, are_flags, number_texts
from automask.errors import UserError

#: In the name of a target that is called more than that.
WORD = re.compile(
    r"(?i)(?:^|[_\W])(labels?|class(es)?|targets?|categor(y|ies)|diagnosis)(?:$|[_\W])"
)


@dataclass(frozen=True)
class Columns:
    """Which columns of a table are what: the id, the image and the targets, and those of the group, the
    unit and the folds ("" for none)."""

    id: str
    image: str
    targets: tuple[str, ...] = ()
    group: str = ""
    unit: str = ""
    folds: str = ""


def guess_columns(
    tables: Mapping[str, Csv],
    images: Images,
    *,
    id: str | None,
    image: str | None,
    targets: Sequence[str],
    group: str | None,
    unit: str = "",
    folds: str | None = None,
    others: Collection[str] = (),
) -> tuple[Columns, list[str]]:
    """The columns of the train table, guessed where they aren't given, and a note on each guess.

    `others` are columns that are something else. Raises `UserError` where a given column isn't there or
    stands for two things, and where an image or target column can't be told.
    """
    train, notes = tables["train"], []
    for column in (*targets, *filter(None, (id, image, group, unit, folds))):
        train[column]
    if image is None:
        image, note = _image_column(train, images, skip={*targets, group, folds, *others})
        notes.append(note)
    if id is None:
        id, note = _id_column(tables, image, skip={*targets, group, unit, folds, *others})
        notes.append(note)
    if folds is None:
        folds, note = fold_column(train, skip={id, image, *targets, group, unit, *others})
        notes.append(note)
    if not targets:
        skip = {id, image, group, unit, folds, *others}
        targets, note = _target_columns(tables, skip)
        notes.append(note)
    if group is None:
        group, more = group_column(train, targets, skip={id, image, *targets, unit, folds, *others})
        notes += more
    roles = [*dict.fromkeys(filter(None, (id, image, group, unit))), folds]
    if clash := sorted({*targets} & {*roles} - {""}) or repeats(targets):
        raise UserError(
            f"{train.path}: column '{clash[0]}' is named twice; a column is a target, the id, the "
            "image, the group, the unit or the folds"
        )
    columns = Columns(id, image, tuple(targets), group, unit, folds)
    return columns, list(filter(None, notes))


def _image_column(train: Csv, images: Images, skip: Container[str | None]) -> tuple[str, str]:
    options = [column for column in train.columns if column not in skip]
    scores = {column: image_score(train[column], images) for column in options}
    best = max(options, key=lambda column: scores[column], default="")
    if not best or scores[best][0] < 0.5:
        near = {column: images.near_hits(probe(train[column])) for column in options}
        nearest = max(options, key=lambda column: near[column], default="")
        if nearest and near[nearest] > len(set(probe(train[nearest]))) / 2:
            return nearest, f"image column '{nearest}': its names come near those of the files"
        # Files that are missing still have names.
        named = [column for column in options if all(map(is_image, probe(train[column])))]
        if not named:
            raise UserError(
                f"{train.path}: none of its columns {shorten_list(quoted(options), most=20)} "
                f"names images "
                f"in {images.describe(images.prefixes('train'))}; say which one does with image = '...'"
            )
        best = named[0]
    prefix, others = images.locate(train[best], "train")
    note = f"image column '{best}': its files are in {images.describe([prefix])}"
    return best, note + (f" (unsure: also in {images.describe(others)})" if others else "")


def image_score(
    values: Sequence[str], images: Images, role: str = "train"
) -> tuple[float, int, int]:
    """How well a column names images: the share found, then how distinct, then how literally.

    A column of digits finds 1.jpg as well, but its values repeat; an id without the extension does
    too, but a path beside it says more.
    """
    prefix, _ = images.locate(values, role)
    values = probe(values)
    hits = images.hits(prefix, values)
    return hits / len(values), len(set(values)), sum(map(is_image, values))


def _id_column(
    tables: Mapping[str, Csv], image: str, skip: Container[str | None]
) -> tuple[str, str]:
    train, test, sample = tables["train"], tables.get("test"), tables.get("sample")
    options = [c for c in train.columns if c not in skip and (not test or c in test.columns)]
    first = sample_id_column(sample) if sample else ""
    if sample and first in options:
        place = "the first" if first == next(iter(sample.columns)) else "that"
        return first, f"id column '{first}': {place} of the sample submission"
    labels = [column for column in train.columns if LABEL.fullmatch(normalize_name(column))]
    for column in options:
        if normalize_name(column) == "id" and not _is_label_id(train, column, labels):
            return column, f"id column '{column}', by its name"
    for column in options:
        if is_id(column) and column != image and not repeats(train[column]):
            return column, f"id column '{column}' (unsure, guessed by its name and distinct values)"
    return image, f"id column '{image}': an image's id is its name, for want of an id column"


def _is_label_id(train: Csv, column: str, labels: Sequence[str]) -> bool:
    """Whether a column that goes by id numbers the labels rather than the rows."""
    return bool(repeats(train[column])) and any(
        goes_with(train[column], train[label]) for label in labels if label != column
    )


def _target_columns(
    tables: Mapping[str, Csv], skip: Container[str | None]
) -> tuple[list[str], str]:
    train, test, sample = tables["train"], tables.get("test"), tables.get("sample")
    options = [column for column in train.columns if column not in skip]
    if in_sample := [column for column in options if sample and column in sample.columns]:
        return in_sample, f"target {_phrase(in_sample)}: the sample submission asks for it"
    if sample and len(answering := _answering(train, options, sample)) == 1:
        return (
            answering,
            f"target {_phrase(answering)}: its values are the sample submission's answers",
        )
    # A box's y is none of the labels that go by this name.
    inside = boxes.columns(options)
    options = [column for column in options if column not in inside]
    named = [column for column in options if LABEL.fullmatch(normalize_name(column))]
    if not named and len(alike := [c for c in options if WORD.search(c)]) == 1:
        return alike, f"target {_phrase(alike)} (unsure, guessed by its name)"
    if named:
        named.sort(key=lambda column: normalize_name(column).endswith(("name", "id")))
        others = f" (unsure: {_phrase(named[1:])} could be it)" if named[1:] else ", by its name"
        return named[:1], f"target column '{named[0]}'{others}"
    rest = [c for c in options if group_rank(c) is None and not (test and c in test.columns)]
    repeating = [
        c for c in rest if 1 < len(set(train[c])) <= len(train) / 2 or _is_measure(train, c)
    ]
    flags = [column for column in rest if are_flags(train, [column])]
    if len(flags) > 1 and {*repeating} <= {*flags}:
        return flags, f"target {_phrase(flags)} (unsure: the ones left that hold 0 and 1)"
    if len(repeating) != 1:
        raise UserError(
            f"{train.path}: can't tell which column is the target"
            f"{f' among {shorten_list(quoted(rest))}' if rest else ''}; say it with target = '...'"
        )
    return repeating, (
        f"target column '{repeating[0]}' (unsure: the only one left whose values repeat)"
    )


def _is_measure(train: Csv, column: str) -> bool:
    """Whether a column holds what is measured of each thing, and not of its picture."""
    is_size = "width" in map(normalize_name, train.columns)
    named = MEASURE.fullmatch(normalize_name(column)) and not (
        is_size and "height" in column.lower()
    )
    return bool(named) and None not in number_texts(train[column])


def _answering(train: Csv, options: Sequence[str], sample: Csv) -> list[str]:
    """The columns that have most of the words that a sample answers with, in its cells or as columns."""
    answers = [column for column in sample.columns if column != sample_id_column(sample)]
    words = {word for name in answers for cell in probe(sample[name]) for word in cell.split()}
    words = {word for word in {*answers, *words} if not NUMBER.fullmatch(word)}
    shares = {c: len(words & {*train[c]}) / max(1, len(words)) for c in options}
    return [column for column in options if shares[column] > 0.5]


def _phrase(columns: Sequence[str]) -> str:
    return f"column{'s' if len(columns) > 1 else ''} {shorten_list(quoted(columns), most=6)}"
