"""What a search begins with."""

import numpy as np
import pytest

from automask.diagnostics import start
from automask.space import space_file
from automask.space.ranges import Categorical
from benchmarks import portfolio


def pretrained(**training):
    chosen = space_file.load("default").with_models([("timm", "test_resnet")])
    ranges = {"pretrained": Categorical(True), "image_size": Categorical(32, 64), **training}
    return chosen.with_training(**ranges)


def test_heads_come_first_at_the_smallest_size_and_then_with_the_best_network():
    network = {"backbone": "timm", "backbone.timm.model": "test_resnet", "training.image_size": 64}
    made = [recipe for recipe, _ in start.recipes(pretrained(), network)]
    assert [recipe["freeze"].name for recipe in made[:3]] == ["head_only"] * 3
    assert [recipe["head"].name for recipe in made[:3]] == ["joint", "joint", "factored"]
    assert [recipe.training["image_size"] for recipe in made] == [32] + [64] * (len(made) - 1)
    assert len(made) == 3 + len(start.portfolio())
    assert len({recipe.hash for recipe in made}) == len(made)


def test_nothing_comes_first_where_nothing_is_pretrained():
    assert start.recipes(pretrained(pretrained=Categorical(False)), {}) == []


def test_what_a_portfolio_says_is_known_to_the_default_space():
    recipes = start.portfolio()
    assert recipes
    space = pretrained()
    for values in recipes:
        assert not any(name.startswith(portfolio.LEFT_OUT) for name in values)
        made = space.nearest(values)[0].values()
        for kind in ("loss", "freeze", "augmentation", "sampling"):
            assert made[kind] == values[kind]
        assert made["optimizer.adamw.lr"] == pytest.approx(values["optimizer.adamw.lr"])


def test_each_recipe_of_a_portfolio_is_chosen_for_what_it_adds():
    scores = np.array([[1.0, 0.2, 0.3], [0.9, 0.9, 0.3], [0.1, 0.1, 1.0], [0.95, 0.8, 0.2]])
    assert portfolio.choose(scores, 3) == [1, 2, 0]


def test_only_tasks_of_which_all_is_recorded_count():
    table = {
        "candidates": [{}, {}],
        "scores": {"a m": {"0": [0.4, 1], "1": [0.8, 1]}, "b m": {"0": [0.5, 1]}},
    }
    assert portfolio.whole(table) == ["a m"]
    assert portfolio.matrix(table, ["a m"]).tolist() == [[0.5], [1.0]]
