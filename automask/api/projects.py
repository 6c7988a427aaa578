"""Which project a function works on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from automask.storage.project import Project as Project

if TYPE_CHECKING:
    from automask.errors import DiskError

Folder = str | Path | Project


def open_project(folder: Folder = ".") -> Project:
    """The project in a folder, by its absolute path: it stays the same when the directory changes.

    A `Project` is taken as it is. Nothing is read; the folder need not be there.

    >>> open_project("masks").folder.is_absolute()
    True
    >>> open_project(Project(Path("masks"))).folder.is_absolute()
    False
    """
    return folder if isinstance(folder, Project) else Project(Path(folder).absolute())


def disk_full(error: BaseException, folder: Folder = ".") -> DiskError | None:
    """What to tell where a full disk is behind `error`; None where that is something else."""
    from automask.storage.disk import out_of_space

    return out_of_space(error, open_project(folder).runs)
