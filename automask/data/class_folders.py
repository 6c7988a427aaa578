"""Which folders of a data folder are classes, which are parts of a split."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from automask.data.csv_file import normalize_name, quoted, shorten_list
from automask.data.file_kinds import READERS, suffix_of
from automask.data.folder_kinds import is_companion, is_image_folder, role_of, split_names
from automask.data.image_files import folder_names, image_names, walk_folders, walk_images
from automask.errors import UserError, did_you_mean

PART = re.compile(
    r"(fold|part|split|set|batch|subset|session|chunk)\w{0,2}|"
    r"(original|orig|raw|augment(ed|ation)?|aug|processed|preprocessed|resized|cropped|cleaned)s?(data|images?)?"
)


@dataclass(frozen=True)
class Layout:
    """Where the class folders are: `root` holds those of train, `validation` are folders that hold the
    same classes, `tests` those named for test images, the likeliest first. All are relative to the
    data's folder; "." is itself."""

    root: str
    classes: Sequence[str]
    validation: Sequence[str] = ()
    tests: Sequence[str] = ()


def find_layout(folder: Path, train: str | None = None) -> Layout | None:
    """The class folders below a folder, if it looks as if there were any; `train` names their root.

    Raises `UserError` where there are parts of a split but none to train on, where folders can be either
    parts or classes, and where a class has no images.
    """
    roles = split_names(folder_names(folder))
    parts = {name: _unwrap(folder, name) for name in roles}
    if train is None and (only := _only_container(folder, roles)):
        below = find_layout(folder / only)
        return below and Layout(
            f"{only}/{below.root}".removesuffix("/."),
            below.classes,
            [f"{only}/{name}" for name in below.validation],
            [f"{only}/{name}" for name in below.tests] + tests_of(folder),
        )
    if train is None:
        root = _guess_root(folder, roles, parts)
        if root is None:
            return None
    else:
        root = train or "."
        if not (folder / root).is_dir():
            raise UserError(
                f"{folder / root} isn't there{did_you_mean(root, folder_names(folder))}"
            )
    inside = root != "."
    names = folder_names(folder / root)
    if not inside:
        # A class may be called train, but not beside a folder of test images.
        names = [name for name in names if roles.get(name, "train") == "train"]
    classes = _with_images(folder / root, names)
    if train is None and not _are_classes(folder / root, classes):
        return None
    if len(classes) < 2:
        one = f"only one class folder, '{classes[0]}'" if classes else "no class folders"
        raise UserError(f"{folder / root} has {one}; it takes at least two")
    validation = [
        parts[name]
        for name, role in roles.items()
        if role == "validation" and (own := {*inner(folder / parts[name])}) and own <= {*classes}
    ]
    return Layout(root, classes, validation, [name for name in tests_of(folder) if name != root])


def tests_of(folder: Path) -> list[str]:
    """The folders named for test images that have some, the likeliest first."""
    roles = split_names(folder_names(folder))
    tests = [name for name in roles if roles[name] == "test" and _any_image(folder / name)]
    return sorted(tests, key=lambda name: (not is_test(name), not name.lower().startswith("test")))


def is_test(name: str) -> bool:
    """Is a folder called just that?"""
    return normalize_name(name) in ("test", "testing")


def _only_container(folder: Path, roles: Mapping[str, str]) -> str:
    """The folder named for images that has all but test's, in folders of its own; "" for none."""
    rest = [name for name in inner(folder) if name not in roles]
    inside = len(rest) == 1 and is_image_folder(rest[0]) and not image_names(folder / rest[0])
    free = "train" not in roles.values()
    return rest[0] if inside and free and len(inner(folder / rest[0])) > 1 else ""


def _guess_root(folder: Path, roles: dict[str, str], parts: dict[str, str]) -> str | None:
    trains = [
        name for name, role in roles.items() if role == "train" and inner(folder / parts[name])
    ]
    trains = [name for name in trains if normalize_name(name) in ("train", "training")] or trains
    if len(trains) > 1:
        raise UserError(
            f"{folder}: {shorten_list(quoted(trains))} can each be the folder to train on; point at "
            f"one ('automask init {folder / trains[0]}'), or take the others out"
        )
    if trains:
        return parts[trains[0]]
    rest = [
        name for name in folder_names(folder) if name not in roles and _any_image(folder / name)
    ]
    flat = [name for name, role in roles.items() if role == "train" and image_names(folder / name)]
    others = [name for name in roles if name not in flat and inner(folder / parts[name])]
    if len(rest) == 1 and not image_names(folder / rest[0]):
        return None
    if not rest and others:
        raise UserError(
            f"{folder}: {shorten_list([f'{name}/' for name in others])} are parts of a split, but there "
            f"is none to train on; point at one ('automask init {folder / others[0]}')"
        )
    if flat and (len(rest) < 2 or len(flat) < len(roles)):
        return None
    same = {tuple(inner(folder / name)) for name in rest}
    alike = len(rest) > 1 and len(same) == 1 and len(next(iter(same))) > 1
    if alike and all(PART.fullmatch(normalize_name(name)) for name in rest):
        raise UserError(
            f"{folder}: {shorten_list([f'{name}/' for name in rest])} look like parts of the data, "
            f"each with the folders {shorten_list(quoted(next(iter(same))))}; put these together, "
            f"or point at one ('automask init {folder / rest[0]}')"
        )
    return "."


def _with_images(root: Path, names: Sequence[str]) -> list[str]:
    """The folders with images; refuses the empty, and those whose images can't be read."""
    classes = [name for name in names if _any_image(root / name)]
    for name in [name for name in names if name not in classes and classes]:
        files = [file for _, files in walk_folders(root / name) for file in files]
        unread = Counter(s for f in files if (s := suffix_of(f)) in READERS)
        if unread or not files:
            why = [f"{count} {suffix}: {READERS[suffix]}" for suffix, count in unread.items()]
            raise UserError(
                f"{root}: no images in the class folder '{name}'"
                f"{f' ({shorten_list(why)})' if why else ''}; add some or remove the folder"
            )
    return classes


def _are_classes(root: Path, names: Sequence[str]) -> bool:
    """Rather than folders that are named for images, or that show the same once more as masks do."""
    containers = [name for name in names if is_image_folder(name) or is_companion(name)]
    if len(containers) < len(names):
        return True
    if len(names) < 2 or any(map(is_companion, names)):
        return False
    stems = [{os.path.splitext(name)[0] for name in image_names(root / name)} for name in names]
    return not set.intersection(*stems)


def inner(folder: Path) -> list[str]:
    """The folders in a folder that have images."""
    return [name for name in folder_names(folder) if _any_image(folder / name)]


def _any_image(folder: Path) -> bool:
    return any(True for _ in walk_images(folder, most=100))


def _unwrap(folder: Path, name: str) -> str:
    """The folder of that name, or the one in it where it has but one of the same role, or of images."""
    names = inner(folder / name)
    if (
        len(names) == 1
        and not image_names(folder / name)
        and not any((folder / name).glob("*.csv"))
    ):
        (only,) = names
        if (role_of(only) or is_image_folder(only)) and inner(folder / name / only):
            return f"{name}/{only}"
    return name


def unsure(folder: Path, layout: Layout, without: Sequence[str]) -> str:
    """In a few words, why the folders may be no classes; "" where nothing says so, but for the folders
    in them that are named in `without`."""
    root = folder / layout.root
    names = {tuple(n for n in inner(root / name) if n not in without) for name in layout.classes}
    same = next(iter(names))
    if len(names) > 1 or len(same) < 2 or len(split_names(same)) == len(same):
        return ""
    return f" (unsure: each has the folders {shorten_list(quoted(same))})"
