"""The loose plugins of a project, as modules ``automask.local.NAME`` that spawned workers import alike.

`registry.load` says whose they are, and imports them. Nothing else may be named here.
"""

from __future__ import annotations

__path__: list[str] = []
