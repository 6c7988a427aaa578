"""The user's own plugins: every ``*.py`` in ``./plugins`` where the command is run.

A ``plugins`` folder with an ``__init__.py`` is somebody's package, not loose plugins: it is left
alone. The modules become ``automask.local.<name>``, so that spawned workers import them alike.
"""

from __future__ import annotations

import importlib
from pathlib import Path

FOLDER = Path.cwd() / "plugins"
__path__ = [str(FOLDER)] if FOLDER.is_dir() and not (FOLDER / "__init__.py").exists() else []


for _file in sorted(file for folder in __path__ for file in Path(folder).glob("*.py")):
    importlib.import_module(f"{__name__}.{_file.stem}")
