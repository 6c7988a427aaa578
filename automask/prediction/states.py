"""Transforms and blends as plain values, and made again by none but the plugins that they are of."""

from __future__ import annotations

import dataclasses
import pkgutil
from collections.abc import Mapping
from typing import Any

import numpy as np

from automask.errors import UserError
from automask.space.kinds import Plugin
from automask.target import Target, from_json, to_json


def fields_of(value: Any) -> tuple[str, dict[str, Any], dict[str, np.ndarray]]:
    """A value's class by name, its fields that JSON can hold and those that are arrays.

    Raises `UserError` where it isn't a dataclass of such fields: nothing else can be handed on.
    """
    kind = type(value)
    name = f"{kind.__module__}:{kind.__qualname__}"
    if not dataclasses.is_dataclass(value):
        raise UserError(f"{name} isn't a dataclass, so that it can't be exported")
    plain: dict[str, Any] = {}
    arrays: dict[str, np.ndarray] = {}
    for field in dataclasses.fields(value):
        content = getattr(value, field.name)
        if isinstance(content, np.ndarray):
            arrays[field.name] = np.ascontiguousarray(content)
        elif isinstance(content, Target):
            plain[field.name] = to_json(content)
        elif isinstance(content, str | int | float | bool | None):
            plain[field.name] = content
        else:
            raise UserError(
                f"{name}: '{field.name}' is neither an array nor a number or text, so that it can't "
                "be exported"
            )
    return name, plain, arrays


def make(name: str, fields: Mapping[str, Any], plugin: Plugin) -> Any:
    """The value of that class, which the plugin's own package must define.

    Raises `UserError` for any other: a file could else have anything called.
    """
    module, _, _ = name.partition(":")
    own = plugin.function.__module__.rpartition(".")[0] or plugin.function.__module__
    refused = UserError(f"{name}: isn't of {plugin.kind} '{plugin.name}'")
    if module != own and not module.startswith(f"{own}."):
        raise refused
    try:
        kind = pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise refused from error
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
        raise refused
    targets = {k: from_json(v) for k, v in fields.items() if isinstance(v, Mapping) and "name" in v}
    try:
        return kind(**{**fields, **targets})
    except TypeError as error:
        raise UserError(f"{name}: {error}") from error
