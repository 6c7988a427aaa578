"""Other class shares in test than in train: predictions corrected for them, and scores at them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from automask.data.csv_file import quoted, read_csv, repeats, shorten_list
from automask.data.dataset import Dataset
from automask.errors import UserError, did_you_mean
from automask.prediction.decisions import reweight
from automask.scoring import Metric

if TYPE_CHECKING:
    from automask.ensembles.ensemble import Member

#: Shares by name: those of train (nothing is corrected), the same for all, those that test looks like.
TRAIN, EVEN, ESTIMATED = "train", "even", "estimated"
#: At most so many rows are drawn for each that there is.
MOST = 4


@dataclass(frozen=True)
class Shares:
    """The share of each class `[C]` among the test rows, and where it is from: a name or a file."""

    source: str
    values: np.ndarray


@dataclass
class MetricAt:
    """A metric of rows drawn so that classes have these shares `[C]`, whatever rows it is given."""

    metric: Metric
    shares: np.ndarray
    _target: np.ndarray | None = field(default=None, init=False, repr=False)
    _rows: np.ndarray | None = field(default=None, init=False, repr=False)

    def __call__(self, target: np.ndarray, prediction: np.ndarray) -> float:
        # A search scores the same rows thousands of times.
        if target is not self._target:
            self._target, self._rows = target, draw_rows(target, self.shares)
        return self.metric(target[self._rows], prediction[self._rows])


def metric_at(metric: Metric, shares: Shares | None) -> Metric:
    """The metric itself where there are no other shares."""
    return metric if shares is None else MetricAt(metric, shares.values)


def row_weights(labels: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """`[N]` weights of mean 1 that give classes their shares; all 1 where no row's class has one.

    The share of a class without a row goes to the others.
    """
    weights = (shares / np.bincount(labels, minlength=len(shares)).clip(1))[labels]
    return weights / weights.mean() if weights.any() else np.ones(len(labels))


def draw_rows(labels: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Rows, some of them repeatedly, whose classes have these shares; no chance is in it.

    By systematic resampling (Kitagawa, 1996), class by class: each row about as often as its weight
    says. So many are drawn that none is left out, if `MOST` times the rows are enough.
    """
    order = np.argsort(labels, kind="stable")
    weights = row_weights(labels, shares)[order]
    rows = len(labels)
    count = min(MOST * rows, int(np.ceil(rows / weights[weights > 0].min() - 1e-6)))
    edges = np.cumsum(weights) / weights.sum()
    places = np.searchsorted(edges, (np.arange(count) + 0.5) / count)
    return order[places.clip(max=rows - 1)]


def correct(members: Sequence[Member], train: np.ndarray, shares: Shares) -> list[Member]:
    """Members that predict as if classes had these shares and not those of train `[C]`.

    By Bayes' rule, each class's probability times how much more common it is (Saerens et al., 2002).
    """
    factors = shares.values / np.maximum(train, 1e-12)

    def corrected(prediction: np.ndarray) -> np.ndarray:
        return reweight(np.clip(prediction.astype(np.float64), 1e-12, None), factors)

    def correct_one(member: Member) -> Member:
        return replace(
            member,
            validation=corrected(member.validation),
            test=lambda: corrected(member.test()),
        )

    return [correct_one(member) for member in members]


def read(asked: str, data: Dataset) -> Shares | None:
    """The shares asked for by name or file; None for those of train.

    Those that are `ESTIMATED` are another's to find. Raises `UserError` where rows haven't one class
    each, or a file isn't right.
    """
    if asked == TRAIN:
        return None
    if not data.target.exclusive:
        raise UserError(
            f"--test-shares {asked}: only classes of which a row has exactly one have shares to correct "
            f"for, and this task asks for {data.target.phrase}; leave the option out"
        )
    if asked == EVEN:
        count = len(data.counts)
        return Shares(EVEN, np.full(count, 1 / count))
    file = Path(asked)
    if not file.is_file():
        names = (TRAIN, EVEN, ESTIMATED)
        raise UserError(
            f"--test-shares {asked}: neither a file nor one of {', '.join(names)}"
            f"{did_you_mean(asked, names)}; a file is a CSV with the columns class,share"
        )
    classes = [data.attributes.describe(label) for label in range(len(data.counts))]
    return Shares(asked, read_file(file, classes))


def read_file(file: Path, classes: Sequence[str]) -> np.ndarray:
    """Shares `[C]` from a CSV with the columns class,share, scaled so that they sum to 1."""
    table = read_csv(file)
    names, shares = table["class"], dict[str, float]()
    for name, cell, line in zip(names, table["share"], table.lines, strict=True):
        if name not in classes:
            raise UserError(
                f"{file}, line {line}: train has no class '{name}'{did_you_mean(name, classes)}"
            )
        try:
            share = float(cell)
        except ValueError:
            share = -1.0
        if not 0 <= share < float("inf"):
            raise UserError(
                f"{file}, line {line}: the share of '{name}' is '{cell}'; write a number from 0 up "
                "(shares, percentages or counts: they are scaled to sum to 1)"
            )
        shares[name] = share
    if twice := repeats(names):
        raise UserError(f"{file}: {shorten_list(quoted(twice))} stands there more than once")
    if missing := [name for name in classes if name not in shares]:
        raise UserError(
            f"{file} lacks {shorten_list(quoted(missing))}: write a line for each of the "
            f"{len(classes)} classes, as '{missing[0]},0' where none is expected"
        )
    values = np.array([shares[name] for name in classes])
    if not values.any():
        raise UserError(f"{file}: all shares are 0")
    return values / values.sum()
