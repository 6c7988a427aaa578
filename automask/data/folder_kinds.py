"""Folders by name: litter, automask's own, parts of a split, and those named for what they hold."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from automask.data.csv_file import normalize_name
from automask.data.file_kinds import is_image
from automask.storage.project import Project

#: What systems, network drives and tools leave in a folder, in lower case.
LITTER = frozenset(
    (
        "__macosx",
        "__pycache__",
        "@eadir",
        "#recycle",
        "@recycle",
        "#snapshot",
        "@tmp",
        "@recently-snapshot",
        "$recycle.bin",
        "recycler",
        "recycled",
        "lost+found",
        "node_modules",
        "site-packages",
        "wandb",
        "mlruns",
        "lightning_logs",
        "thumbs.db",
        "ehthumbs.db",
        "ehthumbs_vista.db",
        "desktop.ini",
        "autorun.inf",
        "system volume information",
        "network trash folder",
        "temporary items",
        "icon\r",
    )
)
#: The folders in Ultralytics' runs, which hold drawings of batches and curves.
ULTRALYTICS = ("classify", "detect", "segment", "pose")
ROLES = {
    "train": re.compile(r"train(ing)?|trn"),
    "test": re.compile(r"test(ing)?|tst|eval(uation)?|pred(ict(ion)?)?"),
    "validation": re.compile(r"val(id(ation)?)?|dev"),
}
#: Words beside the role that don't make another name of it; train_station is no split.
FILLERS = re.compile(
    r"(sub)?sets?|data(set)?s?|splits?|folders?|dir|seg|stage\d?|\d+|images?|imgs?|photos?|pictures?|pics?|"
    r"jpe?gs?|png|original|raw|cleaned|the"
)
CONTAINER = re.compile(
    r"(images?|imgs?|photos?|pictures?|pics?|jpe?g|png|train|test)|(train|test)(images?|imgs?)"
)
#: What lies beside images and shows the same things.
COMPANION = re.compile(
    r"(ground|gt)?(masks?|annotations?|labels?|segmentations?|segm?|thumbs?|thumbnails?|previews?|bbox(es)?)"
)


def is_litter(name: str) -> bool:
    """Hidden, or left there by a system or a tool."""
    return name.startswith((".", "~$")) or name.lower() in LITTER


def is_own(folder: Path, name: str) -> bool:
    """Is it automask's: the runs or the plugins of a project that lives, or lived, in the folder?

    A folder with images is the user's, whatever it is called, but for the runs of Ultralytics.
    """
    project = Project(folder)
    inside = folder / name
    if inside not in (project.runs, project.plugins):
        return False
    if inside == project.runs and any((inside / task).is_dir() for task in ULTRALYTICS):
        return True
    begun = inside == project.runs and any(inside.glob("*/folds.csv"))
    if not begun and not project.config.exists():
        return False
    return not any(is_image(file.name) for file in inside.glob("*"))


def role_of(name: str) -> str:
    """The part of a split that a folder's name says, as seg_train, Training Set or testset; "" for none.

    >>> [role_of(name) for name in ("seg_train", "TestSet", "valid", "train_station", "cat")]
    ['train', 'test', 'validation', '', '']
    """
    role, rest = _parse(name)
    return "" if any(not FILLERS.fullmatch(word) for word in rest) else role


def split_names(names: Sequence[str]) -> dict[str, str]:
    """The role of each name that says one; cats_train does where cats_test stands beside it."""
    roles = {name: role for name in names if (role := role_of(name))}
    parsed = {name: _parse(name) for name in names if name not in roles}
    for name, (role, rest) in parsed.items():
        siblings = {other for other, words in parsed.values() if other and words == rest}
        if role in siblings and "train" in siblings and len(siblings) > 1:
            roles[name] = role
    return {name: roles[name] for name in names if name in roles}


def _parse(name: str) -> tuple[str, tuple[str, ...]]:
    """The one role that a word of the name says, "" for none or two, and the other words."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z0-9])", " ", name).lower()
    roles, rest = [], []
    for word in re.split(r"[\W_]+", spaced):
        stem = re.sub(r"(set|data|images?|imgs?|dir)$", "", word)
        role = next((r for r, form in ROLES.items() if form.fullmatch(stem)), "")
        if role:
            roles.append(role)
        elif word:
            rest.append(word)
    return (roles[0] if len({*roles}) == 1 else ""), tuple(rest)


def is_image_folder(name: str) -> bool:
    """Named for what it holds, such as images or train_img."""
    return bool(CONTAINER.fullmatch(normalize_name(name)))


def is_companion(name: str) -> bool:
    """Named for masks, annotations or thumbnails, which show what other images show."""
    return bool(COMPANION.fullmatch(re.sub(r"[\W_\d]+", "", name.lower())))
