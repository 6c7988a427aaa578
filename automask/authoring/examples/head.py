"""A head of mine; try it with: automask plugins check plugins/my_head.py"""

from automask import Float, Int, head


@head(hidden=Int(32, 512, log=True), dropout=Float(0.0, 0.7), per_row=True, target="any")
def my_head(D, attributes, *, hidden=128, dropout=0.2):
    """One hidden layer between the features and the classes.

    When to use: a backbone that stays as it is, whose features no straight line parts.
    """
    from torch import nn

    return nn.Sequential(
        nn.Linear(D, hidden),
        nn.GELU(),
        nn.Dropout(dropout),
        nn.Linear(hidden, len(attributes.classes)),
    )
