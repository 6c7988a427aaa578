"""Where kept submissions lie."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from automask.storage.files import atomic_write, read_json, write_json


@dataclass(frozen=True)
class SubmissionStore:
    """The folder of kept submissions: NAME.csv as it was submitted, NAME.json with what is known."""

    folder: Path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else keeps a submission meanwhile, so that no name is taken twice."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / "keeping.lock"):
            yield

    def names(self) -> list[str]:
        """Those kept, the oldest first."""
        dates = [(read_json(file)["date"], file.stem) for file in self.folder.glob("*.json")]
        return [name for _, name in sorted(dates)]

    def csv(self, name: str) -> Path:
        return self.folder / f"{name}.csv"

    def facts(self, name: str) -> dict[str, Any]:
        return read_json(self.folder / f"{name}.json")

    def save(self, name: str, file: Path, facts: Mapping[str, Any]) -> None:
        """Keep a copy of `file`; the facts come last: where they are, it is whole."""
        with atomic_write(self.csv(name)) as beside:
            shutil.copyfile(file, beside)
        self.save_facts(name, facts)

    def save_facts(self, name: str, facts: Mapping[str, Any]) -> None:
        write_json(self.folder / f"{name}.json", facts)
