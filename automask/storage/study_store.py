"""Where a study's files lie. Everything is written beside and then renamed."""

from __future__ import annotations

import csv
import os
import shutil
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from automask.errors import UserError
from automask.storage.cache import Cache
from automask.storage.disk import DiskBudget, Item
from automask.storage.files import atomic_write, file_digest, read_arrays, read_json, write_json
from automask.storage.trial_store import TrialStore


@dataclass(frozen=True)
class StudyStore:
    """The folder of a study."""

    folder: Path

    @property
    def database(self) -> Path:
        return self.folder / "study.db"

    @property
    def url(self) -> str:
        """The address of its database, where none is given."""
        return f"sqlite:///{self.database}"

    @property
    def runs(self) -> Path:
        """The folder of this study and those beside it."""
        return self.folder.parent

    @property
    def cache(self) -> Path:
        """Maps and features, shared by the studies beside this one."""
        return self.runs / "cache"

    @property
    def lock(self) -> Path:
        return self.folder / "proposing.lock"

    @property
    def so_far(self) -> Path:
        """The ensemble's scores while the search went on."""
        return self.folder / "so_far.json"

    @property
    def artifacts(self) -> Path:
        """The pictures that optuna-dashboard shows."""
        return self.folder / "artifacts"

    def worker_lock(self, worker: str) -> Path:
        """The file that a worker locks as long as its process lives."""
        return self.folder / "workers" / f"{worker}.lock"

    def workers(self) -> list[str]:
        """The workers that may be at work: some may have died."""
        return [file.stem for file in self.worker_lock("*").parent.glob("*.lock")]

    @property
    def corrections(self) -> Path:
        """The corrected labels that the study was begun with; not there where none were."""
        return self.folder / "corrections.csv"

    @property
    def bad_images(self) -> Path:
        """The rows whose images couldn't be read as the study began; not there where all could."""
        return self.folder / "bad_images.csv"

    def keep_corrections(self, file: Path) -> None:
        """Keep the corrected labels of `file`, or that there are none."""
        if not file.is_file():
            self.corrections.unlink(missing_ok=True)
            return
        with atomic_write(self.corrections) as beside:
            shutil.copyfile(file, beside)

    def tracker(self, name: str) -> Path:
        """The folder of a tracker's own files."""
        return self.folder / "trackers" / name

    def trial(self, hash_: str, room: DiskBudget = DiskBudget()) -> TrialStore:
        """Where the folds of the recipe of that hash are."""
        return TrialStore(self.folder / "trials" / hash_, room)

    def single(self, key: str, way: str, room: DiskBudget = DiskBudget()) -> TrialStore:
        """Where the networks are that one `way` makes of the trials that `key` stands for."""
        return TrialStore(self.folder / "single" / key / way, room)

    def remove_singles(self, but: str) -> None:
        """Remove those of other trials than the key `but` stands for."""
        for folder in (self.folder / "single").glob("*"):
            if folder.name != but:
                shutil.rmtree(folder, ignore_errors=True)

    def items(self, outranked: Sequence[str] = ()) -> list[Item]:
        """The caches and weights of this study and those beside it, and what of them may go.

        These are what was left half-written, then weights of the trials `outranked` (hashes of
        recipes, the worst first), then maps and features by their last use.
        """
        ranks = {self.folder / "trials" / hash_: rank for rank, hash_ in enumerate(outranked)}
        items = []
        caches = [file for file in self.cache.glob("*") if file.suffix != ".lock"]
        patterns = (f"*/{folder}/*fold*.safetensors*" for folder in ("trials/*", "single/*/*"))
        weights = (file for pattern in patterns for file in self.runs.glob(pattern))
        for file in (*caches, *weights):
            with suppress(FileNotFoundError):
                facts, rank = file.stat(), ranks.get(file.parent)
                order: tuple[float, ...] | None = None
                if file.suffix == ".part":
                    order = (0,)
                elif rank is not None:
                    order = (1, rank)
                elif file.suffix == ".npy":
                    order = (2, facts.st_mtime)
                items.append(Item(file, facts.st_size, file.parent == self.cache, order))
        return items

    def room(
        self,
        cap: float,
        aside: float = 0,
        outranked: Callable[[], Sequence[str]] = tuple,
    ) -> DiskBudget:
        """What caches and weights may take, `cap` bytes together with those of the studies beside."""
        lock = Cache(self.cache).lock
        return DiskBudget(lock, cap, aside, self.total_bytes, lambda: self.items(outranked()))

    def default_cap(self) -> int:
        """The cap in bytes where none is given: a tenth of what is free and what counts already."""
        folder = next(f for f in self.cache.absolute().parents if f.exists())
        return (shutil.disk_usage(folder).free + self.total_bytes()) // 10

    def total_bytes(self) -> int:
        """The bytes of all caches and weights."""
        return sum(item.size for item in self.items())

    @property
    def _folds(self) -> Path:
        return self.folder / "folds.csv"

    @property
    def is_begun(self) -> bool:
        """Were its folds drawn?"""
        return self._folds.is_file()

    def create(self) -> None:
        """Make the folders; raises `UserError` where that isn't allowed."""
        for folder in (self.folder / "workers", self.folder / "trials", self.cache):
            _make(folder)

    def remove(self) -> None:
        """Remove the study's folder; caches, which it shares, stay."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def save_folds(
        self, ids: Sequence[str], folds: np.ndarray, groups: np.ndarray | None = None
    ) -> None:
        """Keep the fold of each train row, and the group that it was drawn with."""
        columns = {"id": ids, "fold": folds.tolist()}
        if groups is not None:
            columns["group"] = groups.tolist()
        with atomic_write(self._folds) as beside, beside.open("w", -1, "utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows(zip(*columns.values(), strict=True))

    def load_folds(self) -> np.ndarray | None:
        """The fold of each train row, or None where none were drawn yet."""
        if not self.is_begun:
            return None
        with open(self._folds, newline="", encoding="utf-8") as opened:
            return np.array([int(row["fold"]) for row in csv.DictReader(opened)])

    def load_groups(self) -> np.ndarray | None:
        """The group that each train row's fold was drawn with, or None where none were kept."""
        with open(self._folds, newline="", encoding="utf-8") as opened:
            rows = list(csv.DictReader(opened))
        return np.array([int(row["group"]) for row in rows]) if "group" in rows[0] else None

    def save_findings(self, findings: Sequence[Mapping[str, Any]]) -> None:
        """Keep what an audit of the study's data found."""
        write_json(self.folder / "audit.json", {"findings": list(findings)})

    def load_findings(self) -> list[dict[str, Any]] | None:
        """What the study's audit found, or None where there was none."""
        file = self.folder / "audit.json"
        return read_json(file)["findings"] if file.exists() else None

    def save_pairs(self, key: str, arrays: Mapping[str, Any]) -> None:
        """Keep the near-duplicates found among images that `key` stands for, beside their maps."""
        file = Cache(self.cache).pairs(key)
        _make(file.parent)
        with atomic_write(file) as beside, open(beside, "wb") as opened:
            np.savez(opened, **dict(arrays))

    def load_pairs(self, key: str) -> dict[str, np.ndarray] | None:
        """The arrays kept under that key; None where there are none, or they can't be read."""
        try:
            with np.load(Cache(self.cache).pairs(key)) as arrays:
                return dict(arrays)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile):
            return None

    def save_pseudo(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep the pseudo-labels that the study learns from."""
        with atomic_write(self.folder / "pseudo.npz") as beside, open(beside, "wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]

    def load_pseudo(self) -> dict[str, np.ndarray] | None:
        """The pseudo-labels, or None where the study learns from none."""
        file = self.folder / "pseudo.npz"
        if not file.exists():
            return None
        return read_arrays(file)

    def save_ensemble(
        self,
        file: Path,
        facts: Mapping[str, Any],
        ids: Sequence[str],
        probability: np.ndarray,
        honest: np.ndarray,
    ) -> None:
        """Keep what is known of a file that an ensemble wrote, found again by its content: facts, the
        probabilities `[M, C]` of the test rows, and the `honest` ones `[N, C]` of the train rows."""
        sha256 = file_digest(file)
        beside = self.folder / "ensembles" / f"{sha256}.npz"
        beside.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(beside) as part, open(part, "wb") as opened:
            tables = {"probability": probability, "honest": honest}
            arrays: dict[str, Any] = {k: table.astype(np.float32) for k, table in tables.items()}
            np.savez(opened, ids=np.array(ids), **arrays)
        write_json(beside.with_suffix(".json"), {**facts, "sha256": sha256})

    def ensembles(self) -> list[EnsembleFile]:
        """What the study's ensembles left, the newest last."""
        files = (self.folder / "ensembles").glob("*.json")
        return [EnsembleFile(f) for f in sorted(files, key=lambda f: f.stat().st_mtime_ns)]


@dataclass(frozen=True)
class EnsembleFile:
    """What an ensemble left beside its submission."""

    file: Path

    def facts(self) -> dict[str, Any]:
        return read_json(self.file)

    def probability(self) -> tuple[list[str], np.ndarray]:
        """The ids of the test rows, and float32 probabilities `[M, C]`."""
        arrays = read_arrays(self.file.with_suffix(".npz"))
        return arrays["ids"].tolist(), arrays["probability"]

    def honest(self) -> np.ndarray:
        """float32 `[N, C]`: each train row by a blend that was chosen without it."""
        return read_arrays(self.file.with_suffix(".npz"))["honest"]


def find_ensemble(runs: Path, sha256: str) -> EnsembleFile | None:
    """The ensemble of any study in a folder of them that wrote a submission of that content, the newest
    where several did."""
    files = sorted(runs.glob(f"*/ensembles/{sha256}.json"), key=lambda f: f.stat().st_mtime_ns)
    return EnsembleFile(files[-1]) if files else None


def _make(folder: Path) -> None:
    """Make a folder; raises `UserError` where that isn't allowed, or where it can't be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise UserError(
            f"{folder}: can't be written ({error.strerror}); run automask in a folder of your own"
        ) from error
