"""Pipelines of albumentations: one that ships, a file that it saved, or its transforms by name.

A text names one: ``strong``, ``mine.json`` (or YAML), or transforms in their order, such as
``RandomResizedCrop, CLAHE``. The parameters of the latter are hyperparameters like any other, by names
such as ``CLAHE.p``. A file's digest becomes part of its text, ``mine.json#0123456789ab``, so that a
recipe means one content and a study notices another.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automask.errors import UserError, did_you_mean
from automask.space.ranges import Categorical, Float, Int, Range
from automask.storage.files import file_digest
from automask.training.image_transforms import (
    CLASS,
    Node,
    build,
    check,
    compose,
    names,
    near,
    parameters,
)

#: OpenCV's BORDER_REFLECT_101.
REFLECT = 4
SHIPPED: dict[str, tuple[Node, ...]] = {
    "geometric": (
        {
            CLASS: "Affine",
            "rotate": (-20, 20),
            "scale": (0.85, 1.15),
            "shear": (-8, 8),
            "translate_percent": (-0.08, 0.08),
            "border_mode": REFLECT,
            "p": 0.9,
        },
        {CLASS: "Perspective", "scale": (0.02, 0.08), "border_mode": REFLECT, "p": 0.3},
        {CLASS: "GridDistortion", "distort_limit": (-0.2, 0.2), "border_mode": REFLECT, "p": 0.2},
    ),
    "photometric": (
        {CLASS: "RandomBrightnessContrast", "p": 0.7},
        {CLASS: "HueSaturationValue", "p": 0.5},
        {CLASS: "RandomGamma", "gamma_limit": (70, 140), "p": 0.3},
        {CLASS: "CLAHE", "clip_limit": (1, 3), "p": 0.2},
        {CLASS: "GaussNoise", "std_range": (0.02, 0.08), "p": 0.2},
        {CLASS: "GaussianBlur", "blur_limit": 0, "sigma_limit": (0.3, 1.2), "p": 0.2},
        {CLASS: "ImageCompression", "quality_range": (50, 95), "p": 0.2},
    ),
    "strong": (
        {CLASS: "RandomResizedCrop", "scale": (0.5, 1.0), "p": 1.0},
        {CLASS: "RandomBrightnessContrast", "p": 0.6},
        {CLASS: "HueSaturationValue", "p": 0.5},
        {CLASS: "CLAHE", "clip_limit": (1, 3), "p": 0.3},
        {
            CLASS: "CoarseDropout",
            "num_holes_range": (1, 4),
            "hole_height_range": (0.1, 0.25),
            "hole_width_range": (0.1, 0.25),
            "p": 0.5,
        },
    ),
}
FILES = (".json", ".yaml", ".yml")


@dataclass(frozen=True)
class Pipeline:
    """A pipeline for one image, which draws all of its numbers from one stream."""

    compose: Any

    def set_random_seed(self, seed: int) -> None:
        """Begin the stream. albumentations' own way gives each transform the same numbers, so that
        those of one probability would all apply, or none."""
        import numpy as np

        self.compose.set_random_state(np.random.default_rng(seed), random.Random(seed))

    def __call__(self, *, image: Any) -> dict[str, Any]:
        """uint8 `[S, S, 3]` under ``image``, from the same."""
        result: dict[str, Any] = self.compose(image=image)
        return result


def pipeline(text: str, image_size: int, flip: bool, params: Mapping[str, Any]) -> Pipeline:
    """The pipeline that `text` names; `params` are those of its transforms, as ``CLAHE.p``.

    `flip` mirrors half of the images beforehand. Raises `UserError` where there is no such pipeline, or
    where its file has another content than the text says.
    """
    nodes = list(_nodes(text, params))
    if flip:
        nodes.insert(0, {CLASS: "HorizontalFlip", "p": 0.5})
    try:
        return Pipeline(compose([build(node, image_size) for node in nodes]))
    except ValueError as error:
        raise UserError(f"the pipeline '{text}': {error}") from error


def open_ranges(
    ranges: Mapping[str, Range], tables: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, Range], list[str]]:
    """The plugin's ranges with those that `tables`, by the names of transforms, add; and what is wrong
    with its pipelines or these, a sentence each.

    Everything is tried: each file, and each transform at the ends of its ranges.
    """
    mistakes: list[str] = []
    texts: list[str] = []
    transforms: list[str] = []
    for text in map(str, ranges["pipeline"].corners()):
        try:
            texts.append(_canonical(text))
            transforms += [] if _is_whole(text) else texts[-1].split(", ")
        except (ValueError, UserError) as error:
            mistakes.append(f"pipeline: {error}")
    every = dict(ranges)
    for name, table in tables.items():
        if name not in transforms:
            mistakes.append(
                f"{name}: no pipeline lists that transform{did_you_mean(name, transforms)}"
            )
        if name not in transforms or name not in names():
            continue
        for key, wanted in table.items():
            try:
                every[f"{name}.{key}"] = _range(name, key, wanted)
            except ValueError as error:
                mistakes.append(f"{name}.{key}: {error}")
    for name in dict.fromkeys(transforms):
        mistakes += _refusals(name, tables.get(name, {}), every)
    if texts:
        every["pipeline"] = Categorical(*dict.fromkeys(texts))
    return every, mistakes


def _refusals(name: str, table: Mapping[str, Any], ranges: Mapping[str, Range]) -> Iterator[str]:
    """A sentence where a transform can't be had with its first values, or with another one's corner."""
    own = {key: ranges[f"{name}.{key}"].corners() for key in table if f"{name}.{key}" in ranges}
    first = {key: corners[0] for key, corners in own.items()}
    try:
        check([_node(name, first)])
    except ValueError as error:
        yield f"{name}: {error}"
        return
    for key, corners in own.items():
        for corner in corners[1:]:
            try:
                check([_node(name, {**first, key: corner})])
            except ValueError as error:
                yield f"{name}.{key}: {error}"


def _is_whole(text: str) -> bool:
    """Does it name a pipeline rather than transforms?"""
    return text in SHIPPED or text.partition("#")[0].endswith(FILES)


def _canonical(text: str) -> str:
    """The text as recipes have it: a file with its digest, transforms with a comma between."""
    if text in SHIPPED:
        return text
    if not _is_whole(text):
        transforms = [name.strip() for name in text.split(",")]
        if len(transforms) == 1 and text not in names():
            suggestion = near(text, [*SHIPPED, *names()])
            raise ValueError(f"there is no pipeline or transform '{text}'{suggestion}")
        return ", ".join(transforms)
    nodes = _read(text)
    try:
        check(nodes)
    except ValueError as error:
        raise ValueError(f"{text}: {error}") from error
    path = text.partition("#")[0]
    return f"{path}#{file_digest(Path(path))[:12]}"


def _nodes(text: str, params: Mapping[str, Any]) -> Sequence[Node]:
    if text in SHIPPED:
        return SHIPPED[text]
    if _is_whole(text):
        return _read(text)
    return [
        _node(
            name,
            {key.partition(".")[2]: v for key, v in params.items() if key.startswith(f"{name}.")},
        )
        for name in text.split(", ")
    ]


def _node(name: str, params: Mapping[str, Any]) -> Node:
    return {CLASS: name, **{key: _value(value) for key, value in params.items()}}


def _read(text: str) -> Sequence[Node]:
    """The transforms in a file, which must have the digest that the text has, if it has one."""
    name, _, expected = text.partition("#")
    path = Path(name)
    if not path.is_file():
        raise UserError(f"{path}: no such file; albumentations.save writes one")
    if expected and not file_digest(path).startswith(expected):
        raise UserError(
            f"{path} has changed since the recipe was made, with {expected} as its digest: put it back, "
            "or give the new content another name"
        )
    import yaml

    try:
        content = path.read_text("utf-8")
        whole = json.loads(content) if path.suffix == ".json" else yaml.safe_load(content)
    except (ValueError, yaml.YAMLError) as error:
        why = str(error).splitlines()[0]
        raise UserError(f"{path}: isn't {path.suffix[1:].upper()}: {why}") from error
    node = whole.get("transform") if isinstance(whole, dict) else None
    if not isinstance(node, dict) or CLASS not in node:
        raise UserError(f"{path}: isn't a pipeline that albumentations.save wrote")
    return [node]


def _range(name: str, key: str, wanted: Any) -> Range:
    """The range that a space gives a transform's parameter; a list inside of a list, such as a pair, is
    a text of JSON."""
    annotation = str(parameters(name, [key])[key].annotation)
    if isinstance(wanted, dict):
        if set(wanted) != {"low", "high"}:
            raise ValueError("a range is written {low = …, high = …}")
        ends = wanted["low"], wanted["high"]
        if any(isinstance(end, bool) or not isinstance(end, int | float) for end in ends):
            raise ValueError("a range is of numbers")
        whole = all(isinstance(end, int) for end in ends) and "int" in annotation
        return Int(*ends) if whole else Float(float(ends[0]), float(ends[1]))
    choices = wanted if isinstance(wanted, list) else [wanted]
    if not choices:
        raise ValueError("an empty list leaves nothing to choose from")
    return Categorical(
        *(json.dumps(one, default=str) if isinstance(one, list) else one for one in choices)
    )


def _value(value: Any) -> Any:
    """A parameter as albumentations has it."""
    if not isinstance(value, str) or not value.startswith("["):
        return value
    try:
        return tuple(tuple(v) if isinstance(v, list) else v for v in json.loads(value))
    except ValueError:
        return value
