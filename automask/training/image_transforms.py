"""Transforms of albumentations: made of what its files say, tried, and refused with a sentence."""

from __future__ import annotations

import functools
import inspect
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from automask.errors import did_you_mean

#: A transform as albumentations writes it to a file: its class's name under `CLASS`, and parameters.
Node = Mapping[str, Any]
CLASS = "__class_fullname__"
#: What a transform needs that a training image doesn't come with.
NEEDS = {
    "MaskDropout": "masks",
    "CropNonEmptyMaskIfExists": "masks",
    "ConstrainedCoarseDropout": "masks or boxes",
    "AtLeastOneBBoxRandomCrop": "boxes",
    "BBoxSafeRandomCrop": "boxes",
    "RandomSizedBBoxSafeCrop": "boxes",
    "RandomCropNearBBox": "boxes",
    "FDA": "other images",
    "HistogramMatching": "other images",
    "PixelDistributionAdaptation": "other images",
    "Mosaic": "other images",
    "OverlayElements": "other images",
    "TextImage": "texts",
    "Lambda": "a function",
}
NORMALISING = ("Normalize", "ToFloat", "FromFloat", "ToTensorV2", "ToTensor3D")
#: Edges in pixels at which transforms are tried; one that makes images of a fixed size fails at one.
TRIED = (160, 224)


def check(nodes: Sequence[Node]) -> None:
    """Raise `ValueError` with a sentence where a transform can't be had, or changes the image's shape
    or type. Each is tried on its own, whatever its probability."""
    import numpy as np

    for size in TRIED:
        image = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
        for transform in (leaf for node in nodes for leaf in _leaves(build(node, size))):
            name = type(transform).__name__
            transform.set_random_seed(0)
            try:
                with _quiet():
                    out = transform(image=image.copy(), force_apply=True)["image"]
            except Exception as error:
                why = (str(error) or type(error).__name__).splitlines()[0]
                raise ValueError(f"{name} fails on an image of {size}×{size} px: {why}") from error
            if out.shape != image.shape:
                raise ValueError(
                    f"{name} makes {'×'.join(map(str, out.shape))} of an image of {size}×{size}×3, and "
                    "the network's images keep their shape; leave it out"
                )
            if out.dtype != np.uint8:
                raise ValueError(f"{name} makes {out.dtype} of uint8; leave it out")


def build(node: Node, image_size: int) -> Any:
    """albumentations' transform, or several in a OneOf or the like; a `size` is that of the network.

    Raises `ValueError` with a sentence where it is none that works on images alone, or hasn't these
    parameters.
    """
    if not isinstance(node, Mapping):
        raise ValueError(f"has {node!r} where a transform is to be")
    arguments = dict(node)
    name = str(arguments.pop(CLASS, "")).rpartition(".")[2]
    if isinstance(arguments.get("transforms"), list):
        return _container(name, arguments, image_size)
    _refuse(name)
    offered = parameters(name)
    own = {key: value for key, value in arguments.items() if key in offered}
    if "size" in offered:
        own["size"] = (image_size, image_size)
    # Without it, some mistakes are but warned of.
    strict = {"strict": True} if "InitSchema" in vars(names()[name]) else {}
    made = _call(name, names()[name], {**own, **strict})
    # Files have what a class below wrote of the one above it, which its constructor doesn't take.
    if beyond := arguments.keys() - offered - made.to_dict_private().keys():
        parameters(name, sorted(beyond))
    return made


def _container(name: str, arguments: dict[str, Any], image_size: int) -> Any:
    containers = {n: c for n, c in _classes("BaseCompose").items() if n != "ReplayCompose"}
    if name not in containers:
        raise ValueError(f"'{name}' can't hold transforms here{did_you_mean(name, containers)}")
    if arguments.get("bbox_params") or arguments.get("keypoint_params"):
        raise ValueError(f"{name} needs boxes or keypoints, and there are images alone")
    inner = [build(node, image_size) for node in arguments["transforms"]]
    return _call(name, containers[name], {**arguments, "transforms": inner})


def _call(name: str, make: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    try:
        with _quiet():
            return make(**arguments)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name} {_why(error)}") from error


def compose(transforms: Sequence[Any]) -> Any:
    """Transforms one after the other."""
    return _library().Compose(transforms)


def names() -> Mapping[str, Any]:
    """The classes of albumentations' transforms by name."""
    return _classes("BasicTransform")


def parameters(name: str, keys: Iterable[str] = ()) -> Mapping[str, inspect.Parameter]:
    """Those of a transform. Raises `ValueError` where one of `keys` isn't among them."""
    signature = inspect.signature(names()[name].__init__).parameters
    offered = {key: signature[key] for key in signature if key not in ("self", "strict")}
    for key in keys:
        if key not in offered:
            raise ValueError(f"{name} has no parameter '{key}'{did_you_mean(key, offered)}")
    return offered


def near(name: str, offered: Iterable[str]) -> str:
    """The suggestion where one is near; there are too many to list."""
    suggestion = did_you_mean(name, offered)
    return suggestion if suggestion.startswith(":") else ""


def _refuse(name: str) -> None:
    """Raise `ValueError` where a transform is unknown, or none for images alone."""
    if name not in names():
        raise ValueError(f"albumentations has no transform '{name}'{near(name, names())}")
    if name in NORMALISING:
        raise ValueError(
            f"{name} makes no uint8 image; leave it out: automask normalises itself, as the network's "
            "weights want it"
        )
    needs = "volumes" if issubclass(names()[name], _library().Transform3D) else NEEDS.get(name)
    if needs:
        raise ValueError(f"{name} needs {needs}, and there are images alone; leave it out")


def _why(error: Exception) -> str:
    """What is wrong with a transform's parameters, in one sentence."""
    from pydantic import ValidationError

    cause = error.__cause__
    if not isinstance(cause, ValidationError):
        return f"can't be had: {str(error).splitlines()[0]}"
    first = cause.errors()[0]
    reason = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:
        return f"refuses its parameters: {reason}"
    if first["type"] == "missing":
        return f"needs a value for {first['loc'][0]}"
    hint = "; a pair is written [[low, high]], as a list gives choices" * ("tuple" in first["type"])
    return f"refuses {first['loc'][0]} = {first['input']!r}: {reason}{hint}"


def _leaves(transform: Any) -> Iterator[Any]:
    if isinstance(transform, _library().BaseCompose):
        for inner in transform.transforms:
            yield from _leaves(inner)
    else:
        yield transform


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@functools.cache
def _classes(base: str) -> Mapping[str, Any]:
    """The classes of albumentations below that one, by name."""
    library = _library()
    abstract = {base, "ImageOnlyTransform", "DualTransform", "Transform3D"}
    classes = {n: c for n, c in vars(library).items() if isinstance(c, type) and n not in abstract}
    return {n: c for n, c in classes.items() if issubclass(c, getattr(library, base))}


@functools.cache
def _library() -> ModuleType:
    """albumentations, which unless told not to asks the network for a newer version of itself."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    import albumentations

    library: ModuleType = albumentations
    return library
