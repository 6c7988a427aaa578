"""A plugin tried against the default of its kind, on the data of a project or on drawn ones."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from automask.api.plain import listener_or_lines
from automask.api.projects import Folder, Project, open_project
from automask.api.surroundings import working
from automask.data import config, description
from automask.data.synthetic import competition
from automask.errors import UserError
from automask.listener import Listener, note
from automask.space import registry
from automask.space.plugin_descriptions import describe_named
from automask.storage.files import atomic_write
from automask.study import opening
from automask.study.plugin_trial import PluginTrial as PluginTrial
from automask.study.plugin_trial import try_plugin as try_in
from automask.study.session import Options

#: People and folds of the drawn data, of seven photos a person, and the space for them.
PEOPLE, FOLDS, SPACE = 60, 3, "demo"


@dataclass(frozen=True)
class _Borrower(Project):
    """A project with the plugins of another."""

    lender: Project = field(default_factory=Project)

    @property
    def plugins(self) -> Path:
        return self.lender.plugins


def try_plugin(
    name: str,
    folder: Folder = ".",
    *,
    space: str | None = None,
    weights: str | Path | None = None,
    device: str = "auto",
    seed: int | None = None,
    listener: Listener | None = None,
) -> PluginTrial:
    """Train one short recipe with a plugin, such as `loss.mine`, and with the default of its kind.

    It is done on the project's data, folds as a new study would draw them, or on drawn people with and
    without masks where there is no `automask.toml`. No study is made. Raises `UserError` for an unknown
    plugin, one that no recipe has, and where a training fails.
    """
    project = open_project(folder)
    with working(project, listener_or_lines(listener)):
        named = describe_named(name)
        if len(named) > 1:
            several = " or ".join(f"{plugin.kind}.{plugin.name}" for plugin in named)
            raise UserError(f"'{name}' is the name of several: {several}")
        with _project_with_data(project) as home:
            folds = None if home is project else FOLDS
            path = str(weights) if weights is not None else None
            space = space or (None if home is project else SPACE)
            options = Options("main", None, space, folds, None, seed, path, device, project=home)
            return try_in(opening.survey(options), named[0].kind, named[0].name)


@contextmanager
def _project_with_data(project: Project) -> Iterator[Project]:
    """The project, or one with drawn data for the time being where it has no configuration."""
    if project.config.is_file():
        yield project
        return
    shots = len(competition.PHOTOS)
    note(f"no {project.config} here, so {PEOPLE} people are drawn, in {shots} photos each")
    with tempfile.TemporaryDirectory(prefix="automask-try-") as folder:
        home = _Borrower(Path(folder), project)
        data = home.folder / "data"
        competition.draw_competition(data, train_people=PEOPLE, test_people=1)
        layout = description.find_layout(data)
        with atomic_write(home.config) as beside:
            beside.write_text(config.render("data", layout.reader, layout.tables), "utf-8")
        try:
            yield home
        finally:
            registry.load(project)
