"""The plugins that there are, all of one, and a plugin file held to its promises."""

from __future__ import annotations

from pathlib import Path

from automask.api.projects import Folder, open_project
from automask.space import registry
from automask.space.plugin_descriptions import PluginDescription, describe_all, describe_named


def list_plugins(kind: str | None = None, folder: Folder = ".") -> list[PluginDescription]:
    """The plugins of a kind, or of all, with those of the project in `folder`.

    Raises `UserError` for an unknown kind, and where a plugin of the project can't be loaded.

    >>> [plugin.name for plugin in list_plugins("tta")]
    ['none', 'flip', 'multi_crop', 'multi_scale']
    """
    registry.load(open_project(folder))
    return describe_all(kind)


def show_plugin(name: str, folder: Folder = ".") -> list[PluginDescription]:
    """The plugins of that name, such as `focal` or `loss.focal`; `print` one to read all of it.

    Raises `UserError` with a suggestion where there is none.

    >>> [plugin.kind for plugin in show_plugin("focal")]
    ['loss']
    """
    registry.load(open_project(folder))
    return describe_named(name)


def check_plugins(file: str | Path, folder: Folder = ".") -> list[PluginDescription]:
    """Hold the plugins of a file to what their kinds promise, at every corner of their ranges.

    Returns them; raises `PluginError` with a sentence for the first that doesn't keep its contract.
    """
    from automask import testing

    registry.load(open_project(folder))
    return list(map(PluginDescription, testing.check_file(Path(file))))
