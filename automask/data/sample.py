"""The sample submission: it asks for each test row once."""

from __future__ import annotations

from collections.abc import Sequence

from automask.data.csv_file import Csv, quoted, shorten_list
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
