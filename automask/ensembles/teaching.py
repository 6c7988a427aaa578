"""What a blend teaches a single network, without a word of the rows that this is then scored on.

For fold k the teacher is a blend chosen by the other folds' rows, of the members' k-th networks, which
never saw fold k's. They have seen the rows that they teach: what they predict of these is surer than out
of fold. Out-of-fold predictions would teach more, but those of other folds are by networks that learned
fold k's labels. The teacher for all rows is likewise the mean of the members' folds.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from automask.data.dataset import fold_count
from automask.ensembles.ensemble import PLAIN, Member
from automask.ensembles.fold_networks import predict_rows, stored_state
from automask.ensembles.selection import EVERYTHING, Pool
from automask.study.session import Session
from automask.training.task import Task
from automask.training.teacher import Teacher

#: The method by which teachers are blended: its blends are probabilities, on any target.
METHOD = "greedy"


class Teaching:
    """The teachers of a study's members, whose out-of-fold predictions are in the `pool`."""

    def __init__(self, session: Session, task: Task, members: Sequence[Member], pool: Pool) -> None:
        self.session, self.task, self.members, self.pool = session, task, members, pool
        self.count = fold_count(session.folds)
        # Remembered: the teacher for all rows asks again for what those for the folds did.
        self._train = lru_cache(maxsize=None)(self._predict_train)

    def teacher(self, fold: int) -> Teacher:
        """For one fold or, where no row is in that, for all rows."""
        without = frozenset({fold}) if fold < self.count else EVERYTHING
        indices, blend = self.pool.fit(PLAIN, METHOD, without)
        weights = getattr(blend, "weights", np.ones(len(indices)))
        folds = [fold] if without else list(range(self.count))
        train, test = [], []
        for index, weight in zip(indices, weights, strict=True):
            tables = [self._tables(index, k) if weight > 0 else self._nothing for k in folds]
            train.append(np.mean([table[0] for table in tables], 0))
            test.append(np.mean([table[1] for table in tables], 0))
        return Teacher(
            self.task.data.target,
            blend(np.stack(train)).astype(np.float32),
            blend(np.stack(test)).astype(np.float32),
        )

    def _tables(self, index: int, fold: int) -> tuple[np.ndarray, np.ndarray]:
        """`[N, C]` and `[M, C]` by one network of a member."""
        member = self.members[index]
        member.test()  # Where there are new test rows, they are predicted and kept.
        stored = self.session.store.trial(member.recipe.hash).load(fold)
        return self._train(index, fold), stored.test

    def _predict_train(self, index: int, fold: int) -> np.ndarray:
        member = self.members[index]
        state = stored_state(self.session, member, fold)
        rows = np.arange(len(self.task.data.labels))
        return predict_rows(self.task, member.recipe, state, fold, rows)

    @property
    def _nothing(self) -> tuple[np.ndarray, np.ndarray]:
        """What stands for a member without weight."""
        width = len(self.task.data.counts)
        return np.zeros((len(self.task.data.labels), width)), np.zeros(
            (len(self.task.test_rows), width)
        )
