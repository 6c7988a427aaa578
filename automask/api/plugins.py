"""The plugins that there are, all of one, one begun, and a file or package held to its promises."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from automask.api.projects import Folder, open_project
from automask.errors import UserError
from automask.space import registry
from automask.space.plugin_descriptions import PluginDescription, describe_all, describe_named

if TYPE_CHECKING:
    from automask.hpo.plugin_record import PluginRecord


def list_plugins(kind: str | None = None, folder: Folder = ".") -> list[PluginDescription]:
    """The plugins of a kind, or of all, with those of the project in `folder`.

    Raises `UserError` for an unknown kind, and where a plugin of the project can't be loaded.

    Examples:
        >>> [plugin.name for plugin in list_plugins("tta")]
        ['none', 'flip', 'multi_crop', 'multi_scale']
    """
    registry.load(open_project(folder))
    return describe_all(kind)


def show_plugin(name: str, folder: Folder = ".") -> list[PluginDescription]:
    """The plugins of that name, such as `focal` or `loss.focal`; `print` one to read all of it.

    Raises `UserError` with a suggestion where there is none.

    Examples:
        >>> [plugin.kind for plugin in show_plugin("focal")]
        ['loss']
    """
    registry.load(open_project(folder))
    return describe_named(name)


def plugin_records(plugin: PluginDescription, folder: Folder = ".") -> list[PluginRecord]:
    """How the complete trials with a plugin did in each study of the project that has tried it; `print`
    one to read it.

    Studies whose storage isn't in the project are passed over.

    >>> plugin_records(show_plugin("focal")[0])
    []
    """
    from automask.hpo.plugin_record import plugin_record
    from automask.hpo.trials import complete_trials
    from automask.study.session import Options, find_study

    project = open_project(folder)
    records = []
    for name in project.studies() if project.config.is_file() else []:
        try:
            study = find_study(Options(name, project=project))[2]
        except UserError:
            continue
        records.append(plugin_record(study, complete_trials(study), plugin.kind, plugin.name))
    return [record for record in records if record.scores]


def check_plugins(what: str | Path, folder: Folder = ".") -> list[PluginDescription]:
    """Hold plugins to what their kinds promise, at every corner of their ranges, and return them.

    `what` is a file, a folder with a pyproject.toml, or the name of an installed package. The text is
    read first, and nothing runs where it has mistakes: one `PluginError` tells them all. It raises
    another for the first plugin that doesn't keep its contract.
    """
    from automask import testing
    from automask.contracts.source import check_source

    path = Path(what)
    if path.suffix == ".py" or path.is_file():
        # Before the project's plugins are loaded, of which it may be one.
        check_source(path)
        registry.load(open_project(folder))
        checked = testing.check_file(path)
    else:
        checked = testing.check_package(str(what))
    return list(map(PluginDescription, checked))


@dataclass(frozen=True)
class NewPlugin:
    """The files that were written, and a sentence on what to do next."""

    files: tuple[Path, ...]
    follows: str


def new_plugin(kind: str, name: str, folder: Folder = ".", *, package: bool = False) -> NewPlugin:
    """Write a plugin to begin with, which keeps its contract, and its test.

    They are `plugins/NAME.py` and `tests/test_NAME.py`, or with `package` a folder `automask-NAME` that
    pip installs. Raises `UserError` for an unknown kind, for a name that can't be used, and where a
    file is there already.
    """
    from automask.authoring.drafts import draft
    from automask.authoring.package import package_files, package_name
    from automask.space.kinds import DEFAULTS
    from automask.storage.files import atomic_folder, refuse_existing

    project = open_project(folder)
    registry.load(project)
    made = draft(kind, name)
    if package:
        root = project.folder / package_name(name)
        refuse_existing(root)
        with atomic_folder(root) as beside:
            texts = package_files(made, kind in DEFAULTS)
            for path, text in texts.items():
                _write(beside / path, text)
        follows = f"pip install --editable {root}; automask plugins check {root}; pytest {root}"
        return NewPlugin(tuple(root / path for path in texts), follows)
    file, test = project.plugins / f"{name}.py", project.folder / "tests" / f"test_{name}.py"
    if (project.plugins / "__init__.py").exists():
        raise UserError(
            f"{project.plugins}: is a package of Python's, whose files aren't loaded as plugins; write "
            "in another folder, or take its __init__.py out"
        )
    for one in (file, test):
        if one.exists():
            raise UserError(f"{one}: is there already; give the plugin another name")
    _write(file, made.source)
    _write(test, made.file_test)
    tried = f"automask try {kind}.{name}" if kind in DEFAULTS else f"automask plugins {kind}"
    return NewPlugin((file, test), f"automask plugins check {file}; pytest {test}; {tried}")


def _write(file: Path, text: str) -> None:
    from automask.storage.files import atomic_write

    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(file) as beside:
        beside.write_text(text, encoding="utf-8")
