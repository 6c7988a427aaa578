"""A metric of mine; try it with: automask plugins check plugins/my_metric.py"""

from automask import metric


@metric()
def my_metric(target, probability):
    """The geometric mean of the classes' recalls, which is 0 where one class is never right.

    When to use: every class counts as much, and none may be given up.
    """
    import numpy as np

    answers = probability.argmax(1)
    recalls = [np.mean(answers[target == k] == k) for k in np.unique(target)]
    return float(np.prod(recalls) ** (1 / len(recalls)))
