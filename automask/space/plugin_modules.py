"""Importing plugin modules, and a project's loose ones in place of another project's."""

from __future__ import annotations

import functools
import importlib
import inspect
import multiprocessing
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from automask.errors import PluginError, UserError
from automask.listener import is_heard, note
from automask.space import plugin_api, rules
from automask.space.kinds import KINDS, LOCAL, Plugin, is_local, within_local
from automask.space.recipe import CHOICES
from automask.space.rules import Rule
from automask.storage.project import active


@dataclass(frozen=True)
class _Loose:
    """The loose plugins of a project: their modules by name, and what these registered."""

    modules: dict[str, ModuleType]
    plugins: list[Plugin]
    rules: list[Rule]


_local: Path | None = None  # the folder whose plugins are those of `automask.local`
_aside: dict[Path, _Loose] = {}  # those of other folders


def load_loose(folder: Path) -> None:
    """Import a project's folder of plugins, once, and have no other project's.

    A folder with an ``__init__.py`` is somebody's package, not loose plugins: it is left alone.
    """
    global _local
    if folder == _local:
        return
    removed, before = _remove(), _local
    _local = None
    if before is not None:
        _aside[before] = removed
    package = importlib.import_module(LOCAL)
    exists = folder.is_dir() and not (folder / "__init__.py").exists()
    package.__path__ = [str(folder)] if exists else []
    importlib.invalidate_caches()
    if folder in _aside:
        _put_back(_aside.pop(folder))
    else:
        try:
            files = sorted(folder.glob("*.py")) if exists else []
            if files:
                names = ", ".join(file.name for file in files)
                _announce(f"runs the plugins of this project, in {active().short(folder)}: {names}")
            for file in files:
                plugin_api.refuse_other(file)
                run(functools.partial(importlib.import_module, f"{LOCAL}.{file.stem}"))
            rules.check(KINDS, CHOICES)
        except BaseException:
            _remove()
            raise
    _local = folder


def _announce(text: str) -> None:
    """Say it to whoever listens, else on standard error: no project's code runs unannounced.

    A worker leaves it to the process that began it.
    """
    if multiprocessing.parent_process() is not None:
        return
    if is_heard():
        note(text)
    else:
        print(f"note: {text}", file=sys.stderr)


def _remove() -> _Loose:
    modules = {name: module for name, module in sys.modules.items() if within_local(name)}
    for name in modules:
        vars(sys.modules[LOCAL]).pop(name.removeprefix(f"{LOCAL}."), None)
        del sys.modules[name]
    plugins = [p for kind in KINDS.values() for p in kind.plugins.values() if is_local(p)]
    for plugin in plugins:
        if plugin.replaces:
            KINDS[plugin.kind].plugins[plugin.name] = plugin.replaces
        else:
            del KINDS[plugin.kind].plugins[plugin.name]
    own = [rule for rule in rules.RULES if within_local(rule.module)]
    rules.RULES[:] = [rule for rule in rules.RULES if rule not in own]
    return _Loose(modules, plugins, own)


def _put_back(loose: _Loose) -> None:
    """Modules stay the same objects: of their classes there may be values, which workers are sent."""
    sys.modules.update(loose.modules)
    for name, module in loose.modules.items():
        vars(sys.modules[LOCAL])[name.removeprefix(f"{LOCAL}.")] = module
    for plugin in loose.plugins:
        KINDS[plugin.kind].plugins[plugin.name] = plugin
    rules.RULES.extend(loose.rules)


def loose_files(names: Iterable[str]) -> list[Path]:
    """The files of those loose modules and of the loose ones that they import from."""
    waiting, files = [name for name in names if within_local(name)], dict[str, Path]()
    while waiting:
        name = waiting.pop()
        module = sys.modules[name]
        if name in files or module.__file__ is None:
            continue
        files[name] = Path(module.__file__)
        for value in vars(module).values():
            other = getattr(value, "__module__", None) or getattr(value, "__name__", None)
            if isinstance(other, str) and other in sys.modules and within_local(other):
                waiting.append(other)
    return sorted(files.values())


def run(module: Callable[[], object]) -> None:
    """Call what imports a plugin module; its errors are told as the plugin's."""
    try:
        module()
    except UserError:
        raise
    except Exception as error:
        raise PluginError(
            f"{_innermost_file(error)}: can't be loaded: {type(error).__name__}: {error}"
        ) from error


def _innermost_file(error: BaseException) -> str:
    """The file to open: where a syntax error is, else the last frame that is not Python's own."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}"
    frames = inspect.getinnerframes(error.__traceback__) if error.__traceback__ else []
    mine = [frame for frame in frames if not frame.filename.startswith(("<frozen", sys.prefix))]
    return f"{mine[-1].filename}, line {mine[-1].lineno}" if mine else "a plugin"
