import torch

from automask.authoring.examples.optimizer import my_optimizer


def test_norms_and_biases_are_left_to_themselves():
    weight, bias = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
    facts = {"stage": 0, "head": True}
    groups = [
        {"params": [weight], "decay": True, **facts},
        {"params": [bias], "decay": False, **facts},
    ]
    weight.grad = bias.grad = torch.zeros(2)
    my_optimizer(groups, lr=0.01, weight_decay=0.1).step()
    assert (weight < 1).all() and (bias == 1).all()
