"""A labelling of mine; try it with: automask plugins check plugins/my_labelling.py"""

from automask import Float, labelling


@labelling(share=Float(0.0, 0.2))
def my_labelling(values, limits, *, share=0.05):
    """Leave the rows with the most extreme numbers out of training, a share of all.

    When to use: numbers some of which are typing errors. A class that would lose all rows keeps them.
    """
    import numpy as np

    label = np.searchsorted(limits, values, side="right")
    low, high = np.quantile(values, [share / 2, 1 - share / 2])
    trimmed = np.where((values < low) | (values > high), -1, label)
    lost = np.setdiff1d(label, trimmed)
    return np.where(np.isin(label, lost), label, trimmed)
