"""What plugins of data and scoring promise, as functions that try one out."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from automask.contracts.targets import Drawn, on_each_target
from automask.space import kinds, registry

ROWS, SIZE, D = 12, 64, 16
#: By the name of a target, a metric that takes it.
METRICS = {"single": "accuracy", "ordered": "accuracy", "multi": "macro_f1", "number": "rmse"}


def expect(condition: bool, sentence: str) -> None:
    if not condition:
        raise AssertionError(sentence)


@kinds.reader.checked_by
def _reader(function: Callable[..., Any], abilities: Mapping[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        expect(function(Path(folder)) is None, "an empty folder must give None")


@kinds.split.checked_by
def _split(function: Callable[..., Any], abilities: Mapping[str, Any]) -> None:
    def check(drawn: Drawn) -> None:
        labels = drawn.target.strata(drawn.labels)
        groups = np.arange(len(labels)) // 2
        for joined in (None, groups):
            fold = function(labels, joined, 4, 0)
            expect(fold.shape == groups.shape, f"folds are {fold.shape}, not [N]")
            expect(sorted(set(fold.tolist())) == [0, 1, 2, 3], "every fold must have rows")
            again = function(labels, joined, 4, 0)
            expect(bool((fold == again).all()), "the same seed must give the same folds")
        expect(bool((fold[::2] == fold[1::2]).all()), "a group must not be on two sides")

    on_each_target(abilities, 60, check)


@kinds.tracker.checked_by
def _tracker(function: Callable[..., Any], abilities: Mapping[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            made = function("a-study", Path(folder, "tracker"))
        except ModuleNotFoundError:
            return  # its library isn't here to be tried
        for trial, state in ((0, "complete"), (1, "out of memory")):
            made.begin(trial, {"loss": "cross_entropy", "training.epochs": 3})
            made.record(trial, {"fold_accuracy": 0.5}, 1)
            made.record(trial, {"accuracy": 0.5, "seconds": 2.0}, 0)
            made.end(trial, state)
        made.begin(2, {"loss": "cross_entropy"})
        made.record(None, {"ensemble_so_far": 0.5}, 0)
        made.close()


@kinds.resize.checked_by
def _resize(function: Callable[..., Any], abilities: Mapping[str, Any]) -> None:
    for shape in ((7, 40, 3), (90, 50, 3), (1, 1, 3), (SIZE, SIZE, 3)):
        out = function(np.full(shape, 100, np.uint8), SIZE)
        expect(out.shape == (SIZE, SIZE, 3), f"{shape} became {out.shape}")
        expect(out.dtype == np.uint8, f"gives {out.dtype}, not uint8")


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
    expect(transform == function(rows), "the same rows must give the same transform")
    if transform is None:
        return
    params = getattr(type(transform), "__dataclass_params__", None)
    expect(params is not None and params.frozen, "must give a frozen dataclass or None")
    copy = from_json(json.loads(json.dumps(to_json(transform))))
    expect(copy == transform, "its fields must come back from JSON as they were")
    rng = np.random.default_rng(0)
    for shape in ((7, 40, 3), (90, 50, 3), (1, 1, 3)):
        for image in (rng.integers(0, 256, shape, np.uint8), np.full(shape, 100, np.uint8)):
            before = image.copy()
            image.flags.writeable = False
            out = transform(image)
            expect(bool((image == before).all()), "changes the image that it is given")
            expect(out.dtype == np.uint8, f"gives {out.dtype}, not uint8")
            expect(out.ndim == 3 and out.shape[2] == 3, f"{shape} became {out.shape}")
            expect(out.size > 0, f"leaves nothing of {shape}")


@kinds.augmentation.checked_by
def _augmentation(function: Callable[..., Any], abilities: Mapping[str, Any]) -> None:
    import torch

    transform = function(SIZE)
    if transform is None:
        return
    image = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    if hasattr(transform, "set_random_seed"):
        out = transform(image=image)["image"]
        expect(out.shape == image.shape, f"{image.shape} became {out.shape}")
        expect(out.dtype == np.uint8, f"gives {out.dtype}, not uint8")
        return
    batch = torch.from_numpy(np.stack([image, image])).permute(0, 3, 1, 2)
    out = transform(batch)
    expect(out.shape == batch.shape, f"{tuple(batch.shape)} became {tuple(out.shape)}")
    expect(out.dtype == batch.dtype, f"gives {out.dtype}, not uint8")


@kinds.labelling.checked_by
def _labelling(function: Callable[..., Any], abilities: Mapping[str, Any]) -> None:
    values = np.random.default_rng(0).uniform(0, 90, 200)
    for limits in (np.array([45.0]), np.array([30.0, 60.0])):
        label = np.asarray(function(values, limits))
        expect(label.shape == values.shape, "must give each value a class, or -1")
        expect(label.dtype.kind == "i", "must give whole numbers")
        expect(
            bool(((label >= -1) & (label <= len(limits))).all()),
            f"gives classes outside -1 to {len(limits)}",
        )
        expect(bool((label >= 0).any()), "leaves out every row")


@kinds.sampling.checked_by
def _sampling(function: Callable[..., Any], abilities: Mapping[str, Any]) -> None:
    def check(drawn: Drawn) -> None:
        # More of some rows than of others.
        labels = drawn.labels[[0, 0, 0, 0, 0, 0, 1, 1, 1, 2]]
        features = np.random.default_rng(0).normal(size=(len(labels), D)).astype(np.float32)

        def read() -> np.ndarray:
            expect(
                abilities["reads_features"],
                "reads features, though it declares not to: say @sampling(reads_features=True)",
            )
            return features

        _samples(function(labels, read, np.random.default_rng(0)), labels)

    on_each_target(abilities, ROWS, check)


def _samples(out: Any, labels: np.ndarray) -> None:
    rows = np.asarray(out[0] if isinstance(out, tuple) else out)
    expect(rows.ndim == 1 and len(rows) > 0, "must give a list of rows")
    expect(rows.dtype.kind in "iu", "must give whole numbers")
    expect(bool(((rows >= 0) & (rows < len(labels))).all()), "names rows that aren't there")
    if isinstance(out, tuple):
        expect(len(out) == 3, "must give indices, or indices, partners and weights")
        partners, weights = map(np.asarray, out[1:])
        expect(rows.shape == partners.shape == weights.shape, "gives columns of other lengths")
        expect(bool((labels[rows] == labels[partners]).all()), "pairs rows of two classes")
        expect(bool(((weights >= 0) & (weights <= 1)).all()), "gives weights beyond 0 to 1")


@kinds.mix.checked_by
def _mix(function: Callable[..., Any], abilities: Mapping[str, Any]) -> None:
    import torch

    torch.manual_seed(0)
    images = torch.randint(0, 256, (ROWS, 3, SIZE, SIZE), dtype=torch.uint8)
    features = torch.randn(ROWS, D)

    def check(drawn: Drawn) -> None:
        aims, index = drawn.target.aims(drawn.labels, drawn.classes)
        target = torch.from_numpy(aims[index])
        _mixes(function, images, target, 0.0, 255.0)
        if abilities["takes"] == "pixels":
            return
        try:
            _mixes(function, features, target, float(features.min()), float(features.max()))
        except Exception as error:
            raise AssertionError(
                f"with features {str(error) or type(error).__name__}; if it needs pixels, "
                'say @mix(takes="pixels")'
            ) from error

    on_each_target(abilities, ROWS, check)


def _mixes(function: Callable[..., Any], table: Any, targets: Any, low: float, high: float) -> None:
    import torch

    for rows in (len(table), 1):
        inputs, target = table[:rows].clone(), targets[:rows].clone()
        (out, aim), again = (function(inputs, target, np.random.default_rng(0)) for _ in range(2))
        expect(out.shape == inputs.shape, f"{tuple(inputs.shape)} became {tuple(out.shape)}")
        expect(aim.shape == target.shape, f"a target {tuple(target.shape)} became {aim.shape}")
        expect(torch.equal(inputs, table[:rows]), "changes the inputs that it is given")
        expect(torch.equal(target, targets[:rows]), "changes the targets that it is given")
        expect(bool((out >= low - 1e-4).all() & (out <= high + 1e-4).all()), "leaves the range")
        # What holds of weighted means, by column and by row: targets of "single" go on summing to 1.
        for mixed, given in ((aim, target), (aim.sum(1), target.sum(1))):
            within = (mixed >= given.amin(0) - 1e-5) & (mixed <= given.amax(0) + 1e-5)
            expect(bool(within.all()), "gives a target that is no weighted mean of those given")
        same = torch.equal(out, again[0]) and torch.equal(aim, again[1])
        expect(same, "the same rng must give the same")


@kinds.metric.checked_by
def _metric(function: Callable[..., Any], abilities: Mapping[str, Any]) -> None:
    def check(drawn: Drawn) -> None:
        target, right = drawn.labels, drawn.predictions
        wrong = np.roll(right, 1, axis=0)
        expect(np.isfinite(function(target, right)), "isn't finite")
        expect(function(target, right) > function(target, wrong), "higher must be better")
        expect(np.isfinite(function(target[:1], right[:1])), "isn't finite for a single row")

    on_each_target(abilities, ROWS, check)


@kinds.ensemble.checked_by
def _ensemble(function: Callable[..., Any], abilities: Mapping[str, Any]) -> None:
    def check(drawn: Drawn) -> None:
        rng = np.random.default_rng(0)
        # Members that are each right in some rows, and somewhere between in others.
        shares = rng.random((4, ROWS, 1))
        table = shares * drawn.predictions + (1 - shares) * drawn.predictions[::-1]
        metric = registry.get("metric", METRICS[drawn.target.name]).function
        out = function(table, drawn.labels, metric, rng)(table[:, :5])
        expect(out.shape == (5, drawn.classes), f"a blend is {out.shape}, not (5, {drawn.classes})")
        _blends(out, table)

    on_each_target(abilities, ROWS, check)


def _blends(out: np.ndarray, table: np.ndarray) -> None:
    """What holds of all predictions of the members holds of a blend: they sum to 1, or lie in 0 to 1."""
    expect(bool(np.isfinite(out).all()), "a blend isn't finite")
    if np.allclose(table.sum(2), 1):
        expect(bool(np.allclose(out.sum(1), 1)), "a blend's rows must sum to 1")
    if table.min() >= 0 and table.max() <= 1:
        within = bool(((out >= -1e-6) & (out <= 1 + 1e-6)).all())
        expect(within, "a blend of probabilities leaves 0 to 1")


@kinds.tta.checked_by
def _tta(function: Callable[..., Any], abilities: Mapping[str, Any]) -> None:
    import torch

    torch.manual_seed(0)
    for rows, size in ((2, SIZE), (1, SIZE), (2, 33)):
        images = 255 * torch.rand(rows, 3, size, size)
        before = images.clone()
        views, again = function(images), function(images)
        expect(len(views) > 0, "gives no view")
        expect(torch.equal(images, before), "changes the images that it is given")
        for view, same in zip(views, again, strict=True):
            expect(view.shape == images.shape, f"{tuple(images.shape)} became {tuple(view.shape)}")
            expect(view.dtype == images.dtype, f"gives {view.dtype}, not {images.dtype}")
            expect(bool((view >= -1e-3).all() & (view <= 255 + 1e-3).all()), "leaves 0 to 255")
            expect(torch.equal(view, same), "the same images must give the same views")
    # An image that is brighter to the right shows who turns it round.
    ramp = torch.linspace(0, 255, SIZE).expand(1, 3, SIZE, SIZE)
    turned = any(bool(view[..., 0].mean() > view[..., -1].mean()) for view in function(ramp))
    expect(
        abilities["mirrors"] or not turned,
        "mirrors, though it declares mirrors=False: say @tta(mirrors=True)",
    )
