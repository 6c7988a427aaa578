"""The sample submission: it asks for each test row once, and may spell ids and labels otherwise."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from automask.data.class_folders import tests_of
from automask.data.csv_file import Csv, quoted, read_csv, repeats, shorten_list
from automask.data.image_files import walk_images
from automask.errors import UserError


def sample_id_column(sample: Csv, id: str = "") -> str:
    """The sample's column of ids: the one named as in train, else the first that repeats nothing."""
    first, *others = sample.columns
    distinct = (column for column in (first, *others) if not repeats(sample[column]))
    return id if id in sample.columns else next(distinct, first)


def answer_cells(sample: Csv | None, id: str) -> list[str]:
    """The cells of a sample's only answer; none where it has several."""
    if sample is None:
        return []
    answers = [c for c in sample.columns if c != sample_id_column(sample, id)]
    return sample[answers[0]] if len(answers) == 1 else []


def spell_as_asked(test_ids: Sequence[str], sample_ids: Sequence[str]) -> Sequence[str]:
    """The test ids as the sample spells them, where all differ by no more than folder or ending."""
    for key in _KEYS if {*test_ids} != {*sample_ids} else ():
        asked = {key(name): name for name in sample_ids}
        keys = {key(name) for name in test_ids}
        if keys == {*asked} and len(keys) == len({*test_ids}) == len({*sample_ids}):
            return [asked[key(name)] for name in test_ids]
    return test_ids


def spell_flags(labels: Collection[str], answers: Collection[str]) -> dict[str, str]:
    """What the labels 0 and 1 are in a sample that answers with true and false, and the reverse.

    >>> spell_flags(["0", "1"], ["False"]), spell_flags(["TRUE", "FALSE"], ["0", "1"])
    ({'0': 'False', '1': 'True'}, {'FALSE': '0', 'TRUE': '1'})
    """
    labels, answers = {*labels}, {*answers} - {""}
    for words in (("False", "True"), ("false", "true"), ("FALSE", "TRUE")):
        for ours, theirs in ((("0", "1"), words), (words, ("0", "1"))):
            if labels == {*ours} and answers and answers <= {*theirs}:
                return dict(zip(ours, theirs, strict=True))
    return {}


def _name(path: str) -> str:
    return re.split(r"[\\/]", path)[-1]


def _stem(path: str) -> str:
    return os.path.splitext(path)[0]


_KEYS: Sequence[Callable[[str], str]] = (_stem, _name, lambda path: _stem(_name(path)))


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
        names = {*files, *(os.path.splitext(file)[0] for file in files)}
        for name in filter(lambda name: name.lower().endswith(".csv"), tables):
            try:
                columns = read_csv(folder / name).columns
            except UserError:
                continue
            column, cells = next(iter(columns.items()))
            if len({*cells}) == len(paths) and {*cells} <= names and len(columns) > 1:
                return name, (
                    f"{name} is the sample submission: its column '{column}' names the images in {test}/"
                )
    return None, ""
