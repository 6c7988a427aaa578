"""Readers of labels that folders or file names tell, without a table."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automask import Text, reader
from automask.data.class_contents import EACH, class_images, inner_tests, masks
from automask.data.class_folders import find_layout, inner, is_test, tests_of, unsure
from automask.data.csv_file import find_csv, normalize_name, quoted, read_csv, shorten_list
from automask.data.folder_kinds import is_image_folder, split_names
from automask.data.forms import STYLES, read_form
from automask.data.image_files import folder_names, image_names, walk_images
from automask.data.label_texts import label_notes, refuse_unused
from automask.data.sample import check_ids, find_answers, sample_id_column
from automask.data.table_files import table_names, unused_tables
from automask.errors import UserError

if TYPE_CHECKING:
    from automask.data.tables import Tables

#: A file name that begins with its class: cat.0, american_bulldog_12, dog (3).
NUMBERED = re.compile(r"(?=.*[^\W\d_])(.+?)[\s._-]*\(?\d+\)?")
#: What cameras and people call any picture.
ANY_PICTURE = re.compile(
    r"(img|image|pic|picture|photo|foto|dscn?|dscf|sdc|p|pict|scan|frame|file|screenshot|capture|wp|vid|"
    r"untitled|unnamed|download|sample|example|item|row|data|train|test|val|valid)s?\W*"
)


@reader(
    train=Text(),
    validation=Text(many=True),
    test=Text(),
    without=Text(many=True),
    merge=Text("old = 'new'", pairs=True),
    answers=Text(*STYLES),
    positive=Text(),
)
def folders(
    folder: Path,
    *,
    train: str | None = None,
    validation: str | Sequence[str] | None = "",
    test: str | None = "test",
    without: str | Sequence[str] | None = "",
    merge: Mapping[str, str] | None = None,
    answers: str | None = None,
    positive: str | None = None,
) -> Tables | None:
    """A folder a class: DATA/CLASS/*.jpg, or DATA/train/CLASS/*.jpg and DATA/test/*.jpg.

    `train` names the folder of the class folders ("" for DATA itself), `test` that of the test images,
    "*/test" where each class folder has one, `validation` further ones with the same class folders,
    whose images are trained on as well. `without` are names or patterns of files and folders inside the
    class folders that aren't trained on, such as "masks". What is None is guessed and noted; "" says
    that there is no `validation`, `test` or `without`. `merge` maps labels to others.

    A train image's id is its path below the folder of the classes, its label the class folder's
    name; a test image's id is its name, without the extension where the sample submission has it
    so. `answers` is how a submission says them (labels, probabilities, one_hot, top), and `positive`
    the class of two whose probability it has, where the sample can't tell. None where the folder has a
    train CSV or no class folders; raises `UserError` where a class has no images, there is only one,
    parts of a split can't be told, or the sample doesn't fit.
    """
    layout = None if has_train_csv(folder) else find_layout(folder, train)
    if layout is None:
        return None
    root = folder / layout.root
    in_classes = inner_tests(root, layout.classes)
    if without is None:
        without = in_classes + masks(root, layout.classes)
    patterns = [*filter(None, [without] if isinstance(without, str) else without)]
    names = list(class_images(root, layout.classes, patterns))
    images = [(name, root / name, name.partition("/")[0]) for name in names]
    notes = [
        f"labels: the names of the {len(layout.classes)} folders in "
        f"{root}{unsure(folder, layout, patterns)}"
    ]
    if others := len(list(class_images(root, layout.classes, []))) - len(names):
        notes.append(
            f"{others:,} images of the class folders aren't trained on: those named "
            f'{shorten_list(quoted(patterns))} (without = "" trains on all)'
        )
    if validation is None:
        validation = list(layout.validation)
    parts = [validation] if isinstance(validation, str) else validation
    for part in filter(None, parts):
        more = _read_part(folder, part)
        images += more
        notes.append(
            f"{len(more)} images in {part}/ are trained on, by folds, like those of the other folder "
            '(validation = "" leaves them alone)'
        )
    merge = merge or {}
    refuse_unused(merge, {label for *_, label in images})
    images = [(name, path, merge.get(label, label)) for name, path, label in images]
    notes += label_notes({"label": [label for *_, label in images]}, merge)
    if test is None:
        own = f"{EACH}{in_classes[0]}" if len(in_classes) == 1 and in_classes[0] in patterns else ""
        test = next(iter(layout.tests), own)
    elif test == "test":
        test = next(filter(is_test, layout.tests), "")
    if test.startswith(EACH):
        notes.append(
            f"test images: those in {layout.root}/{test}/, of every class".replace("./", "")
        )
    elif test and inner(folder / test) and not image_names(folder / test):
        notes.append(
            f"{test}/ holds test images: they are predicted, its folders' names aren't read"
        )
    arguments: dict[str, Any] = {}
    if normalize_name(layout.root) not in (".", "train", "training") or train == "":
        arguments["train"] = layout.root.removeprefix(".")
    if parts := [*filter(None, parts)]:
        arguments["validation"] = parts if len(parts) > 1 else parts[0]
    if patterns:
        arguments["without"] = patterns if len(patterns) > 1 else patterns[0]
    if test and not is_test(test):
        arguments["test"] = test
    if merge:
        arguments["merge"] = dict(merge)
    home, files = folder / test, list(walk_images(folder / test)) if test else []
    if test.startswith(EACH):
        name = test.removeprefix(EACH)
        places = [f"{label}/{name}" for label in layout.classes]
        home, files = root, [f"{p}/{file}" for p in places for file in walk_images(root / p)]
    if test and not files:
        raise UserError(f"{folder / test}: no images for test = '{test}'")
    return _make_tables(folder, images, home, files, notes, arguments, answers, positive)


@reader(answers=Text(*STYLES), positive=Text())
def file_names(
    folder: Path, *, answers: str | None = None, positive: str | None = None
) -> Tables | None:
    """File names that begin with the class: DATA/train/cat.0.jpg and DATA/test/1.jpg.

    The label is what stands before the number that ends each name; `answers` and `positive` are as for
    `folders`. None where the folder has a train
    CSV, where a name has no number or only one that any camera gives, and where a class has one image.
    """
    if has_train_csv(folder):
        return None
    roles = split_names(folder_names(folder))
    homes = [name for name, role in roles.items() if role == "train"]
    if not homes and not image_names(folder):
        homes = [n for n in folder_names(folder) if is_image_folder(n) and n not in roles]
    home = homes[0] if len(homes) == 1 else ""
    if home and not image_names(folder / home) and len(deeper := inner(folder / home)) == 1:
        home = f"{home}/{deeper[0]}"
    names = image_names(folder / home)
    matches = [NUMBERED.fullmatch(os.path.splitext(name)[0]) for name in names]
    labels = [match[1] for match in matches if match]
    counts = Counter(labels)
    if (
        len(labels) < len(names)
        or len(counts) < 2
        or min(counts.values()) < 2
        or any(ANY_PICTURE.fullmatch(label.lower()) for label in counts)
    ):
        return None
    images = [(n, folder / home / n, c) for n, c in zip(names, labels, strict=True)]
    note = (
        f"labels: the beginnings of the file names in {folder / home}, {len(counts)} of them, such as "
        f"'{labels[0]}' of {names[0]}"
    )
    test = next(iter(tests_of(folder)), "")
    files = list(walk_images(folder / test)) if test else []
    return _make_tables(folder, images, folder / test, files, [note], {}, answers, positive)


def _read_part(folder: Path, part: str) -> list[tuple[str, Path, str]]:
    """The images of further class folders, with the part's name in their ids."""
    paths = [
        (f"{part}/{label}/{path}", label)
        for label in inner(folder / part)
        for path in walk_images(folder / part / label)
    ]
    if not paths:
        raise UserError(f"{folder / part}: no class folders with images for validation = '{part}'")
    return [(path, folder / path, label) for path, label in paths]


def _make_tables(
    folder: Path,
    images: Sequence[tuple[str, Path, str]],
    home: Path,
    files: list[str],
    notes: Sequence[str],
    arguments: Mapping[str, Any],
    answers: str | None,
    positive: str | None,
) -> Tables:
    """The tables of labelled images (id, path, label) and of the test `files`, which are in `home`."""
    import pandas as pd

    from automask.data.tables import Rows, Tables

    name, note = find_csv(folder, "sample")
    if not name:
        name, note = find_answers(folder, table_names(folder))
    others = [note] if note else []
    others += unused_tables(folder, [name] if name else [], others)
    sample = read_csv(folder / name) if name else None
    id_column, ids = "id", files
    if sample:
        id_column = sample_id_column(sample, "id")
        ids = _match_form(sample[id_column], files, home.name)
    train_ids, paths, labels = zip(*images, strict=True)
    if {*train_ids} & {*ids}:  # other pictures of the same names
        train_ids = tuple(path.relative_to(folder).as_posix() for path in paths)
    if {*train_ids} & {*ids}:
        train_ids = tuple(f"train/{name}" for name in train_ids)
    train = Rows(list(train_ids), list(paths), pd.DataFrame({"label": labels}, dtype=str))
    if sample:
        check_ids(sample, id_column, ids)
    reply = read_form(sample, id_column, train.attributes, style=answers, positive=positive)
    return Tables(
        train=train,
        test=Rows(ids=ids, paths=[home / file for file in files]) if files else None,
        sample=sample.frame(sample.columns) if sample else None,
        id_column=id_column,
        form=reply.form,
        metric=reply.metric,
        arguments={**arguments, **reply.arguments},
        notes=(*notes, *reply.notes, *others),
    )


def _match_form(sample_ids: Sequence[str], files: list[str], folder: str) -> list[str]:
    """The ids of test files in the form that the sample has: name, stem, or below the folder."""
    names = [os.path.basename(file) for file in files]
    stems = [[os.path.splitext(name)[0] for name in form] for form in (files, names)]
    forms = [files, stems[0], [f"{folder}/{file}" for file in files], names, stems[1]]
    forms = [form for form in forms if len({*form}) == len(files)]
    return max(forms, key=lambda form: len({*sample_ids} & {*form}))


def has_train_csv(folder: Path) -> bool:
    """Whether the folder has a table named as train's; `labels.csv` may tell what class folders mean."""
    name, _ = find_csv(folder, "train")
    is_labels = name is not None and normalize_name(Path(name).stem) == "labels"
    return name is not None and not (is_labels and has_class_folders(folder))


def has_class_folders(folder: Path) -> bool:
    """Whether the folder has folders that look like classes."""
    try:
        return find_layout(folder) is not None
    except UserError:
        return True
