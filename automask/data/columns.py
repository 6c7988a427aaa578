"""Which column of a table is which, guessed from names and values, with a note on each guess."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

from automask.data import boxes
from automask.data.csv_file import Csv, normalize_name, quoted, repeats, shorten_list
from automask.data.file_kinds import is_image
from automask.data.image_files import Images, probe
from automask.errors import UserError

LABEL = re.compile(r"(labels?|targets?|class(es)?|categor(y|ies))(name|id)?|y")
GROUP = re.compile(r"groups?|groupid")
PEOPLE = re.compile(
    r"(person|people|patient|subject|user|sender|participant|individual|owner|author)s?(id)?"
)
NO_GROUP = re.compile(r"id|agegroup|bloodgroup|ethnicgroup")


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
    for column in (*targets, *filter(None, (id, image, group))):
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
    train, test, sample = tables["train"], tables.get("test"), tables.get("sample")
    options = [c for c in train.columns if c not in skip and (not test or c in test.columns)]
    first = next(iter(sample.columns)) if sample else ""
    if first in options:
        return first, f"id column '{first}': the first of the sample submission"
    for column in options:
        if normalize_name(column) == "id":
            return column, f"id column '{column}', by its name"
    for column in options:
        if _is_id(column) and column != image and not repeats(train[column]):
            return column, f"id column '{column}' (unsure, guessed by its name and distinct values)"
    return image, f"id column '{image}': an image's id is its name, for want of an id column"


def _target_columns(
    tables: Mapping[str, Csv], skip: Container[str | None]
) -> tuple[list[str], str]:
    train, test, sample = tables["train"], tables.get("test"), tables.get("sample")
    options = [column for column in train.columns if column not in skip]
    if in_sample := [column for column in options if sample and column in sample.columns]:
        return in_sample, f"target {_phrase(in_sample)}: the sample submission asks for it"
    # A box's y is none of the labels that go by this name.
    inside = boxes.columns(options)
    options = [column for column in options if column not in inside]
    named = [column for column in options if LABEL.fullmatch(normalize_name(column))]
    if named:
        named.sort(key=lambda column: normalize_name(column).endswith(("name", "id")))
        others = f" (unsure: {_phrase(named[1:])} could be it)" if named[1:] else ", by its name"
        return named[:1], f"target column '{named[0]}'{others}"
    rest = [c for c in options if _group_rank(c) is None and not (test and c in test.columns)]
    repeating = [c for c in rest if 1 < len(set(train[c])) <= len(train) / 2]
    if len(repeating) != 1:
        raise UserError(
            f"{train.path}: can't tell which column is the target"
            f"{f' among {shorten_list(quoted(rest))}' if rest else ''}; say it with target = '...'"
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
    name = normalize_name(column)
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


def _phrase(columns: Sequence[str]) -> str:
    return f"column{'s' if len(columns) > 1 else ''} {', '.join(quoted(columns))}"
