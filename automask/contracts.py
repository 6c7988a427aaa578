"""What each kind of plugin promises, as functions that try one out and raise what they find."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from automask.space import kinds, registry

ROWS, CLASSES, SIZE, D = 12, 3, 64, 16


def _expect(condition: bool, sentence: str) -> None:
    if not condition:
        raise AssertionError(sentence)


@kinds.reader.checked_by
def _reader(function: Callable[..., Any], abilities: Mapping[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _expect(function(Path(folder)) is None, "an empty folder must give None")


@kinds.split.checked_by
def _split(function: Callable[..., Any], abilities: Mapping[str, Any]) -> None:
    labels = np.repeat(np.arange(CLASSES), 20)
    groups = np.arange(len(labels)) // 2
    for given in (None, groups):
        fold = function(labels, given, 4, 0)
        _expect(sorted(set(fold.tolist())) == [0, 1, 2, 3], "every fold must have rows")
        again = function(labels, given, 4, 0)
        _expect(bool((fold == again).all()), "the same seed must give the same folds")
    _expect(bool((fold[::2] == fold[1::2]).all()), "a group must not be on two sides")


@kinds.resize.checked_by
def _resize(function: Callable[..., Any], abilities: Mapping[str, Any]) -> None:
    for shape in ((7, 40, 3), (90, 50, 3), (1, 1, 3), (SIZE, SIZE, 3)):
        out = function(np.full(shape, 100, np.uint8), SIZE)
        _expect(out.shape == (SIZE, SIZE, 3), f"{shape} became {out.shape}")
        _expect(out.dtype == np.uint8, f"gives {out.dtype}, not uint8")


class _TrainingPart:
    """Drawn images and no boxes, in place of a fold's training part."""

    boxes = None

    def images(self, most: int | None = None) -> Iterator[np.ndarray]:
        rng = np.random.default_rng(0)
        for shape in ((40, 30, 3), (SIZE, SIZE, 3), (1, 1, 3)):
            yield rng.integers(0, 256, shape, np.uint8)


class _Unread:
    """In place of a training part, for one that declares not to look at it."""

    def __getattr__(self, name: str) -> NoReturn:
        raise AssertionError(
            f"looks at rows.{name}, though it declares fitted=False: say @preprocessing(fitted=True)"
        )


@kinds.preprocessing.checked_by
def _preprocessing(function: Callable[..., Any], abilities: Mapping[str, Any]) -> None:
    from automask.data.preprocessing import from_json, to_json

    rows = _TrainingPart() if abilities["fitted"] else _Unread()
    transform = function(rows)
    _expect(transform == function(rows), "the same rows must give the same transform")
    if transform is None:
        return
    params = getattr(type(transform), "__dataclass_params__", None)
    _expect(params is not None and params.frozen, "must give a frozen dataclass or None")
    kept = from_json(json.loads(json.dumps(to_json(transform))))
    _expect(kept == transform, "its fields must come back from JSON as they were")
    rng = np.random.default_rng(0)
    for shape in ((7, 40, 3), (90, 50, 3), (1, 1, 3)):
        for image in (rng.integers(0, 256, shape, np.uint8), np.full(shape, 100, np.uint8)):
            before = image.copy()
            image.flags.writeable = False
            out = transform(image)
            _expect(bool((image == before).all()), "changes the image that it is given")
            _expect(out.dtype == np.uint8, f"gives {out.dtype}, not uint8")
            _expect(out.ndim == 3 and out.shape[2] == 3, f"{shape} became {out.shape}")
            _expect(out.size > 0, f"leaves nothing of {shape}")


@kinds.augmentation.checked_by
def _augmentation(function: Callable[..., Any], abilities: Mapping[str, Any]) -> None:
    import torch

    transform = function(SIZE)
    if transform is None:
        return
    image = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    if hasattr(transform, "set_random_seed"):
        out = transform(image=image)["image"]
        _expect(out.shape == image.shape, f"{image.shape} became {out.shape}")
        _expect(out.dtype == np.uint8, f"gives {out.dtype}, not uint8")
        return
    batch = torch.from_numpy(np.stack([image, image])).permute(0, 3, 1, 2)
    out = transform(batch)
    _expect(out.shape == batch.shape, f"{tuple(batch.shape)} became {tuple(out.shape)}")
    _expect(out.dtype == batch.dtype, f"gives {out.dtype}, not uint8")


@kinds.labelling.checked_by
def _labelling(function: Callable[..., Any], abilities: Mapping[str, Any]) -> None:
    values = np.random.default_rng(0).uniform(0, 90, 200)
    for limits in (np.array([45.0]), np.array([30.0, 60.0])):
        label = np.asarray(function(values, limits))
        _expect(label.shape == values.shape, "must give each value a class, or -1")
        _expect(label.dtype.kind == "i", "must give whole numbers")
        _expect(
            bool(((label >= -1) & (label <= len(limits))).all()),
            f"gives classes outside -1 to {len(limits)}",
        )
        _expect(bool((label >= 0).any()), "leaves out every row")


@kinds.sampling.checked_by
def _sampling(function: Callable[..., Any], abilities: Mapping[str, Any]) -> None:
    labels = np.array([0] * 6 + [1] * 3 + [2])
    features = np.random.default_rng(0).normal(size=(len(labels), D)).astype(np.float32)

    def read() -> np.ndarray:
        _expect(
            abilities["reads_features"],
            "reads features, though it declares not to: say @sampling(reads_features=True)",
        )
        return features

    given = function(labels, read, np.random.default_rng(0))
    drawn = np.asarray(given[0] if isinstance(given, tuple) else given)
    _expect(drawn.ndim == 1 and len(drawn) > 0, "must give a list of rows")
    _expect(drawn.dtype.kind in "iu", "must give whole numbers")
    _expect(bool(((drawn >= 0) & (drawn < len(labels))).all()), "names rows that aren't there")
    if isinstance(given, tuple):
        _expect(len(given) == 3, "must give indices, or indices, partners and weights")
        partners, weights = map(np.asarray, given[1:])
        _expect(drawn.shape == partners.shape == weights.shape, "gives columns of other lengths")
        _expect(bool((labels[drawn] == labels[partners]).all()), "pairs rows of two classes")
        _expect(bool(((weights >= 0) & (weights <= 1)).all()), "gives weights beyond 0 to 1")


@kinds.mix.checked_by
def _mix(function: Callable[..., Any], abilities: Mapping[str, Any]) -> None:
    import torch

    torch.manual_seed(0)
    images = torch.randint(0, 256, (ROWS, 3, SIZE, SIZE), dtype=torch.uint8)
    _mixes(function, images, 0.0, 255.0)
    if abilities["takes"] == "pixels":
        return
    features = torch.randn(ROWS, D)
    try:
        _mixes(function, features, float(features.min()), float(features.max()))
    except Exception as error:
        raise AssertionError(
            f"with features {str(error) or type(error).__name__}; if it needs pixels, "
            'say @mix(takes="pixels")'
        ) from error


def _mixes(function: Callable[..., Any], given: Any, low: float, high: float) -> None:
    import torch

    for rows in (len(given), 1):
        inputs = given[:rows].clone()
        target = torch.eye(CLASSES)[torch.arange(rows) % CLASSES]
        (out, aim), again = (function(inputs, target, np.random.default_rng(0)) for _ in range(2))
        _expect(out.shape == inputs.shape, f"{tuple(inputs.shape)} became {tuple(out.shape)}")
        _expect(aim.shape == target.shape, f"a target {tuple(target.shape)} became {aim.shape}")
        _expect(torch.equal(inputs, given[:rows]), "changes the inputs that it is given")
        _expect(bool((out >= low - 1e-4).all() & (out <= high + 1e-4).all()), "leaves the range")
        _expect(bool((aim >= 0).all()), "gives a target below 0")
        _expect(bool(torch.allclose(aim.sum(1), torch.ones(rows))), "a target must sum to 1")
        same = torch.equal(out, again[0]) and torch.equal(aim, again[1])
        _expect(same, "the same rng must give the same")


@kinds.backbone.checked_by
def _backbone(function: Callable[..., Any], abilities: Mapping[str, Any]) -> None:
    import torch

    torch.manual_seed(0)
    module = function(SIZE, False)
    with torch.no_grad():
        out = module.eval()(torch.zeros(2, 3, SIZE, SIZE))
    _expect(out.shape == (2, module.D), f"features are {tuple(out.shape)}, D is {module.D}")
    staged = [name for stage in module.stages for name in stage]
    named = [name for name, _ in module.named_parameters()]
    _expect(sorted(staged) == sorted(named), "stages must hold every parameter once")
    _expect(len(module.mean) == len(module.std) == 3, "mean and std have one value a channel")


def _attributes() -> Any:
    from automask.data.dataset import Attributes

    classes = np.array([[0, 0], [0, 1], [1, 1]])
    return Attributes(("a", "b"), (("x", "y"), ("u", "v")), classes)


@kinds.head.checked_by
def _head(function: Callable[..., Any], abilities: Mapping[str, Any]) -> None:
    import torch

    module = function(D, _attributes())
    out = module(torch.randn(4, D))
    _expect(out.shape == (4, CLASSES), f"logits are {tuple(out.shape)}, not (4, {CLASSES})")
    out.square().mean().backward()
    if abilities["per_row"]:
        inputs = torch.randn(2, 5, D)
        with torch.no_grad():
            out = module.eval()(inputs)
            alone = torch.stack([module(rows) for rows in inputs])
            fewer = module(inputs[:, :3])
        _expect(
            out.shape == alone.shape
            and torch.allclose(out, alone, atol=1e-5)
            and torch.allclose(fewer, alone[:, :3], atol=1e-5),
            "declares per_row=True, but what a row gives depends on other rows or dimensions",
        )


@kinds.freeze.checked_by
def _freeze(function: Callable[..., Any], abilities: Mapping[str, Any]) -> None:
    from automask.training.network import ParameterName

    written = (("stem",), ("a", "b.norm"), ("c",), ("head",))
    stages = tuple(
        tuple(ParameterName(name, "norm" in name) for name in stage) for stage in written
    )
    known = {name for stage in stages for name in stage}
    for epoch in range(10):
        names = set(function(stages, epoch / 10))
        _expect(names <= known, f"names unknown parameters: {names - known}")
        _expect(bool(names), f"nothing trains at progress {epoch / 10}")
        _expect(names == set(function(stages, epoch / 10)), "must be pure")


@kinds.loss.checked_by
def _loss(function: Callable[..., Any], abilities: Mapping[str, Any]) -> None:
    import torch

    counts = torch.tensor([5.0, 2.0, 0.0])
    target = torch.eye(CLASSES)[torch.tensor([0, 1, 0, 0])]
    for soft in (target, target * 0.8 + 0.2 / CLASSES):
        logits = torch.randn(4, CLASSES).requires_grad_()
        value = function(logits, soft, counts)
        _expect(value.shape in ((), (4,)), f"gives {tuple(value.shape)}, not [B] or a scalar")
        value.mean().backward()
        _expect(
            logits.grad is not None and bool(logits.grad.isfinite().all()),
            "has a gradient that isn't finite",
        )
        sure = function(logits.detach() * 100, soft, counts)
        _expect(bool(sure.isfinite().all()), "isn't finite where the logits are large")
    if abilities["per_row"]:
        _loss_per_row(function)


def _loss_per_row(function: Callable[..., Any]) -> None:
    """Two batches at once, with counts of their own, and fewer rows must give the same values."""
    import torch

    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 4, CLASSES, generator=generator)
    target = torch.eye(CLASSES)[torch.arange(8).view(2, 4) % CLASSES]
    counts = torch.arange(1.0, 1 + 2 * CLASSES).view(2, CLASSES)
    alone = [function(logits[k], target[k], counts[k]) for k in range(2)]
    _expect(alone[0].shape == (4,), "declares per_row=True, but gives one value for a batch")
    together = function(logits, target, counts[:, None])
    fewer = function(logits[:, :3], target[:, :3], counts[:, None])
    rows = torch.stack(alone)
    _expect(
        together.shape == (2, 4)
        and bool(torch.allclose(together, rows))
        and bool(torch.allclose(fewer, rows[:, :3])),
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
        _expect(bool(new.isfinite().all()), "a step makes parameters that aren't finite")
        _expect(bool((old != new).any()), "a step leaves a parameter as it was")
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
        _expect(
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
        _expect(all(np.isfinite(rates)) and min(rates) >= 0, f"gives learning rates {rates}")


@kinds.metric.checked_by
def _metric(function: Callable[..., Any], abilities: Mapping[str, Any]) -> None:
    target = np.array([0, 1, 2, 0, 1, 2])
    right = np.eye(CLASSES)[target] * 0.9 + 0.1 / CLASSES
    wrong = np.roll(right, 1, axis=1)
    _expect(np.isfinite(function(target, right)), "isn't finite")
    _expect(function(target, right) > function(target, wrong), "higher must be better")
    _expect(np.isfinite(function(target[:1], right[:1])), "isn't finite for a single row")


@kinds.ensemble.checked_by
def _ensemble(function: Callable[..., Any], abilities: Mapping[str, Any]) -> None:
    rng = np.random.default_rng(0)
    target = rng.integers(0, CLASSES, ROWS)
    table = rng.dirichlet(np.ones(CLASSES), (4, ROWS))
    accuracy = registry.get("metric", "accuracy").function
    blend = function(table, target, accuracy, rng)
    out = blend(table[:, :5])
    _expect(out.shape == (5, CLASSES), f"a blend is {out.shape}, not (5, {CLASSES})")
    _expect(bool(np.allclose(out.sum(1), 1)), "a blend's rows must sum to 1")


@kinds.tta.checked_by
def _tta(function: Callable[..., Any], abilities: Mapping[str, Any]) -> None:
    import torch

    torch.manual_seed(0)
    for rows, size in ((2, SIZE), (1, SIZE), (2, 33)):
        images = 255 * torch.rand(rows, 3, size, size)
        before = images.clone()
        views, again = function(images), function(images)
        _expect(len(views) > 0, "gives no view")
        _expect(torch.equal(images, before), "changes the images that it is given")
        for view, same in zip(views, again, strict=True):
            _expect(view.shape == images.shape, f"{tuple(images.shape)} became {tuple(view.shape)}")
            _expect(view.dtype == images.dtype, f"gives {view.dtype}, not {images.dtype}")
            _expect(bool((view >= -1e-3).all() & (view <= 255 + 1e-3).all()), "leaves 0 to 255")
            _expect(torch.equal(view, same), "the same images must give the same views")
    # An image that is brighter to the right shows who turns it round.
    ramp = torch.linspace(0, 255, SIZE).expand(1, 3, SIZE, SIZE)
    turned = any(bool(view[..., 0].mean() > view[..., -1].mean()) for view in function(ramp))
    _expect(
        abilities["mirrors"] or not turned,
        "mirrors, though it declares mirrors=False: say @tta(mirrors=True)",
    )
