"""Where the files of a bundle lie, which searches or predicts where no hub can be reached."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from automask.errors import UserError
from automask.storage.project import Project


@dataclass(frozen=True)
class BundleStore:
    """The folder of a bundle."""

    folder: Path

    @property
    def project(self) -> Project:
        """Configuration, space, plugins and corrected labels."""
        return Project(self.folder / "project")

    @property
    def weights(self) -> Path:
        """The pretrained weights, as `--weights` takes them."""
        return self.folder / "weights"

    @property
    def model(self) -> Path:
        """The exported model that predicts."""
        return self.folder / "model"

    @property
    def wheels(self) -> Path:
        """automask itself, and whatever is downloaded beside it."""
        return self.folder / "wheels"

    @property
    def requirements(self) -> Path:
        return self.folder / "requirements.txt"

    @property
    def notebook(self) -> Path:
        return self.folder / "notebook.ipynb"

    def check(self) -> None:
        """Raise `UserError` where it holds no project."""
        if not self.project.config.is_file():
            raise UserError(
                f"{self.folder}: no bundle for a search: it has no project/automask.toml; "
                "automask bundle writes one"
            )
