"""automask: AutoML search for image classification.

What a plugin file imports stands here: the ranges and one decorator a kind.
"""

from automask.space.kinds import (
    augmentation,
    backbone,
    ensemble,
    freeze,
    head,
    labelling,
    loss,
    metric,
    mix,
    optimizer,
    preprocessing,
    reader,
    resize,
    sampling,
    scheduler,
    split,
    tta,
)
from automask.space.ranges import Categorical, Float, Int, Text
from automask.space.rules import never
