"""automask: AutoML search for image classification.

What a plugin file imports stands here: the ranges and one decorator a kind.
"""

from automask.space.kinds import KINDS
from automask.space.ranges import Categorical, Float, Int, Text
from automask.space.rules import never

reader = KINDS["reader"]
split = KINDS["split"]
preprocessing = KINDS["preprocessing"]
resize = KINDS["resize"]
augmentation = KINDS["augmentation"]
mix = KINDS["mix"]
labelling = KINDS["labelling"]
sampling = KINDS["sampling"]
backbone = KINDS["backbone"]
head = KINDS["head"]
freeze = KINDS["freeze"]
loss = KINDS["loss"]
optimizer = KINDS["optimizer"]
scheduler = KINDS["scheduler"]
metric = KINDS["metric"]
ensemble = KINDS["ensemble"]
tta = KINDS["tta"]

__all__ = [
    "Categorical",
    "Float",
    "Int",
    "Text",
    "augmentation",
    "backbone",
    "ensemble",
    "freeze",
    "head",
    "labelling",
    "loss",
    "metric",
    "mix",
    "never",
    "optimizer",
    "preprocessing",
    "reader",
    "resize",
    "sampling",
    "scheduler",
    "split",
    "tta",
]
