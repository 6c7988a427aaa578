"""A project: the folder with `automask.toml`, the studies, the user's plugins and corrected labels."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from automask.errors import UserError

if TYPE_CHECKING:
    from automask.storage.study_store import StudyStore
    from automask.storage.submission_store import SubmissionStore

RESERVED = ("cache", "submissions")  # folders in runs/ that are no studies


@dataclass(frozen=True)
class Project:
    """Where everything of a project lies; the current directory unless another folder is given.

    Paths begin with the folder as it was given, so that those of the default project are short. Give an
    absolute one where the current directory may change while the project is in use.
    """

    folder: Path = Path()

    @property
    def config(self) -> Path:
        return self.folder / "automask.toml"

    @property
    def corrections(self) -> Path:
        """The corrected labels that a new study begins with."""
        return self.folder / "corrections.csv"

    @property
    def bad_images(self) -> Path:
        """The rows whose images stopped a search."""
        return self.runs / "bad_images.csv"

    @property
    def plugins(self) -> Path:
        return self.folder / "plugins"

    @property
    def runs(self) -> Path:
        """The folder of all studies, their caches and kept submissions."""
        return self.folder / "runs"

    @property
    def submission(self) -> Path:
        """What `automask ensemble` writes where there is a test table."""
        return self.folder / "submission.csv"

    @property
    def out_of_fold(self) -> Path:
        """What it writes where there is none."""
        return self.folder / "out_of_fold.csv"

    @property
    def submissions(self) -> SubmissionStore:
        from automask.storage.submission_store import SubmissionStore

        return SubmissionStore(self.runs / "submissions")

    def study(self, name: str) -> StudyStore:
        """Where that study's files are; raises `UserError` where it can't be called so."""
        if not re.fullmatch(r"\w[\w.-]*", name) or name in RESERVED:
            refused = " or ".join(f"'{word}'" for word in RESERVED)
            raise UserError(f"--study '{name}': letters, digits, '.', '_' and '-', not {refused}")
        return self._store(name)

    @property
    def no_study(self) -> StudyStore:
        """In place of a study's store where there is none: it has nothing but the shared cache."""
        return self._store("cache")

    def studies(self) -> list[str]:
        """The names of those that were begun."""
        return sorted(f.name for f in self.runs.glob("*") if self._store(f.name).is_begun)

    def _store(self, name: str) -> StudyStore:
        # The registry, which `automask --help` imports, need not wait for numpy.
        from automask.storage.study_store import StudyStore

        return StudyStore(self.runs / name)

    def path(self, text: str) -> Path:
        """What a path in `automask.toml` or in a space means, also one of Windows: it is relative
        to the project."""
        path = self.folder / text
        return path if path.exists() else self.folder / text.replace("\\", "/")

    def short(self, path: Path) -> Path:
        """An absolute path as people are told it: from the folder on, where it is in there."""
        here = self.folder.absolute()
        return self.folder / path.relative_to(here) if path.is_relative_to(here) else path


_active = Project()


def active() -> Project:
    """The project whose plugins are loaded, which `registry.load` sees to.

    A file that a plugin's hyperparameter names is at `active().path(name)`.
    """
    return _active


def activate(project: Project) -> None:
    global _active
    _active = project
