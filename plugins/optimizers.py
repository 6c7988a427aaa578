"""Optimizers: `(parameter_groups) -> torch optimizer`.

A group is a dict of `params` with `head` (is it the head's?) and `decay` (False for norms and
biases, which no weight decay should shrink).
"""

from __future__ import annotations

from typing import Any

from automask import Float, optimizer


def scaled(
    groups: list[dict[str, Any]], lr: float, head_lr_ratio: float, weight_decay: float
) -> list[dict[str, Any]]:
    """The groups with a learning rate and a weight decay each."""
    return [
        {
            **group,
            "lr": lr * (head_lr_ratio if group["head"] else 1.0),
            "weight_decay": weight_decay if group["decay"] else 0.0,
        }
        for group in groups
    ]


@optimizer(
    lr=Float(1e-5, 1e-2, log=True),
    head_lr_ratio=Float(1.0, 30.0, log=True),
    weight_decay=Float(1e-5, 0.3, log=True),
)
def adamw(parameter_groups, *, lr=1e-3, head_lr_ratio=3.0, weight_decay=0.02):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019).

    When to use: the safe choice, for transformers above all. `head_lr_ratio` multiplies the head's
    learning rate.
    """
    import torch

    groups = scaled(parameter_groups, lr, head_lr_ratio, weight_decay)
    return torch.optim.AdamW(groups, lr=lr, fused=True)


@optimizer(
    lr=Float(1e-4, 0.5, log=True),
    head_lr_ratio=Float(1.0, 30.0, log=True),
    momentum=Float(0.0, 0.95),
    weight_decay=Float(1e-6, 1e-2, log=True),
)
def sgd(parameter_groups, *, lr=0.02, head_lr_ratio=3.0, momentum=0.9, weight_decay=1e-4):
    """Stochastic gradient descent with Nesterov momentum.

    When to use: convolutional backbones with a longer schedule.
    """
    import torch

    made = torch.optim.SGD(
        scaled(parameter_groups, lr, head_lr_ratio, weight_decay),
        lr=lr,
        momentum=momentum,
        nesterov=momentum > 0,
        fused=True,
    )
    if momentum:
        # Torch's fused step breaks on a group of which a part has momentum: what thaws later has none.
        for group in made.param_groups:
            for parameter in group["params"]:
                made.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return made
