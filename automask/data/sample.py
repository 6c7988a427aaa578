"""The sample submission: what it asks for, held against the test rows and train's labels."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from automask.data.csv_file import Csv, quoted, shorten_list
from automask.errors import UserError


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
