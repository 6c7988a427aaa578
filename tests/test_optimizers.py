"""Optimizers: learning rates a stage, weight decay, and steps that lead downhill."""

import pytest
import torch
from torch import nn

from automask import registry

OPTIMIZERS = list(registry.plugins("optimizer").values())


def named(plugin):
    return plugin.name


@pytest.mark.parametrize("plugin", OPTIMIZERS, ids=named)
def test_what_is_frozen_stays_and_what_thaws_later_moves(plugin):
    parameters = [nn.Parameter(torch.ones(4, 4)) for _ in range(3)]
    made = plugin.function([{"params": parameters, "stage": 0, "head": False, "decay": True}])
    for thawed in range(4):
        before = [parameter.detach().clone() for parameter in parameters]
        for parameter in parameters[:thawed]:
            parameter.grad = torch.ones_like(parameter)
        made.step()
        stayed = [torch.equal(*pair) for pair in zip(parameters, before, strict=True)]
        assert stayed == [False] * thawed + [True] * (3 - thawed)


def test_sgd_takes_the_steps_of_torch_to_the_bit():
    torch.manual_seed(0)
    start = torch.randn(5, 5)
    ours, plain = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    group = {"params": [ours], "stage": 0, "head": False, "decay": True}
    made = [
        registry.get("optimizer", "sgd").function([group], lr=0.1, weight_decay=1e-2),
        torch.optim.SGD(
            [plain], lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-2, fused=True
        ),
    ]
    for _ in range(3):
        ours.grad = torch.randn(5, 5)
        plain.grad = ours.grad.clone()
        for optimizer in made:
            optimizer.step()
        assert torch.equal(ours, plain)
