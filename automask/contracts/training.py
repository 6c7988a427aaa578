"""What plugins of networks and their training promise, as functions that try one out."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from automask.contracts.data import SIZE, D, expect
from automask.contracts.targets import CLASSES, Drawn, on_each_target
from automask.errors import UserError
from automask.space import kinds, registry


@kinds.backbone.checked_by
def _backbone(function: Callable[..., Any], abilities: Mapping[str, Any]) -> None:
    import torch

    torch.manual_seed(0)
    module = function(SIZE, False)
    with torch.no_grad():
        out = module.eval()(torch.zeros(2, 3, SIZE, SIZE))
    expect(out.shape == (2, module.D), f"features are {tuple(out.shape)}, D is {module.D}")
    staged = [name for stage in module.stages for name in stage]
    named = [name for name, _ in module.named_parameters()]
    expect(sorted(staged) == sorted(named), "stages must hold every parameter once")
    expect(len(module.mean) == len(module.std) == 3, "mean and std have one value a channel")


@kinds.head.checked_by
def _head(function: Callable[..., Any], abilities: Mapping[str, Any]) -> None:
    import torch

    def check(drawn: Drawn) -> None:
        module = function(D, _attributes(drawn))
        out = module(torch.randn(4, D))
        wanted = (4, drawn.classes)
        expect(out.shape == wanted, f"logits are {tuple(out.shape)}, not {wanted}")
        out.square().mean().backward()
        if abilities["per_row"]:
            _head_per_row(module)

    on_each_target(abilities, 4, check)


def _attributes(drawn: Drawn) -> Any:
    """Three combinations of two attributes, or one attribute of the grades, labels or number."""
    from automask.data.labels import Attributes
    from automask.target import SINGLE

    if drawn.target == SINGLE:
        classes = np.array([[0, 0], [0, 1], [1, 1]])
        return Attributes(("a", "b"), (("x", "y"), ("u", "v")), classes)
    names = tuple(map(str, range(drawn.classes)))
    return Attributes(("a",), (names,), np.arange(drawn.classes)[:, None])


def _head_per_row(module: Any) -> None:
    import torch

    inputs = torch.randn(2, 5, D)
    with torch.no_grad():
        out = module.eval()(inputs)
        alone = torch.stack([module(rows) for rows in inputs])
        fewer = module(inputs[:, :3])
    expect(
        out.shape == alone.shape
        and torch.allclose(out, alone, atol=1e-5)
        and torch.allclose(fewer, alone[:, :3], atol=1e-5),
        "declares per_row=True, but what a row gives depends on other rows or dimensions",
    )


@kinds.freeze.checked_by
def _freeze(function: Callable[..., Any], abilities: Mapping[str, Any]) -> None:
    from automask.training.network import ParameterName

    written = (("stem",), ("a", "b.norm", "b.adapter"), ("c",), ("head",))
    stages = tuple(
        tuple(ParameterName(name, "norm" in name, "adapter" in name) for name in stage)
        for stage in written
    )
    every = {name for stage in stages for name in stage}
    for epoch in range(10):
        names = set(function(stages, epoch / 10))
        expect(names <= every, f"names unknown parameters: {names - every}")
        expect(bool(names), f"nothing trains at progress {epoch / 10}")
        expect(names == set(function(stages, epoch / 10)), "must be pure")
    if abilities["adapt"] is not None:
        _adapts(functools.partial(abilities["adapt"], **getattr(function, "keywords", {})))


def _adapts(adapt: Callable[[Any, int], Callable[[Any], None]]) -> None:
    """A small transformer computes the same at first, and what it computes later once it is merged."""
    import torch

    torch.manual_seed(0)
    backbone = registry.get("backbone", "timm").function(SIZE, False, model="test_vit").eval()
    own, images = list(backbone.state_dict()), torch.randn(2, 3, SIZE, SIZE)
    weights = {id(parameter) for parameter in backbone.parameters()}
    with torch.no_grad():
        before = backbone(images)
        try:
            merge = adapt(backbone, SIZE)
        except UserError:
            return
        same = torch.allclose(backbone.eval()(images), before, atol=1e-5)
        expect(same, "adapt changes what a backbone computes before it is trained")
        further = [p for p in backbone.parameters() if id(p) not in weights]
        expect(bool(further), "adapt adds no parameter")
        for parameter in further:
            parameter.add_(torch.randn_like(parameter) / 20)
        learnt = backbone(images)
        merge(backbone)
        expect(list(backbone.state_dict()) == own, "a merged backbone isn't as it was made")
        same = torch.allclose(backbone(images), learnt, atol=1e-3)
        expect(same, "a merged backbone computes something else")


@kinds.loss.checked_by
def _loss(function: Callable[..., Any], abilities: Mapping[str, Any]) -> None:
    import torch

    def check(drawn: Drawn) -> None:
        aims, index = drawn.target.aims(drawn.labels, drawn.classes)
        target = torch.from_numpy(aims[index])
        counts = torch.tensor([5.0, 2.0, 0.0])[: drawn.classes]
        for aim in (target, target * 0.8 + target.mean(0) * 0.2):
            logits = torch.randn(len(aim), drawn.classes).requires_grad_()
            value = function(logits, aim, counts)
            expect(
                value.shape in ((), (len(aim),)),
                f"gives {tuple(value.shape)}, not [B] or a scalar",
            )
            value.mean().backward()
            expect(
                logits.grad is not None and bool(logits.grad.isfinite().all()),
                "has a gradient that isn't finite",
            )
            sure = function(logits.detach() * 100, aim, counts)
            expect(bool(sure.isfinite().all()), "isn't finite where the logits are large")
        if abilities["per_row"]:
            _loss_per_row(function, target)

    on_each_target(abilities, 4, check)


def _loss_per_row(function: Callable[..., Any], targets: Any) -> None:
    """Two batches at once, with counts of their own, and fewer rows must give the same values."""
    import torch

    generator = torch.Generator().manual_seed(0)
    rows, classes = targets.shape
    target = torch.stack([targets, targets.roll(1, 0)])
    logits = torch.randn(2, rows, classes, generator=generator)
    counts = torch.arange(1.0, 1 + 2 * classes).view(2, classes)
    alone = [function(logits[k], target[k], counts[k]) for k in range(2)]
    expect(alone[0].shape == (rows,), "declares per_row=True, but gives one value for a batch")
    together = function(logits, target, counts[:, None])
    fewer = function(logits[:, :3], target[:, :3], counts[:, None])
    values = torch.stack(alone)
    expect(
        together.shape == (2, rows)
        and bool(torch.allclose(together, values))
        and bool(torch.allclose(fewer, values[:, :3])),
        "declares per_row=True, but gives other values to batches of several folds at once",
    )


def _groups() -> tuple[Any, list[dict[str, Any]]]:
    import torch
    from torch import nn

    from automask.training.network import parameter_groups

    torch.manual_seed(0)
    network = nn.ModuleDict({"backbone": nn.Linear(D, D), "head": nn.Linear(D, CLASSES)})
    return network, parameter_groups(network)


@kinds.optimizer.checked_by
def _optimizer(function: Callable[..., Any], abilities: Mapping[str, Any]) -> None:
    import torch

    network, groups = _groups()
    optimizer = function(groups)
    before = [parameter.detach().clone() for parameter in network.parameters()]
    network["head"](network["backbone"](torch.ones(2, D))).square().sum().backward()
    optimizer.step()
    for old, new in zip(before, network.parameters(), strict=True):
        expect(bool(new.isfinite().all()), "a step makes parameters that aren't finite")
        expect(bool((old != new).any()), "a step leaves a parameter as it was")
    if abilities["elementwise"]:
        _moves_alike(function)


def _moves_alike(function: Callable[..., Any]) -> None:
    """Two heads in one stacked parameter must move as each does in an optimizer of its own."""
    import torch
    from torch import nn

    def group(parameter: Any) -> list[dict[str, Any]]:
        return [{"params": [parameter], "stage": 0, "head": True, "decay": parameter.ndim > 2}]

    generator = torch.Generator().manual_seed(0)
    for shape in ((2, CLASSES, D), (2, CLASSES)):
        start = torch.randn(shape, generator=generator)
        stacked = nn.Parameter(start.clone())
        alone = [nn.Parameter(start[k : k + 1].clone()) for k in range(2)]
        together, apart = function(group(stacked)), [function(group(p)) for p in alone]
        for _ in range(3):
            # Gradients of very different size.
            size = torch.tensor([1.0, 100.0]).view(-1, *[1] * (len(shape) - 1))
            stacked.grad = torch.randn(shape, generator=generator) * size
            for k, parameter in enumerate(alone):
                parameter.grad = stacked.grad[k : k + 1].clone()
            for optimizer in (together, *apart):
                optimizer.step()
        expect(
            bool(torch.allclose(stacked, torch.cat([*alone]))),
            "declares elementwise=True, but a head moves by more than each number's own gradients",
        )


@kinds.scheduler.checked_by
def _scheduler(function: Callable[..., Any], abilities: Mapping[str, Any]) -> None:
    import torch

    _, groups = _groups()
    optimizer = torch.optim.SGD(groups, lr=0.1)
    scheduler = function(optimizer, 3, 4)
    plateau = isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau)
    for step in range(12):
        optimizer.step()
        if not plateau:
            scheduler.step()
        elif step % 3 == 2:
            scheduler.step(1.0)
        rates = [group["lr"] for group in optimizer.param_groups]
        expect(all(np.isfinite(rates)) and min(rates) >= 0, f"gives learning rates {rates}")
