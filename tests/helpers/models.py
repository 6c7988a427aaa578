"""Trials of every sort, and studies of them."""

import automask
from helpers.recipes import recipe

#: Whole networks and heads alone, of several sizes, preprocessings and ways to resize.
RECIPES = [
    recipe(preprocessing=("position_crop", {}), ema_decay=0.5),
    recipe(freeze=("head_only", {}), head=("factored", {}), image_size=24),
    recipe(freeze=("head_only", {}), head=("joint", {"dropout": 0.3}), image_size=24),
    recipe(resize=("crop", {}), preprocessing=("reveal_detail", {}), image_size=40),
    recipe(freeze=("last_stages", {"share": 0.25}), loss=("focal", {})),
]


def train_all(folder, *recipes, **options):
    """A study with these recipes as its trials."""
    for one in recipes:
        automask.train(one, folder=folder, **options)
    return automask.load(folder)
