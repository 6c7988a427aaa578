"""Contract tests for plugins: `check(plugin)` runs one at its defaults and at every corner.

A user's own tests may call it; `automask plugins check FILE` does.
"""

from __future__ import annotations

import functools
import importlib.util
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from automask.contracts import data as data
from automask.contracts import training as training
from automask.errors import PluginError, UserError
from automask.space import registry, rules
from automask.space.kinds import KINDS, LOCAL, Plugin
from automask.space.recipe import CHOICES

#: Every corner of the ranges together, up to this many; beyond, one hyperparameter at a time.
CORNERS = 64


def check(plugin: Plugin) -> None:
    """Raise `PluginError` with a sentence where the plugin doesn't do what its kind promises."""
    check = KINDS[plugin.kind].check
    assert check is not None, f"no contract check of the kind {plugin.kind}"
    for params in corners(plugin):
        try:
            check(functools.partial(plugin.function, **params), plugin.abilities)
        except Exception as error:
            shown = ", ".join(f"{key}={value!r}" for key, value in params.items())
            detail = str(error) or f"a {type(error).__name__}"
            raise PluginError(
                f"{plugin.file}: {plugin.kind} '{plugin.name}' with ({shown}): {detail}"
            ) from error


def check_file(file: Path) -> list[Plugin]:
    """Load a plugin file from anywhere and check all plugins in it, which are returned."""
    registry.load()
    if not file.is_file():
        raise UserError(f"{file}: no such file")
    before = {id(p) for kind in KINDS.values() for p in kind.plugins.values()}
    here = [p for p in _all_plugins() if Path(p.file).absolute() == file.absolute()]
    if not here:
        name = f"{LOCAL}.{file.stem}"
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except UserError:
            raise
        except Exception as error:
            raise PluginError(
                f"{file}: can't be loaded: {type(error).__name__}: {error}"
            ) from error
        rules.check(KINDS, CHOICES)
        here = [p for p in _all_plugins() if id(p) not in before]
    if not here:
        raise UserError(f"{file}: registers no plugin")
    for plugin in here:
        check(plugin)
    return here


def corners(plugin: Plugin) -> Iterator[dict[str, Any]]:
    """Hyperparameters to try: the defaults, then the corners of the ranges."""
    yield plugin.defaults
    ranges: dict[str, list[Any]] = {
        key: list(range_.corners()) for key, range_ in plugin.ranges.items() if range_.corners()
    }
    if np.prod([len(values) for values in ranges.values()]) <= CORNERS:
        for corner in itertools.product(*ranges.values()):
            yield {**plugin.defaults, **dict(zip(ranges, corner, strict=True))}
        return
    for key, values in ranges.items():
        for value in values:
            yield {**plugin.defaults, key: value}


def _all_plugins() -> list[Plugin]:
    return [plugin for kind in KINDS.values() for plugin in kind.plugins.values()]
