"""A scheduler of mine; try it with: automask plugins check plugins/my_scheduler.py"""

from automask import Float, scheduler


@scheduler(power=Float(0.5, 3.0))
def my_scheduler(optimizer, steps_per_epoch, epochs, *, power=1.0):
    """The learning rate falls to nothing by a power of what is left: 1 is a straight line.

    When to use: in place of the cosine, where the last epochs should count more (below 1) or less.
    """
    from torch.optim.lr_scheduler import LambdaLR

    steps = steps_per_epoch * epochs
    return LambdaLR(optimizer, lambda step: max(0.0, 1 - step / steps) ** power)
