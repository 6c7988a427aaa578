"""Where the files of an exported model lie: written whole or not at all, and checked byte by byte."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from automask.errors import UserError
from automask.storage.files import file_digest

#: A line of `sha256sum`: a digest and the file that has it.
LINE = re.compile(r"([0-9a-f]{64})  (\S.*)")


@dataclass(frozen=True)
class ModelStore:
    """The folder of an exported model."""

    folder: Path

    @property
    def contents(self) -> Path:
        """Everything but numbers of networks."""
        return self.folder / "model.json"

    @property
    def card(self) -> Path:
        return self.folder / "MODEL.md"

    @property
    def requirements(self) -> Path:
        return self.folder / "requirements.txt"

    @property
    def blend(self) -> Path:
        """The arrays of the blend."""
        return self.folder / "blend.safetensors"

    @property
    def plugins(self) -> Path:
        """Sources of plugins that no package has."""
        return self.folder / "plugins"

    @property
    def sums(self) -> Path:
        """The SHA-256 of every file, as `sha256sum --check` reads it."""
        return self.folder / "SHA256SUMS"

    def weights(self, name: str) -> Path:
        """The tensors of a backbone or a head."""
        return self.folder / "weights" / f"{name}.safetensors"

    @property
    def is_model(self) -> bool:
        return self.contents.is_file() or self.sums.is_file()

    def refuse_existing(self) -> None:
        """Raise `UserError` where something is there already: nothing is ever replaced."""
        if self.folder.exists() and not (self.folder.is_dir() and not any(self.folder.iterdir())):
            raise UserError(f"{self.folder}: is there already; remove it or give another name")

    @contextmanager
    def create(self) -> Iterator[ModelStore]:
        """A folder to fill, which becomes this one when the block ends well, its sums added.

        Raises `UserError` where something is there already, or where it can't be written.
        """
        self.refuse_existing()
        beside = self.folder.absolute().with_name(f".{self.folder.name}.{os.getpid()}")
        try:
            (beside / "weights").mkdir(parents=True)
            store = ModelStore(beside)
            yield store
            lines = [f"{file_digest(beside / name)}  {name}\n" for name in store._names()]
            store.sums.write_text("".join(lines), "utf-8")
            os.replace(beside, self.folder)
        except OSError as error:
            if error.filename is None:
                raise
            raise UserError(f"{self.folder}: can't be written ({error.strerror})") from error
        finally:
            shutil.rmtree(beside, ignore_errors=True)

    def check(self) -> None:
        """Raise `UserError` where a file is missing or has changed, or where a plugin came in."""
        if not self.is_model:
            raise UserError(
                f"{self.folder}: no exported model: it has no {self.contents.name}; "
                "automask export writes one"
            )
        if not self.sums.is_file():
            raise UserError(self._broken(f"{self.sums.name} is missing"))
        matches = [LINE.fullmatch(line) for line in self.sums.read_text("utf-8").splitlines()]
        sums = {match[2]: match[1] for match in matches if match}
        if not all(matches) or self.contents.name not in sums:
            raise UserError(self._broken(f"{self.sums.name} has changed"))
        missing = [name for name in sums if not (self.folder / name).is_file()]
        if missing:
            raise UserError(self._broken(f"{', '.join(missing[:3])} is missing"))
        changed = [name for name in sums if file_digest(self.folder / name) != sums[name]]
        if changed:
            raise UserError(self._broken(f"{', '.join(changed[:3])} has changed"))
        here = {file.relative_to(self.folder).as_posix() for file in self.plugins.glob("*.py")}
        if strange := sorted(here - sums.keys()):
            raise UserError(self._broken(f"{strange[0]} wasn't exported with it"))

    @property
    def size(self) -> int:
        """The bytes of all files."""
        return sum((self.folder / name).stat().st_size for name in self._names())

    def _names(self) -> list[str]:
        files = [file for file in self.folder.rglob("*") if file.is_file() and file != self.sums]
        names = sorted(file.relative_to(self.folder).as_posix() for file in files)
        return [name for name in names if "__pycache__" not in name]

    def _broken(self, why: str) -> str:
        return f"{self.folder}: isn't the model that was exported: {why}; get it anew"
