"""Readers: how a data folder becomes the tables of train, test and the sample submission."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from automask import reader
from automask.data.columns import sample_id_column
from automask.data.csv_file import find_csv, normalize_name, quoted, read_csv, shorten_list
from automask.data.image_files import folder_names, is_image_folder, walk_images
from automask.data.sample import check_sample
from automask.errors import UserError

if TYPE_CHECKING:
    from automask.data.tables import Tables


@reader()
def folders(folder: Path) -> Tables | None:
    """A folder a class: DATA/CLASS/*.jpg, or DATA/train/CLASS/*.jpg and DATA/test/*.jpg.

    A train image's id is its path below the folder of the classes, its label the class folder's
    name; a test image's id is its name, without the extension where the sample submission has it
    so. None where the folder has a train CSV or no class folders; raises `UserError` where a class
    has no images, there is only one, or the sample doesn't fit.
    """
    import pandas as pd

    from automask.data.tables import Rows, Tables

    tree = _classes(folder)
    if tree is None or has_train_csv(folder):
        return None
    root, classes = tree
    images = {name: list(walk_images(root / name)) for name in classes}
    if empty := [name for name in classes if not images[name]]:
        raise UserError(
            f"{root}: no images in the class folder {shorten_list(quoted(empty))}; add some or "
            "remove the folder"
        )
    if len(classes) < 2:
        raise UserError(f"{root} has only one class folder, '{classes[0]}'; it takes at least two")
    pairs = [(name, f"{name}/{path}") for name in classes for path in images[name]]
    notes = [f"labels: the names of the {len(classes)} folders in {root}"]
    others = [name for name in folder_names(folder) if root != folder and name != root.name]
    if others := [f"{name}/" for name in others if not _is_test(name)]:
        notes.append(f"left alone: {shorten_list(others)}")
    train = Rows(
        ids=[path for _, path in pairs],
        paths=[root / path for _, path in pairs],
        attributes=pd.DataFrame({"label": [name for name, _ in pairs]}, dtype=str),
    )
    test_name = next((name for name in folder_names(folder) if _is_test(name)), "test")
    files = list(walk_images(folder / test_name))
    name, note = find_csv(folder, "sample")
    sample = read_csv(folder / name) if name else None
    id_column, ids = "id", files
    if sample:
        id_column = sample_id_column(sample, "id")
        ids = _match_form(sample[id_column], files, test_name)
        notes += check_sample(sample, id_column, ids, ["label"])
    return Tables(
        train=train,
        test=Rows(ids=ids, paths=[folder / test_name / file for file in files]) if files else None,
        sample=sample.frame(sample.columns) if sample else None,
        id_column=id_column,
        notes=tuple(filter(None, [*notes, note])),
    )


def _classes(folder: Path) -> tuple[Path, list[str]] | None:
    """The folder of the class folders and their names, if it looks as if there were any."""
    names = folder_names(folder)
    inside = [name for name in names if normalize_name(name) in ("train", "training")]
    root = folder / inside[0] if inside else folder
    classes = [name for name in folder_names(root) if inside or not _is_test(name)]
    if any(map(is_image_folder, classes)):
        return None
    looks = (itertools.islice(walk_images(root / name, most=100), 1) for name in classes)
    return (root, classes) if any(map(list, looks)) else None


def _is_test(name: str) -> bool:
    return normalize_name(name) in ("test", "testing")


def _match_form(sample_ids: Sequence[str], files: list[str], folder: str) -> list[str]:
    """The ids of test files in the form that the sample has: name, stem, or below the folder."""
    forms = [files, [os.path.splitext(file)[0] for file in files], [f"{folder}/{f}" for f in files]]
    return max(forms, key=lambda form: len({*sample_ids} & {*form}))


def has_train_csv(folder: Path) -> bool:
    """Whether the folder has a table named as train's; `labels.csv` may tell what class folders mean."""
    name, _ = find_csv(folder, "train")
    is_labels = name is not None and normalize_name(Path(name).stem) == "labels"
    return name is not None and not (is_labels and has_class_folders(folder))


def has_class_folders(folder: Path) -> bool:
    """Whether the folder has folders that look like classes."""
    return _classes(folder) is not None
