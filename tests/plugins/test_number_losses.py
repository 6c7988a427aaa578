"""Losses of numbers: what they are least at, and how far a row that is far off pulls."""

import numpy as np
import pytest
import torch

from automask.space import registry
from automask.target import Number

LOSSES = [plugin for plugin in registry.plugins("loss").values() if plugin.takes(Number())]
COUNT = torch.tensor([5.0])
NUMBERS = torch.tensor([[0.0], [0.1], [0.2], [0.3], [4.0]])


def loss(name, prediction, **params):
    logits = torch.full_like(NUMBERS, prediction)
    return registry.get("loss", name).function(logits, NUMBERS, COUNT, **params)


def least(name, **params):
    grid = np.linspace(-1, 5, 601)
    return grid[int(np.argmin([loss(name, x, **params).sum() for x in grid]))]


def test_squares_are_least_at_the_mean_and_distances_at_the_median():
    assert least("mse") == pytest.approx(NUMBERS.mean().item(), abs=0.01)
    assert least("mae") == pytest.approx(NUMBERS.median().item(), abs=0.01)


def test_smooth_l1_goes_from_distances_to_squares():
    near, far = (least("smooth_l1", beta=beta) for beta in (0.05, 2.0))
    assert NUMBERS.median() - 0.02 <= near < far < NUMBERS.mean()


@pytest.mark.parametrize("plugin", LOSSES, ids=lambda p: p.name)
def test_nothing_is_lost_where_all_is_right(plugin):
    value = plugin.function(NUMBERS, NUMBERS, COUNT)
    assert value.tolist() == [0.0] * 5
