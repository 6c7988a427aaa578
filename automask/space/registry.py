"""The plugin door: how plugins are found, and asked for by kind and name.

Built-ins and other packages come in as entry points of the group ``automask.plugins``, after them the
``plugins/*.py`` of a project, which stand nearest to the user: one may stand in for an installed plugin
of the same name, and listings say so. Any other duplicate is refused.

Installed plugins are the same for all projects. Of loose ones a process has those of one project at a
time, the last that `load` was given: whoever goes on with another project loads that one again first.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

from automask.errors import UserError, did_you_mean
from automask.space import plugin_api, plugin_modules, rules
from automask.space.kinds import KINDS, Plugin
from automask.space.recipe import CHOICES
from automask.storage.project import Project, activate


def load(project: Project | None = None) -> None:
    """Import every plugin module; with a project its own too, in place of another project's.

    A project's are imported once, until another's replace them. Without a project all stay as they are.
    Raises `PluginError` naming the file of the first bad one.
    """
    if project is not None:
        activate(project)
    _load_installed()
    if project is not None:
        plugin_modules.load_loose(project.plugins.absolute())


@functools.cache
def _load_installed() -> None:
    # Slow to import, and a help page asks for no plugins.
    from importlib.metadata import entry_points

    installed = entry_points(group="automask.plugins")
    # Built-ins first: the order of listings, and of a kind's default where nothing else says.
    for entry_point in sorted(installed, key=lambda e: (e.name != "builtin", e.name, e.value)):
        if entry_point.module.partition(".")[0] != "automask":
            plugin_api.refuse_other_package(entry_point.module)
        plugin_modules.run(entry_point.load)
    rules.check(KINDS, CHOICES)


def plugins(kind: str) -> Mapping[str, Plugin]:
    """All plugins of a kind by name."""
    load()
    return KINDS[kind].plugins


def get(kind: str, name: str) -> Plugin:
    """The plugin of that kind and name; an unknown one is a `UserError` with a suggestion."""
    offered = plugins(kind)
    if name not in offered:
        raise UserError(f"unknown {kind} '{name}'{did_you_mean(name, offered)}")
    return offered[name]
