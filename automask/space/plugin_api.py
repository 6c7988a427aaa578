"""The version of what plugins are promised, and the refusal of a plugin that needs another.

A plugin file, or the ``__init__.py`` of a package, may say ``PLUGIN_API = 1``: what it was written for.
It is read from the text, so that a plugin of another version is refused before it fails at an import.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from automask.errors import PluginError

#: Raised by one where a plugin that kept its contract no longer would: docs/plugin-api.md.
PLUGIN_API = 1
#: The earliest version whose plugins still run.
OLDEST = 1
#: The parts of automask that plugins may import, and that change with `PLUGIN_API` alone.
STABLE = (
    "automask",
    "automask.errors",
    "automask.space.protocols",
    "automask.target",
    "automask.testing",
)


def is_stable(module: str) -> bool:
    """May plugins import that module of automask and trust that it stays?"""
    return module in STABLE


def mistakes(tree: ast.Module) -> Iterator[str]:
    """A sentence where a module's text names a version that this automask doesn't have."""
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="PLUGIN_API")], value=ast.Constant(value=version)):
                pass
            case ast.AnnAssign(target=ast.Name(id="PLUGIN_API"), value=ast.Constant(value=version)):
                pass
            case _:
                continue
        written = f"line {node.lineno}: is written for plugin API {version!r}"
        if not isinstance(version, int) or isinstance(version, bool):
            yield f"line {node.lineno}: PLUGIN_API = {version!r}: a whole number, such as {PLUGIN_API}"
        elif version > PLUGIN_API:
            yield (
                f"{written}, and this automask has {PLUGIN_API}: pip install --upgrade automask, or "
                "an earlier version of the plugin"
            )
        elif version < OLDEST:
            yield (
                f"{written}, and this automask begins at {OLDEST}: install a newer version of the "
                "plugin; docs/plugin-api.md says what changed"
            )


def refuse_other(file: Path) -> None:
    """Raise `PluginError` where a module says that it needs another version; nothing of it runs.

    A text that can't be read is left to whoever imports it.
    """
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    for sentence in mistakes(tree):
        raise PluginError(f"{file}, {sentence}")


def refuse_other_package(module: str) -> None:
    """The same of the package that an installed module is in, which isn't imported either."""
    spec = find_spec(module.partition(".")[0])
    if spec is not None and spec.origin is not None and spec.origin.endswith(".py"):
        refuse_other(Path(spec.origin))
