"""What inside class folders isn't for training: test folders of each class, and masks beside images."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from automask.data.folder_kinds import is_companion, split_names
from automask.data.image_files import folder_names, walk_images

#: What stands before each of the class folders in the name of a folder that all have.
EACH = "*/"
#: A file named as the mask of another, which stands beside it: benign (1)_mask_1.png.
MASK = re.compile(r"(.+?)([ _-](?:mask|segmentation|seg|groundtruth|gt))(?:[ _-]?\d+)?")


def class_images(root: Path, classes: Sequence[str], without: Sequence[str]) -> Iterator[str]:
    """The images of class folders, from `root` on, but for files and folders that a pattern names."""
    for name in classes:
        for path in walk_images(root / name):
            if not _fits(path, without):
                yield f"{name}/{path}"


def inner_tests(root: Path, classes: Sequence[str]) -> list[str]:
    """The names of folders of test inside the classes, where those of train are beside them."""
    roles = [split_names(folder_names(root / name)) for name in classes]
    return sorted(
        {
            name
            for parts in roles
            if "train" in parts.values()
            for name, role in parts.items()
            if role == "test"
        }
    )


def masks(root: Path, classes: Sequence[str]) -> list[str]:
    """Patterns of what shows the same as images beside it: folders such as masks, files such as
    1_mask.png."""
    patterns: set[str] = set()
    for name in classes:
        paths = list(walk_images(root / name))
        tops = [path.partition("/")[0] if "/" in path else "" for path in paths]
        folders = {top for top in tops if top and is_companion(top)}
        if folders < {*tops}:
            patterns |= folders
        stems = {os.path.splitext(path)[0] for path in paths}
        matches = [MASK.fullmatch(stem) for stem in stems]
        patterns |= {f"*{match[2]}*" for match in matches if match and match[1] in stems}
    return sorted(patterns)


def _fits(path: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(part, pattern) for part in path.split("/") for pattern in patterns)
