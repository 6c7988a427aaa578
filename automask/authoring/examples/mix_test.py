import numpy as np
import torch

from automask.authoring.examples.mix import my_mix


def test_inputs_and_targets_are_blended_alike():
    table = torch.eye(4)
    inputs, target = my_mix(table, table, np.random.default_rng(0), share=0.3)
    assert torch.allclose(inputs, target)
    assert (target.diagonal() < 1).any() and torch.allclose(target.sum(1), torch.ones(4))
