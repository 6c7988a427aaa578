"""Where a trained recipe's folds lie: probabilities, and weights as far as there is room."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from automask.errors import DiskError, UnfitError, UserError
from automask.listener import note
from automask.storage.disk import DiskBudget
from automask.storage.files import atomic_write, read_arrays
from automask.units import format_bytes

if TYPE_CHECKING:
    from torch import Tensor


def is_same_test(stored: str, key: str) -> bool:
    """Are the test rows that were kept under one key those that another stands for now?

    Keys of earlier versions have the rows and sizes alone, which come before the dash.
    """
    return stored in (key, key.partition("-")[0])


@dataclass(frozen=True)
class FoldResult:
    """A trained fold: probabilities of its scored rows `[n, C]` and of the test rows `[M, C]`, float32,
    what identifies those test rows, and the tensors of its network (of the head alone, where the
    backbone didn't train)."""

    validation: np.ndarray
    test: np.ndarray
    test_key: str = ""
    state: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class TrialStore:
    """The folder of one recipe: its folds' probabilities, and weights as far as there is `room`.

    `view` names what the images went through; its probabilities lie beside those of plain ones.
    """

    folder: Path
    room: DiskBudget = field(default_factory=DiskBudget)
    view: str = ""

    def under(self, view: str) -> TrialStore:
        """The same recipe's probabilities under a view of the images."""
        return replace(self, view=view)

    def has(self, fold: int) -> bool:
        return self._probabilities(fold).exists()

    def save(self, fold: int, result: FoldResult) -> None:
        """Keep a fold; its weights too where there is room and those of the folds before are kept."""
        if self.has_weights(fold):
            self._save_weights(fold, result)
        # The probabilities come last: where they are, the fold is whole.
        self.save_probabilities(fold, result)

    def load(self, fold: int) -> FoldResult:
        """Its probabilities, without its weights; raises `UnfitError` where they can't be read."""
        try:
            arrays = read_arrays(self._probabilities(fold))
        except UserError as error:
            raise UnfitError(self.folder.name, str(error)) from error
        return FoldResult(arrays["validation"], arrays["test"], str(arrays["test_key"]))

    def holds(self, fold: int, key: str) -> bool:
        """Is the fold there, with the probabilities of the test rows that `key` identifies?"""
        return self.has(fold) and is_same_test(self.test_key(fold), key)

    def test_key(self, fold: int) -> str:
        """What identifies the test rows that the fold's probabilities are of."""
        return self.load(fold).test_key

    def replace_test(self, fold: int, test: np.ndarray, key: str) -> None:
        self.save_probabilities(fold, replace(self.load(fold), test=test, test_key=key))

    def out_of_fold(self, folds: np.ndarray) -> np.ndarray:
        """float32 probabilities `[N, C]` of the train rows, each by the fold that never saw it."""
        parts = [self.load(fold).validation for fold in np.unique(folds).tolist()]
        out = np.empty((len(folds), parts[0].shape[1]), np.float32)
        for fold, part in enumerate(parts):
            out[folds == fold] = part
        return out

    def test(self, count: int) -> np.ndarray:
        """float32 probabilities `[K, M, C]` of the test rows by each of `count` folds."""
        return np.stack([self.load(fold).test for fold in range(count)])

    def checkpoint(self, fold: int) -> Path:
        """Where a fold that is in training keeps what to go on from."""
        return self.folder / f"fold{fold}.checkpoint"

    def weights(self, fold: int) -> Path:
        return self.folder / f"fold{fold}.safetensors"

    def has_weights(self, count: int) -> bool:
        """Are the weights of the first `count` folds there?"""
        return all(self.weights(fold).exists() for fold in range(count))

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def save_single(self, fold: int, result: FoldResult) -> None:
        """Keep a fold whose weights stand for themselves; raises `DiskError` where they have no room."""
        self._write_weights(fold, result)
        self.save_probabilities(fold, result)

    def _write_weights(self, fold: int, result: FoldResult) -> None:
        from safetensors.torch import save

        content = save(result.state)
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.room.write(self.weights(fold), len(content), weights=True) as file:
            file.write(content)

    def _save_weights(self, fold: int, result: FoldResult) -> None:
        try:
            self._write_weights(fold, result)
        except DiskError:
            # Test rows are predicted by all folds together, or not at all.
            for before in range(fold):
                self.weights(before).unlink(missing_ok=True)
            note(
                f"not all weights find room in the {format_bytes(self.room.cap)} of --disk: "
                f"trials without "
                "them count by their probabilities, but can't predict test rows that come later"
            )

    def save_probabilities(self, fold: int, result: FoldResult) -> None:
        """Keep a fold's probabilities, in place of older ones."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(self._probabilities(fold)) as beside, open(beside, "wb") as file:
            np.savez(
                file,
                validation=result.validation,
                test=result.test,
                test_key=np.array(result.test_key),
            )

    def _probabilities(self, fold: int) -> Path:
        return self.folder / f"fold{fold}{self.view and '-'}{self.view}.npz"
