"""The plugin door: how plugins are found, and asked for by kind and name.

Built-ins, other packages and the user's ``./plugins/*.py`` all come in as entry points of the group
``automask.plugins``. A file in ``./plugins`` stands nearest to the user: it may stand in for an
installed plugin of the same name, and listings say so. Any other duplicate is refused.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Mapping

from automask.errors import PluginError, UserError, did_you_mean
from automask.space import rules
from automask.space.kinds import KINDS, Plugin
from automask.space.recipe import CHOICES


@functools.cache
def load() -> None:
    """Import every plugin module. Raises `PluginError` naming the file of the first bad one."""
    # Slow to import, and a help page asks for no plugins.
    from importlib.metadata import entry_points

    found = entry_points(group="automask.plugins")
    # Built-ins first: the order of listings, and of a kind's default where nothing else says.
    for entry_point in sorted(found, key=lambda e: (e.name != "builtin", e.name, e.value)):
        try:
            entry_point.load()
        except UserError:
            raise
        except Exception as error:
            raise PluginError(
                f"{_innermost_file(error)}: can't be loaded: {type(error).__name__}: {error}"
            ) from error
    rules.check(KINDS, CHOICES)


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


def _innermost_file(error: BaseException) -> str:
    """The file to open: where a syntax error is, else the last frame that is not Python's own."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}"
    frames = inspect.getinnerframes(error.__traceback__) if error.__traceback__ else []
    mine = [frame for frame in frames if not frame.filename.startswith(("<frozen", sys.prefix))]
    return f"{mine[-1].filename}, line {mine[-1].lineno}" if mine else "a plugin"
