"""Metrics: `(target [N], probability [N, C]) -> float`, higher is better.

`target` holds class indices. A mean over classes is over those that occur in `target`.
"""

from __future__ import annotations

from automask import metric


@metric()
def accuracy(target, probability):
    """The share of rows whose likeliest class is the true one."""
    return float((probability.argmax(1) == target).mean())


@metric()
def balanced_accuracy(target, probability):
    """The mean over classes of the share of their rows found (recall)."""
    right, true, _ = _counts(target, probability)
    return float((right[true > 0] / true[true > 0]).mean())


@metric()
def macro_f1(target, probability):
    """The mean over classes of F1, the harmonic mean of precision and recall."""
    right, true, said = _counts(target, probability)
    return float((2 * right[true > 0] / (true + said)[true > 0]).mean())


@metric()
def log_loss(target, probability):
    """The mean log-probability of the true class (the negative of log loss)."""
    import numpy as np

    return float(np.log(probability[np.arange(len(target)), target].clip(1e-15, 1.0)).mean())


def _counts(target, probability):
    """`[C]` each: rows found, true rows and predicted rows of each class.

    Counted here rather than by scikit-learn, since an ensemble's search scores thousands of times.
    """
    import numpy as np

    classes = probability.shape[1]
    said = probability.argmax(1)
    right = np.bincount(target[said == target], minlength=classes)
    return right, np.bincount(target, minlength=classes), np.bincount(said, minlength=classes)
