"""Distillation: a network that learns what another, or a blend of them, predicts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from automask.target import Target

#: The part of a train row's own label in what it is to be predicted as.
LABEL = 0.3


@dataclass(frozen=True)
class Teacher:
    """Soft targets (Hinton, Vinyals and Dean, 2015) for one training: what the teacher predicts of the
    train rows, float32 `[N, C]`, mixed with their labels, and of the test rows, `[M, C]`.

    Of test rows no more are trained on than there are train rows, so that an epoch takes up to twice
    as long.
    """

    target: Target
    train: np.ndarray
    test: np.ndarray

    def rows(self, fold: int) -> np.ndarray:
        """The test rows trained on, in order: all, or some drawn at random."""
        rows = np.random.default_rng(0).permutation(len(self.test))[: len(self.train)]
        return np.sort(rows)

    def labels(self, fold: int) -> np.ndarray:
        """What the teacher answers of each of these rows."""
        return self.target.decide(self.test[self.rows(fold)])

    def aims(
        self, fold: int, aims: np.ndarray, aim_of_row: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """One a row: that of its label mixed with the teacher's, or of a test row the teacher's."""
        train, test = (self.target.aim(table) for table in (self.train, self.test))
        mixed = LABEL * aims[aim_of_row] + (1 - LABEL) * train
        return np.append(mixed, test, 0), np.arange(len(train) + len(test))
