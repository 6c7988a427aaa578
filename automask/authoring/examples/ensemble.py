"""An ensemble of mine; try it with: automask plugins check plugins/my_ensemble.py"""

from automask import Float, ensemble


@ensemble(trim=Float(0.0, 0.45))
def my_ensemble(probability, target, metric, rng, *, trim=0.2):
    """The mean of the members without the lowest and the highest, a share of each.

    When to use: many members, of which some are far off now and then.
    """
    import numpy as np

    def blend(table):  # [T, M, C], of any rows
        drop = int(trim * len(table))
        middle = np.sort(table, axis=0)[drop : len(table) - drop].mean(0)
        return middle / middle.sum(-1, keepdims=True)

    return blend
