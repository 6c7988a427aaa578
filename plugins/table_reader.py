"""The reader of tables: a CSV with a row an image."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automask import Text, reader
from automask.data.bins import read_limits
from automask.data.columns import guess_columns
from automask.data.csv_file import Csv, quoted, shorten_list
from automask.data.embedded_images import number_by_sample
from automask.data.forms import STYLES, read_form
from automask.data.held_out import find_held_out
from automask.data.image_files import Images, probe
from automask.data.sample import (
    answer_cells,
    check_ids,
    sample_id_column,
    spell_as_asked,
    spell_flags,
)
from automask.data.table_files import class_columns, find_tables, read_tables, unused_tables
from automask.data.target_kinds import KINDS
from automask.errors import UserError

from .readers import has_class_folders

if TYPE_CHECKING:
    from automask.data.tables import Tables

FILES = {"train": "train.csv", "test": "test.csv", "sample": "sample_submission.csv"}


@reader(
    train=Text(many=True),
    test=Text(many=True),
    sample=Text(),
    id=Text(),
    image=Text(),
    target=Text(many=True),
    group=Text(),
    limits=Text("age: 30, 60", many=True),
    unit=Text(),
    folds=Text(),
    held_out=Text("split: test"),
    kind=Text(*KINDS),
    separator=Text(" "),
    merge=Text("old = 'new'", pairs=True),
    answers=Text(*STYLES),
    positive=Text(),
)
def table(
    folder: Path,
    *,
    train: str | Sequence[str] | None = None,
    test: str | Sequence[str] | None = None,
    sample: str | None = None,
    id: str | None = None,
    image: str | None = None,
    target: str | Sequence[str] | None = None,
    group: str | None = None,
    limits: str | Sequence[str] | None = None,
    unit: str | None = None,
    folds: str | None = None,
    held_out: str | None = None,
    kind: str | None = None,
    separator: str | None = None,
    merge: Mapping[str, str] | None = None,
    answers: str | None = None,
    positive: str | None = None,
) -> Tables | None:
    """A CSV with a row an image: train.csv, and test.csv and sample_submission.csv if any.

    `train`, `test` and `sample` name the files (several of train or test are read as one); `id`,
    `image`, `target` (one or a list) and `group` name columns of train. What is None is guessed and
    noted; "" says that there is no `test`, `sample` or `group`. `limits` such as "age: 30, 60" make
    classes of a target that is a number: <30, 30-59 and >=60, which the submission then answers.

    `unit` is a column of what several rows are pictures of, and is predicted once; `folds` one of the
    user's own folds; `held_out` such as "split: test" or "path: test/" names a column and the values, or
    folders, of rows that aren't trained on. `kind` says that each target is a column of ``classes``,
    that they are ``one_hot`` or ``multi`` (a column a class, or a label), or that it is a ``number``;
    `separator` is what stands between several labels in a cell; `merge` maps labels to others.
    `answers` is how a submission says
    them (labels, probabilities, one_hot, sets, top, numbers), and `positive` the class of two whose
    probability it has, where the sample can't tell.

    None where the folder has no such table; raises `UserError` where a table is broken, a row has no
    image or no label, or the tables don't fit each other.
    """
    from automask.data.table_rows import left_alone, only_ids, test_rows, train_rows
    from automask.data.tables import Tables
    from automask.data.truth import Wording, read_truth

    choices = {"train": train, "test": test, "sample": sample}
    names, notes = find_tables(folder, has_class_folders(folder), choices)
    if not names.get("train"):
        return None
    csvs = {role: read_tables(folder, files, role) for role, files in names.items() if files}
    if "test" in csvs and "sample" in csvs:
        csvs["test"] = number_by_sample(csvs["test"], csvs["sample"])
    common = Images(folder)
    places = {role: Images(csv.pictures) for role, csv in csvs.items() if csv.pictures}
    images = places.get("train", common)
    notes += [note for csv in csvs.values() for note in csv.notes]
    notes += unused_tables(folder, itertools.chain(*names.values()), notes)
    targets = [target] if isinstance(target, str) else target or class_columns(csvs["train"])
    limits = [limits] if isinstance(limits, str) else limits or []
    whole, asked = csvs["train"], csvs.get("sample")
    parts = find_held_out(whole, held_out, {*targets, id, image, group, unit, folds})
    split = [] if parts.is_folder else [parts.column]
    columns, guesses = guess_columns(
        csvs,
        images,
        id=id,
        image=image,
        targets=targets,
        group=group,
        unit=unit or "",
        folds=folds,
        others=split,
    )
    learnt, rest = parts.rows(whole)
    cells = answer_cells(asked, columns.id)
    if merge is None and len(columns.targets) == 1:
        merge = spell_flags(whole.take(learnt)[columns.targets[0]], cells)
        spelt = [f"{old} is {new}" for old, new in merge.items()]
        notes += [f"labels as the sample submission has them: {', '.join(spelt)}"] * bool(spelt)
    wording = Wording(
        kind,
        separator,
        merge or {},
        [line.rpartition(":")[0].strip() for line in limits],
        bool(target),
    )
    truth = read_truth(whole.take(learnt), columns.targets, wording, cells)
    training = train_rows(
        whole.take(learnt),
        images,
        columns,
        truth,
        (csvs.get("test"), None if unit == "" else asked),
    )
    columns, train_table = training.columns, training.table
    notes += [*parts.notes, *guesses, *truth.notes, *training.notes]
    notes += left_alone(whole, columns, split)
    numbers = read_limits(train_table, columns.targets, limits)
    banded = {name: numeric.texts for name, numeric in numbers.items()}
    rows = replace(training.rows, attributes=training.rows.attributes.assign(**banded))
    tested, id_column = None, columns.id
    if asked:
        id_column = sample_id_column(asked, columns.unit or columns.id)
    held = whole.take(rest)
    if "test" in csvs:
        things = columns
        if asked and id_column in csvs["test"].columns and id_column not in whole.columns:
            things = replace(columns, unit=id_column)
            notes.append(
                f"column '{id_column}' of {csvs['test'].path.name} is what {asked.path.name} asks for: "
                "its rows are predicted and answered once for each"
            )
        tested = test_rows(csvs["test"], places.get("test", common), things)
    elif rest and (not asked or {*held[columns.unit or columns.id]} == {*asked[id_column]}):
        tested, rest = test_rows(held, images, columns), []
    elif asked:
        _refuse_no_test(asked, id_column, common)
        tested = only_ids(asked, id_column, common)
        notes.append(f"no test table: the ids of {asked.path.name} name the test images")
    if rest:
        notes.append(f"the {len(rest):,} rows held out aren't predicted: other test images are")
    if asked and tested:
        ids = spell_as_asked(tested.units or tested.ids, asked[id_column])
        if ids is not tested.units and ids is not tested.ids:
            notes.append(f"ids of {asked.path.name} differ from test's in folder or ending")
            spelt_ids = list(ids)
            tested = (
                replace(tested, units=spelt_ids) if tested.units else replace(tested, ids=spelt_ids)
            )
        ids = list(dict.fromkeys(ids))
        check_ids(asked, id_column, ids)
    reply = read_form(
        asked,
        id_column,
        rows.attributes,
        truth.kind,
        style=answers,
        positive=positive,
        separator=truth.arguments.get("separator") or " ",
    )
    notes += reply.notes
    named = {role: files if files[1:] else "".join(files) for role, files in names.items()}
    chosen: dict[str, Any] = {role: name for role, name in named.items() if name != FILES[role]}
    chosen |= {"id": columns.id, "image": columns.image}
    one, *more = columns.targets
    optional = {"group": (columns.group, group), "unit": (columns.unit, unit)}
    optional |= {"folds": (columns.folds, folds), "held_out": (parts.line, held_out)}
    chosen |= {key: text for key, (text, given) in optional.items() if text or given == ""}
    return Tables(
        train=rows,
        test=tested,
        sample=asked.frame(asked.columns) if asked else None,
        id_column=id_column,
        kind=truth.kind,
        form=reply.form,
        metric=truth.metric or reply.metric,
        arguments={
            **chosen,
            "target": [one, *more] if more else one,
            **({"limits": limits} if limits else {}),
            **truth.arguments,
            **reply.arguments,
        },
        numbers=numbers,
        notes=tuple(notes + images.notes),
    )


def _refuse_no_test(sample: Csv, id_column: str, images: Images) -> None:
    ids = probe(sample[id_column])
    prefix, _ = images.locate(ids, "test")
    if not images.hits(prefix, ids):
        raise UserError(
            f"{sample.path} asks for {shorten_list(quoted(ids))}, but there is neither a test table nor "
            'images so named; add test.csv or the images, or say sample = "" to do without'
        )
