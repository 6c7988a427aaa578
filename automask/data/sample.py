"""The sample submission: it asks for each test row once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from automask.data.class_folders import tests_of
from automask.data.csv_file import Csv, quoted, read_csv, shorten_list
from automask.data.image_files import walk_images
from automask.errors import UserError


def check_ids(sample: Csv, id_column: str, test_ids: Sequence[str]) -> None:
    """Raise `UserError` where a sample submission asks for other rows than those of test."""
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


def find_answers(folder: Path, tables: Sequence[str]) -> tuple[str | None, str]:
    """The CSV among a folder's `tables` that names the images in a folder of test, each and no others,
    and a note on it: a sample submission, whatever it is called."""
    for test in tests_of(folder):
        paths = list(walk_images(folder / test))
        files = [*paths, *(f"{test}/{path}" for path in paths), *map(os.path.basename, paths)]
        known = {*files, *(os.path.splitext(file)[0] for file in files)}
        for name in filter(lambda name: name.lower().endswith(".csv"), tables):
            try:
                columns = read_csv(folder / name).columns
            except UserError:
                continue
            column, cells = next(iter(columns.items()))
            if len({*cells}) == len(paths) and {*cells} <= known and len(columns) > 1:
                return name, (
                    f"{name} is the sample submission: its column '{column}' names the images in {test}/"
                )
    return None, ""
