"""Metrics: what trials are scored by (`automask.space.protocols.MetricPlugin`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automask import metric

if TYPE_CHECKING:
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


@metric()
def macro_f1(target: np.ndarray, probability: np.ndarray) -> float:
    """The mean over classes of F1, the harmonic mean of precision and recall."""
    right, true, predicted = _counts(target, probability)
    return float((2 * right[true > 0] / (true + predicted)[true > 0]).mean())


@metric()
def log_loss(target: np.ndarray, probability: np.ndarray) -> float:
    """The mean log-probability of the true class (the negative of log loss)."""
    import numpy as np

    return float(np.log(probability[np.arange(len(target)), target].clip(1e-15, 1.0)).mean())


@metric()
def weighted_f1(target: np.ndarray, probability: np.ndarray) -> float:
    """The mean of F1 over classes, each weighing as much as it has rows."""
    right, true, predicted = _counts(target, probability)
    return float((2 * right / (true + predicted).clip(1) * true).sum() / true.sum())


@metric()
def roc_auc(target: np.ndarray, probability: np.ndarray) -> float:
    """The mean over classes of the area under their ROC curve, each against the rest.

    That is the chance that a row of the class is given more of its probability than a row of another
    is. It is 0.5 where all rows are of one class. Probabilities need not be calibrated for it, only
    rank rows rightly.
    """
    import numpy as np

    classes = np.unique(target)
    if len(classes) < 2:
        return 0.5
    columns = [(target == label, probability[:, label]) for label in classes]
    return float(np.mean([_chance_to_exceed(p[own], p[~own]) for own, p in columns]))


@metric()
def cohen_kappa(target: np.ndarray, probability: np.ndarray) -> float:
    """Cohen's kappa with quadratic weights, for classes with an order such as grades.

    How much less the likeliest class misses the true one by, squared, than it would by chance: 1 is
    perfect, 0 chance (also where there is but one class, always said). The order is that of a target's
    `limits`, else that of the classes' names as text: write 02 rather than 2 where there is a 10. With
    several target columns it goes by their combinations, which have no such order.
    """
    predicted = probability.argmax(1)
    by_chance = target.var() + predicted.var() + (target.mean() - predicted.mean()) ** 2
    return float(1 - ((target - predicted) ** 2).mean() / by_chance) if by_chance > 0 else 0.0


@metric()
def top_3(target: np.ndarray, probability: np.ndarray) -> float:
    """The share of rows whose true class is among the three likeliest.

    Among the two likeliest of three classes, and the likeliest of two: all of them would always do.
    """
    return _among_likeliest(target, probability, 3)


@metric()
def top_5(target: np.ndarray, probability: np.ndarray) -> float:
    """The share of rows whose true class is among the five likeliest, as ImageNet counts.

    Where there are five classes or less, among all but the least likely: all would always do.
    """
    return _among_likeliest(target, probability, 5)


def _among_likeliest(target: np.ndarray, probability: np.ndarray, k: int) -> float:
    import numpy as np

    own = probability[np.arange(len(target)), target][:, None]
    before = np.arange(probability.shape[1]) < target[:, None]
    # Among equals the first counts as the likeliest, as it does for accuracy.
    ahead = (probability > own) | ((probability == own) & before)
    return float((ahead.sum(1) < min(k, probability.shape[1] - 1)).mean())


def _chance_to_exceed(ours: np.ndarray, others: np.ndarray) -> float:
    """The share of pairs in which ours is the larger, ties counting half."""
    import numpy as np

    others = np.sort(others)
    sides = [np.searchsorted(others, ours, side).mean() for side in ("left", "right")]
    return sum(sides) / 2 / len(others)


def _counts(
    target: np.ndarray, probability: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`[C]` each: rows found, true rows and predicted rows of each class.

    Counted here rather than by scikit-learn, since an ensemble's search scores thousands of times.
    """
    import numpy as np

    classes = probability.shape[1]
    predicted = probability.argmax(1)
    right = np.bincount(target[predicted == target], minlength=classes)
    return right, np.bincount(target, minlength=classes), np.bincount(predicted, minlength=classes)
