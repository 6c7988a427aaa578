"""What an exported model consists of, as `model.json` has it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from automask import target
from automask.data.labels import Attributes
from automask.errors import UserError
from automask.space.recipe import Choice
from automask.storage.files import read_json
from automask.target import Target

#: One more than before whenever older versions couldn't read what this one writes.
FORMAT = 2


class Part(BaseModel):
    """One value of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PluginName(Part):
    """A plugin with its hyperparameters, and where it is to be had."""

    name: str
    params: dict[str, Any] = {}
    origin: str = "built in"

    @property
    def choice(self) -> Choice:
        return Choice(self.name, self.params)


class Answers(Part):
    """What is predicted: the target, as `automask.target` has it as JSON, and the classes."""

    target: dict[str, Any]
    names: list[str]
    values: list[list[str]]
    classes: list[list[int]]

    @classmethod
    def of(cls, kind: Target, attributes: Attributes) -> Answers:
        return cls(
            target=target.to_json(kind),
            names=list(attributes.names),
            values=[list(values) for values in attributes.values],
            classes=attributes.classes.tolist(),
        )

    @property
    def kind(self) -> Target:
        return target.from_json(self.target)

    @property
    def attributes(self) -> Attributes:
        values = tuple(tuple(texts) for texts in self.values)
        return Attributes(tuple(self.names), values, np.array(self.classes, np.int64))


class Input(Part):
    """A way in which images become squares: prepared, resized to `large` pixels a side, then to `size`.

    The `state` is a preprocessing's transform, as `automask.data.preprocessing.to_json` has it.
    """

    resize: PluginName
    large: int
    size: int
    preprocessing: PluginName
    state: dict[str, Any] | None = None


class Trunk(Part):
    """A backbone with its weights, which reads one of the inputs and whose features heads share."""

    input: int
    backbone: PluginName
    mean: list[float]
    std: list[float]
    weights: str


class Fold(Part):
    """A fold's network: a trunk, and the weights of the head on it."""

    trunk: int
    head: str


class MemberPart(Part):
    """A trial: its recipe, and a network a fold, whose predictions are averaged."""

    trial: int
    recipe: dict[str, Any]
    head: PluginName
    score: float
    weight: float | None
    folds: list[Fold]


class Blend(Part):
    """The class that blends members, and its fields; those that are arrays are named here and lie in a
    file of their own."""

    method: PluginName
    kind: str
    fields: dict[str, Any]
    arrays: list[str]


class Rejection(Part):
    """How sure rows (or things, with all of their pictures) were, from the surest on, and the share that
    was right of all up to there: rows that were predicted by a blend chosen without them."""

    confidence: list[float]
    precision: list[float]
    answered: list[float]


class Contents(Part):
    """The whole file; `pooled` where it was scored on things with all of their pictures."""

    format: int
    automask: str
    study: str
    metric: str
    score: list[float]
    answers: Answers
    depth: dict[str, Any]
    inputs: list[Input]
    trunks: list[Trunk]
    members: list[MemberPart]
    view: PluginName
    blend: Blend
    shift: list[float] | None
    temperature: float | None
    rejection: Rejection | None
    pooled: bool = False
    plugins: list[str]
    versions: dict[str, str]

    def plugin_names(self) -> Iterator[tuple[str, PluginName]]:
        """The kind and name of every plugin that predicts, some of them twice."""
        yield "tta", self.view
        yield "ensemble", self.blend.method
        for source in self.inputs:
            yield "resize", source.resize
            yield "preprocessing", source.preprocessing
        for trunk in self.trunks:
            yield "backbone", trunk.backbone
        for member in self.members:
            yield "head", member.head


def read_contents(file: Path) -> Contents:
    """What the file says. Raises `UserError` where a newer automask wrote it, or something else."""
    table: Mapping[str, Any] = read_json(file)
    form = table.get("format") if isinstance(table, dict) else None
    if isinstance(form, int) and form > FORMAT:
        raise UserError(
            f"{file}: was written by automask {table.get('automask')}, in format {form}; this one "
            f"reads formats up to {FORMAT}: pip install --upgrade automask"
        )
    try:
        return Contents.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(f"{file}: isn't as automask writes it: {where}: {first['msg']}") from error
