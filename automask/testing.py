"""Contract tests for plugins: `check(plugin)` runs one at its defaults and at every corner.

`check_file` and `check_package` check all of a file's or a package's, its text before anything of it
runs. An author's own tests may call them; `automask plugins check FILE|PACKAGE` does.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
import itertools
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from automask.contracts import data as data
from automask.contracts import training as training
from automask.contracts.packages import find_package
from automask.contracts.source import check_source
from automask.errors import PluginError, UserError
from automask.listener import note
from automask.space import plugin_modules, registry, rules
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
                f"{plugin.file}: {plugin.kind} '{plugin.name}' with ({shown}): {detail}\n"
                f"  what every {plugin.kind} promises: {_promise(plugin.kind)}"
            ) from error


def check_file(file: Path) -> list[Plugin]:
    """Check a plugin file from anywhere; the plugins in it."""
    plugins = load_file(file)
    for plugin in plugins:
        check(plugin)
    return plugins


def load_file(file: Path) -> list[Plugin]:
    """The plugins of a file from anywhere.

    Nothing of it runs where its text has mistakes, which one `PluginError` tells.
    """
    _hint(check_source(file))
    registry.load()
    before = {id(plugin) for plugin in _all_plugins()}
    here = [p for p in _all_plugins() if Path(p.file).absolute() == file.absolute()]
    if not here:
        name = f"{LOCAL}.{file.stem}"
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        plugin_modules.run(functools.partial(spec.loader.exec_module, module))
        rules.check(KINDS, CHOICES)
        here = [p for p in _all_plugins() if id(p) not in before]
    if not here:
        raise UserError(
            f"{file}: registers no plugin: none of its functions has a decorator such as @loss(); "
            "automask plugins new KIND NAME writes a file that has one"
        )
    return here


def check_package(name: str) -> list[Plugin]:
    """Check a package of plugins, by the name that pip has or the folder of its pyproject.toml.

    Its texts come first: nothing of it runs where these have mistakes.
    """
    package = find_package(name)
    for file in package.files():
        _hint(check_source(file, alone=False))
    if folder := package.import_folder():
        sys.path.insert(0, str(folder.absolute()))
    registry.load()
    for module in package.modules:
        plugin_modules.run(functools.partial(importlib.import_module, module))
    rules.check(KINDS, CHOICES)
    here = [
        plugin
        for plugin in _all_plugins()
        if plugin.function.__module__.partition(".")[0] in package.tops
    ]
    if not here:
        raise UserError(f"package {package.name}: registers no plugin")
    for plugin in here:
        check(plugin)
    return here


def _hint(sentences: Iterable[str]) -> None:
    for sentence in sentences:
        note(sentence)


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


def _promise(kind: str) -> str:
    """The first paragraph of what the kind's protocol says, as a line."""
    return " ".join((inspect.getdoc(KINDS[kind].protocol) or "").partition("\n\n")[0].split())


def _all_plugins() -> list[Plugin]:
    return [plugin for kind in KINDS.values() for plugin in kind.plugins.values()]
