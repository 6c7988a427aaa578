"""Metrics: what trials are scored by (`automask.space.protocols.MetricPlugin`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automask import metric

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np


@metric()
def accuracy(target: np.ndarray, probability: np.ndarray) -> float:
    """The share of rows whose likeliest class is the true one."""
    return float((probability.argmax(1) == target).mean())


@metric()
def balanced_accuracy(target: np.ndarray, probability: np.ndarray) -> float:
    """The mean over classes of the share of their rows found (recall)."""
    right, true, _ = _counts(target, probability)
    return float((right[true > 0] / true[true > 0]).mean())


@metric(target=("single", "multi"))
def macro_f1(target: np.ndarray, probability: np.ndarray) -> float:
    """The mean over classes or labels of F1, the harmonic mean of precision and recall."""
    right, true, predicted = _counts(target, probability)
    return _mean(2 * right[true > 0] / (true + predicted)[true > 0])


@metric(target="multi")
def micro_f1(target: np.ndarray, probability: np.ndarray) -> float:
    """F1 over all labels of all rows together, so that common labels rule it."""
    right, true, predicted = (int(counts.sum()) for counts in _counts(target, probability))
    return 2 * right / max(1, true + predicted)


@metric(target="multi")
def f2(target: np.ndarray, probability: np.ndarray) -> float:
    """The mean over rows of F2, in which a label that is missed weighs more than one too many.

    A row that has no label, and for which none is said, counts as right.
    """
    import numpy as np

    right, true, predicted = _counts(target.T, probability.T)
    return float(
        np.where(true + predicted > 0, 5 * right / (4 * true + predicted).clip(1), 1).mean()
    )


@metric(target="multi")
def exact_match(target: np.ndarray, probability: np.ndarray) -> float:
    """The share of rows whose labels are all said and no other."""
    return float(((probability > 0.5) == target).all(1).mean())


@metric(target=("single", "multi"))
def log_loss(target: np.ndarray, probability: np.ndarray) -> float:
    """The mean log-probability of the true class (the negative of log loss).

    Of labels it is the mean over all of them too: what each is given that a row has, and what is left of
    1 of each that it hasn't.
    """
    import numpy as np

    if target.ndim == 1:
        own = probability[np.arange(len(target)), target]
    else:
        own = np.where(target, probability, 1 - probability)
    return float(np.log(own.clip(1e-15, 1.0)).mean())


@metric()
def weighted_f1(target: np.ndarray, probability: np.ndarray) -> float:
    """The mean of F1 over classes, each weighing as much as it has rows."""
    right, true, predicted = _counts(target, probability)
    return float((2 * right / (true + predicted).clip(1) * true).sum() / true.sum())


@metric(target=("single", "multi"))
def roc_auc(target: np.ndarray, probability: np.ndarray) -> float:
    """The mean over classes or labels of the area under their ROC curve, each against the rest.

    That is the chance that a row of the class is given more of its probability than a row of another
    is. A class that all rows or none have is left out; it is 0.5 where there is no other. Probabilities
    need not be calibrated for it, only rank rows rightly.
    """
    areas = [
        _chance_to_exceed(p[own], p[~own])
        for own, p in _against_rest(target, probability)
        if not own.all()
    ]
    return _mean(areas, 0.5)


@metric(target="multi")
def mean_average_precision(target: np.ndarray, probability: np.ndarray) -> float:
    """The mean over labels of average precision, the area under precision by recall.

    That is, over the rows that have the label, the mean share of them among all rows that are given at
    least as much of it. It looks closer than ROC AUC at the likeliest rows of rare labels.
    """
    return _mean([_average_precision(own, p) for own, p in _against_rest(target, probability)])


@metric(target="ordered")
def cohen_kappa(target: np.ndarray, probability: np.ndarray) -> float:
    """Cohen's kappa with quadratic weights, for grades: classes with an order.

    How much less the likeliest grade misses the true one by, squared, than it would by chance: 1 is
    perfect, 0 chance (also where there is but one grade, always said). Numbers are in the order of
    their values, and the bands of a target's `limits` in theirs.
    """
    predicted = probability.argmax(1)
    by_chance = target.var() + predicted.var() + (target.mean() - predicted.mean()) ** 2
    return float(1 - ((target - predicted) ** 2).mean() / by_chance) if by_chance > 0 else 0.0


@metric()
def top_3(target: np.ndarray, probability: np.ndarray) -> float:
    """The share of rows whose true class is among the three likeliest.

    Among the two likeliest of three classes, and the likeliest of two: all of them would always do.
    """
    return float((_places(target, probability) < min(3, probability.shape[1] - 1)).mean())


@metric()
def top_5(target: np.ndarray, probability: np.ndarray) -> float:
    """The share of rows whose true class is among the five likeliest, as ImageNet counts.

    Where there are five classes or less, among all but the least likely: all would always do.
    """
    return float((_places(target, probability) < min(5, probability.shape[1] - 1)).mean())


@metric()
def map_3(target: np.ndarray, probability: np.ndarray) -> float:
    """The mean of 1 / the true class's place among the three likeliest, 0 beyond (MAP@3)."""
    return _reciprocal_place(target, probability, 3)


@metric()
def map_5(target: np.ndarray, probability: np.ndarray) -> float:
    """The mean of 1 / the true class's place among the five likeliest, 0 beyond (MAP@5)."""
    return _reciprocal_place(target, probability, 5)


@metric(target="number")
def rmse(target: np.ndarray, probability: np.ndarray) -> float:
    """The negative of the root of the mean squared error."""
    return -float(((probability[:, 0] - target) ** 2).mean() ** 0.5)


@metric(target="number")
def mae(target: np.ndarray, probability: np.ndarray) -> float:
    """The negative of the mean absolute error."""
    return -float(abs(probability[:, 0] - target).mean())


@metric(target="number")
def r2(target: np.ndarray, probability: np.ndarray) -> float:
    """The share of the numbers' variance that is predicted (R²); 0 where they don't vary."""
    variance = target.var()
    return float(1 - ((probability[:, 0] - target) ** 2).mean() / variance) if variance > 0 else 0.0


def _mean(values: Sequence[float] | np.ndarray, otherwise: float = 0.0) -> float:
    """The mean, finite also of none."""
    import numpy as np

    # Less than half of the time that `np.mean` takes of a few, and the same to the last digit.
    return float(np.asarray(values).sum() / len(values)) if len(values) else otherwise


def _reciprocal_place(target: np.ndarray, probability: np.ndarray, most: int) -> float:
    import numpy as np

    places = _places(target, probability)
    return float(np.where(places < most, 1 / (places + 1), 0.0).mean())


def _places(target: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """`[N]` how many classes are likelier than the true one."""
    import numpy as np

    own = probability[np.arange(len(target)), target][:, None]
    before = np.arange(probability.shape[1]) < target[:, None]
    # Among equals the first counts as the likeliest, as it does for accuracy.
    return ((probability > own) | ((probability == own) & before)).sum(1)


def _chance_to_exceed(ours: np.ndarray, others: np.ndarray) -> float:
    """The share of pairs in which ours is the larger, ties counting half."""
    import numpy as np

    # Both in order: far less time goes into the search.
    ours, others = np.sort(ours), np.sort(others)
    sides = [np.searchsorted(others, ours, side).mean() for side in ("left", "right")]
    return sum(sides) / 2 / len(others)


def _average_precision(own: np.ndarray, p: np.ndarray) -> float:
    import numpy as np

    ours, every = np.sort(p[own]), np.sort(p)
    # Of the rows given at least as much as each of ours: ours, and all.
    right, likely = (len(rows) - np.searchsorted(rows, ours) for rows in (ours, every))
    return float((right / likely).mean())


def _against_rest(
    target: np.ndarray, probability: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Of each class or label that a row has, which rows `[N]` do, and what each is given of it `[N]`."""
    import numpy as np

    if target.ndim == 1:
        for label in np.unique(target):
            yield target == label, probability[:, label]
    else:
        for own, p in zip(target.T > 0, probability.T, strict=True):
            if own.any():
                yield own, p


def _counts(
    target: np.ndarray, probability: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`[C]` each: rows found, true rows and predicted rows of each class or label.

    Counted here rather than by scikit-learn, since an ensemble's search scores thousands of times.
    """
    import numpy as np

    if target.ndim == 2:
        has, answer = target > 0, probability > 0.5
        return (has & answer).sum(0), has.sum(0), answer.sum(0)
    classes = probability.shape[1]
    predicted = probability.argmax(1)
    right = np.bincount(target[predicted == target], minlength=classes)
    return right, np.bincount(target, minlength=classes), np.bincount(predicted, minlength=classes)
