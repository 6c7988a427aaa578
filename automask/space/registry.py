"""The plugin door: kinds, the decorators that register a plugin, and how plugins are found.

Built-ins and other packages come in as entry points of the group ``automask.plugins``, after them the
``plugins/*.py`` of a project, which stand nearest to the user: one may stand in for an installed plugin
of the same name, and listings say so. Any other duplicate is refused.

Installed plugins are the same for all projects. Of loose ones a process has those of one project at a
time, the last that `load` was given: whoever goes on with another project loads that one again first.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from automask.errors import PluginError, UserError, did_you_mean
from automask.space.kinds import KINDS, LOCAL, Plugin, is_local
from automask.storage.project import Project, activate

_local: Path | None = None  # the folder whose plugins are loaded as `automask.local.*`


def load(project: Project | None = None) -> None:
    """Import every plugin module; with a project its own too, in place of another project's.

    A project's are imported once, until another's replace them. Without a project all stay as they are.
    Raises `PluginError` naming the file of the first bad one.
    """
    if project is not None:
        activate(project)
    _load_installed()
    if project is not None and project.plugins.absolute() != _local:
        _load_local(project.plugins.absolute())


@functools.cache
def _load_installed() -> None:
    # Slow to import, and a help page asks for no plugins.
    from importlib.metadata import entry_points

    from automask.space import rules

    found = entry_points(group="automask.plugins")
    # Built-ins first: the order of listings, and of a kind's default where nothing else says.
    for entry_point in sorted(found, key=lambda e: (e.name != "builtin", e.name, e.value)):
        _import(entry_point.load)
    rules.check()


def _load_local(folder: Path) -> None:
    """The plugins in a project's folder, and no other project's.

    A folder with an ``__init__.py`` is somebody's package, not loose plugins: it is left alone.
    """
    global _local

    from automask.space import rules

    _forget_local()
    package = importlib.import_module(LOCAL)
    loose = folder.is_dir() and not (folder / "__init__.py").exists()
    package.__path__ = [str(folder)] if loose else []
    importlib.invalidate_caches()
    try:
        for file in sorted(folder.glob("*.py")) if loose else ():
            _import(functools.partial(importlib.import_module, f"{LOCAL}.{file.stem}"))
        rules.check()
    except BaseException:
        _forget_local()
        raise
    _local = folder


def _forget_local() -> None:
    global _local

    from automask.space import rules

    _local = None
    for kind in KINDS.values():
        for name, plugin in list(kind.plugins.items()):
            if is_local(plugin) and plugin.replaces:
                kind.plugins[name] = plugin.replaces
            elif is_local(plugin):
                del kind.plugins[name]
    rules.RULES[:] = [rule for rule in rules.RULES if not within_local(rule.module)]
    for module in filter(within_local, list(sys.modules)):
        vars(sys.modules[LOCAL]).pop(module.removeprefix(f"{LOCAL}."), None)
        del sys.modules[module]


def _import(module: Callable[[], object]) -> None:
    """Call what imports a plugin module; its errors are told as the plugin's."""
    try:
        module()
    except UserError:
        raise
    except Exception as error:
        raise PluginError(
            f"{_innermost_file(error)}: can't be loaded: {type(error).__name__}: {error}"
        ) from error


def plugins(kind: str) -> Mapping[str, Plugin]:
    """All plugins of a kind by name."""
    load()
    return KINDS[kind].plugins


def get(kind: str, name: str) -> Plugin:
    """The plugin of that kind and name; an unknown one is a `UserError` with a suggestion."""
    known = plugins(kind)
    if name not in known:
        raise UserError(f"unknown {kind} '{name}'{did_you_mean(name, known)}")
    return known[name]


def within_local(module: str) -> bool:
    return module.startswith(f"{LOCAL}.")


def _innermost_file(error: BaseException) -> str:
    """The file to open: where a syntax error is, else the last frame that is not Python's own."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}"
    frames = inspect.getinnerframes(error.__traceback__) if error.__traceback__ else []
    mine = [frame for frame in frames if not frame.filename.startswith(("<frozen", sys.prefix))]
    return f"{mine[-1].filename}, line {mine[-1].lineno}" if mine else "a plugin"
