"""A freeze strategy of mine; try it with: automask plugins check plugins/my_freeze.py"""

from automask import Int, freeze


@freeze(last=Int(0, 3))
def my_freeze(stages, progress, *, last=1):
    """The head, the last stages, and every normalisation layer train.

    When to use: images of other colours and contrasts than those of the pretraining.
    """
    late = stages[-1 - last :]
    return [name for stage in stages for name in stage if stage in late or name.norm]
