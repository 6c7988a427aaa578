"""A split of mine; try it with: automask plugins check plugins/my_split.py"""

from automask import split


@split(target="any")
def my_split(labels, groups, folds, seed):
    """Whole groups dealt out like cards, in random order, whatever their labels.

    When to use: many groups, whose labels need not be spread evenly.
    """
    import numpy as np

    units = np.arange(len(labels)) if groups is None else np.unique(groups, return_inverse=True)[1]
    order = np.random.default_rng(seed).permutation(units.max() + 1)
    fold_of_unit = np.empty(len(order), int)
    fold_of_unit[order] = np.arange(len(order)) % folds
    return fold_of_unit[units]
