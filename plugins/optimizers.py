"""Optimizers (`automask.space.protocols.OptimizerPlugin`).

Every optimizer here has `head_lr_ratio`, which multiplies the head's learning rate, and
`layer_decay`, which multiplies a stage's once for each stage between it and the head (Clark et al.,
2020): what is pretrained stays the nearer to it the nearer it is to the image. 1 turns either off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from automask import Float, optimizer
from automask.errors import UserError

if TYPE_CHECKING:
    from torch.optim import Optimizer

HEAD_LR_RATIO = Float(1.0, 30.0, log=True)
LAYER_DECAY = Float(0.5, 1.0)


def scaled(
    groups: list[dict[str, Any]],
    lr: float,
    head_lr_ratio: float,
    weight_decay: float,
    layer_decay: float,
) -> list[dict[str, Any]]:
    """Groups with a learning rate and a weight decay each; those that share both become one.

    Every group costs an optimizer some time a step.
    """
    last = max(group["stage"] for group in groups)
    merged: dict[tuple[bool, float, float], list[Any]] = {}
    for group in groups:
        ratio = head_lr_ratio if group["head"] else 1.0
        own = lr * ratio * layer_decay ** (last - group["stage"])
        key = (group["head"], own, weight_decay if group["decay"] else 0.0)
        merged.setdefault(key, []).extend(group["params"])
    return [
        {"params": params, "head": head, "lr": own, "weight_decay": decay}
        for (head, own, decay), params in merged.items()
    ]


@optimizer(
    lr=Float(1e-5, 1e-2, log=True),
    head_lr_ratio=HEAD_LR_RATIO,
    weight_decay=Float(1e-5, 0.3, log=True),
    layer_decay=LAYER_DECAY,
    elementwise=True,
)
def adamw(
    parameter_groups: list[dict[str, Any]],
    *,
    lr: float = 1e-3,
    head_lr_ratio: float = 3.0,
    weight_decay: float = 0.02,
    layer_decay: float = 1.0,
) -> Optimizer:
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019).

    When to use: the safe choice, for transformers above all.
    """
    import torch

    groups = scaled(parameter_groups, lr, head_lr_ratio, weight_decay, layer_decay)
    return torch.optim.AdamW(groups, lr=lr, fused=True)


@optimizer(
    lr=Float(1e-4, 0.5, log=True),
    head_lr_ratio=HEAD_LR_RATIO,
    momentum=Float(0.0, 0.95),
    weight_decay=Float(1e-6, 1e-2, log=True),
    layer_decay=LAYER_DECAY,
    elementwise=True,
)
def sgd(
    parameter_groups: list[dict[str, Any]],
    *,
    lr: float = 0.02,
    head_lr_ratio: float = 3.0,
    momentum: float = 0.9,
    weight_decay: float = 1e-4,
    layer_decay: float = 1.0,
) -> Optimizer:
    """Stochastic gradient descent with Nesterov momentum.

    When to use: convolutional backbones with a longer schedule.
    """
    import torch

    made = torch.optim.SGD(
        scaled(parameter_groups, lr, head_lr_ratio, weight_decay, layer_decay),
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


@optimizer(
    lr=Float(1e-4, 2e-2, log=True),
    head_lr_ratio=HEAD_LR_RATIO,
    weight_decay=Float(1e-5, 0.3, log=True),
    layer_decay=LAYER_DECAY,
)
def lamb(
    parameter_groups: list[dict[str, Any]],
    *,
    lr: float = 2e-3,
    head_lr_ratio: float = 3.0,
    weight_decay: float = 0.02,
    layer_decay: float = 1.0,
) -> Optimizer:
    """Adam with each weight matrix's step in proportion to the matrix (You et al., 2020).

    When to use: large batches, and trainings from random weights of which Adam's learning rate
    can't be guessed: this one says what share of a weight may change in a step.
    """
    from timm.optim.lamb import Lamb

    groups = scaled(parameter_groups, lr, head_lr_ratio, weight_decay, layer_decay)
    return Lamb(groups, lr=lr)


@optimizer(
    lr=Float(1e-4, 2e-2, log=True),
    head_lr_ratio=HEAD_LR_RATIO,
    momentum=Float(0.85, 0.98),
    weight_decay=Float(1e-5, 0.3, log=True),
    layer_decay=LAYER_DECAY,
    elementwise=True,
)
def muon(
    parameter_groups: list[dict[str, Any]],
    *,
    lr: float = 2e-3,
    head_lr_ratio: float = 3.0,
    momentum: float = 0.95,
    weight_decay: float = 0.02,
    layer_decay: float = 1.0,
) -> Optimizer:
    """Momentum made orthogonal: a matrix moves alike in all directions (Jordan et al., 2024).

    A convolution is a matrix with a row an output channel. The head, norms, biases and what else is
    no matrix take steps of Adam with Nesterov momentum; those of matrices are scaled to the size of
    Adam's (Liu et al., 2025), so that one learning rate fits both.
    When to use: on a GPU, for larger networks and many steps. On a processor its own computation can
    take far longer than the gradient's.
    """
    try:
        from timm.optim.muon import Muon
    except ImportError as error:
        raise UserError("muon: this timm has none; pip install --upgrade timm") from error

    groups = scaled(parameter_groups, lr, head_lr_ratio, weight_decay, layer_decay)
    return Muon(
        [{**group, "use_fallback": group["head"]} for group in groups],
        lr=lr,
        momentum=momentum,
        nesterov=True,
    )
