"""The reader of the mask competition, whose classes are photos of people."""

from __future__ import annotations

import itertools
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

from automask import reader
from automask.data.csv_file import Csv, quoted, read_csv, shorten_list
from automask.data.image_files import Images, image_names
from automask.data.sample import check_ids
from automask.errors import UserError

from .readers import has_train_csv

if TYPE_CHECKING:
    from automask.data.tables import Tables

MASKS = ("wear", "incorrect", "not wear")
GENDERS = ("male", "female")
AGES = ("<30", "30-59", ">=60")
AGE_LIMITS = (30, 60)
PHOTOS = {f"mask{number}": "wear" for number in range(1, 6)}
PHOTOS |= {"incorrect_mask": "incorrect", "normal": "not wear"}
PERSON = ("gender", "age", "path")


@reader()
def person_folders(folder: Path) -> Tables | None:
    """The mask competition: train/train.csv, a folder of seven photos a person, eval/info.csv.

    Attributes are mask, gender and age, answered as one class number from 0 to 17; a person is a
    group. `extra` has the age in years. None where train/train.csv is no table of people; raises
    `UserError` where a person's folder, a photo or a cell isn't as it should be.
    """
    import numpy as np
    import pandas as pd

    from automask.data.table_rows import only_ids
    from automask.data.tables import Numeric, Rows, Tables

    people = None if has_train_csv(folder) else _people(folder / "train" / "train.csv")
    if people is None:
        return None
    genders, ages, names = (people[column] for column in PERSON)
    photos = _photos(people, folder / "train" / "images")
    rows = [(row, photo) for row, shots in enumerate(photos) for photo in shots]
    who = [row for row, _ in rows]
    stems = [os.path.splitext(photo)[0] for _, photo in rows]
    years = np.array([float(ages[row]) for row in who])
    age = Numeric(years, AGE_LIMITS, AGES)
    race = {c: [people[c][row] for row in who] for c in ("race",) if c in people.columns}
    train = Rows(
        ids=[f"{names[row]}/{stem}" for row, stem in zip(who, stems, strict=True)],
        paths=[folder / "train" / "images" / names[row] / photo for row, photo in rows],
        attributes=pd.DataFrame(
            {
                "mask": [PHOTOS[stem] for stem in stems],
                "gender": [genders[row] for row in who],
                "age": age.texts,
            },
            dtype=str,
        ),
        groups=[names[row] for row in who],
        extra=pd.DataFrame({"age_years": years, **race}),
    )
    notes = ["groups: the photos of a person stay on one side of a split"]
    if lacking := [name for name, shots in zip(names, photos, strict=True) if len(shots) < 7]:
        notes.append(
            f"{len(lacking)} people have fewer than seven photos: {shorten_list(quoted(lacking))}"
        )
    test, info = None, None
    if (folder / "eval").is_dir():
        info = read_csv(folder / "eval" / "info.csv")
        images = Images(folder / "eval" / "images")
        test = only_ids(info, "ImageID", images)
        check_ids(info, "ImageID", test.ids)
    return Tables(
        train=train,
        test=test,
        sample=info.frame(info.columns) if info else None,
        id_column="ImageID",
        codes={
            combination: str(number)
            for number, combination in enumerate(itertools.product(MASKS, GENDERS, AGES))
        },
        numbers={"age": age},
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
        names = shorten_list(quoted(people["path"][row] for row in gone))
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
