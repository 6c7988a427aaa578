"""Recipes that train in no time."""

from automask.space import registry
from automask.space.kinds import DEFAULTS
from automask.space.recipe import TRAINING_DEFAULTS, Choice, Recipe


def recipe(**changes):
    """A small recipe; `loss=("focal", {...})` chooses, other keywords set the training's."""
    choices = {
        **{kind: (name, {}) for kind, name in DEFAULTS.items()},
        "backbone": ("timm", {"model": "test_resnet"}),
        "augmentation": ("none", {}),
    }
    own = {key: value for key, value in changes.items() if key not in choices}
    choices |= {key: value for key, value in changes.items() if key in choices}
    training_ = {
        **TRAINING_DEFAULTS,
        "pretrained": False,
        "image_size": 32,
        "epochs": 2,
        "warmup_epochs": 0,
        "batch_size": 8,
    }
    return Recipe(
        {
            kind: Choice(name, {**registry.get(kind, name).defaults, **params})
            for kind, (name, params) in choices.items()
        },
        {**training_, **own},
    )


def with_loss(made, name, **params):
    """The recipe with another loss."""
    return Recipe({**made.choices, "loss": Choice(name, params)}, made.training)
