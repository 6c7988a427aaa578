"""A page on data, before anything trains."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from automask.api.projects import Folder, Project, open_project
from automask.api.surroundings import working
from automask.data import config, dataset, depth_survey, description
from automask.data.dataset import Dataset
from automask.diagnostics import near_duplicates
from automask.listener import Listener
from automask.report import look as look_page
from automask.report.look import Understood
from automask.space import space_file
from automask.storage.text_file import read_text
from automask.study import adaptation


def look(
    data: str | Path | None = None,
    folder: Folder = ".",
    file: str | Path = "look.html",
    *,
    space: str | None = None,
    metric: str | None = None,
    listener: Listener | None = None,
) -> Path:
    """Write one page on a folder of images and tables, or on its table; returns the file.

    It has pictures a class, sizes, groups, near-duplicates, oddities, what a space does to pictures, and
    how the data were understood.

    Without `data` they are those of the project's `automask.toml`. Nothing is trained, and nothing but
    the page is written, and in a project a cache. `space` is a name or a file, by default the project's,
    and `metric`, likewise, says whether numbers are classes, grades or numbers.
    Raises `UserError` where no reader knows the layout, and where the file can't be written.
    """
    project = open_project(folder)
    with working(project, listener):
        understood, prepared, named = _read(data, project, metric)
        chosen = space_file.load(space or named, project.folder)
        chosen, _ = adaptation.for_target(chosen, prepared.target)
        if project.config.is_file():
            store = project.no_study
            pairs = near_duplicates.cached_pairs(prepared.paths, store, prepared.depth)
        else:
            pairs = near_duplicates.read_pairs(prepared.paths, prepared.depth)
        look_page.write(understood, prepared, pairs, chosen, Path(file))
    return Path(file)


def _read(
    data: str | Path | None, project: Project, metric: str | None
) -> tuple[Understood, Dataset, str]:
    """What was understood, the data, and the name of the space that goes with them."""
    if data is None:
        settings = config.load(project)
        tables = config.read(settings, project, project.corrections)
        prepared = _with_depth(dataset.prepare(tables, metric or settings.search.metric))
        understood = Understood(
            str(project.path(settings.data.path)),
            settings.data.reader,
            description.describe(prepared, tables),
            read_text(project.config),
        )
        return understood, prepared, settings.search.space
    layout = description.find_layout(project.path(str(data)))
    metric = metric or layout.tables.metric or dataset.METRIC
    prepared = _with_depth(dataset.prepare(layout.tables, metric))
    understood = Understood(
        str(data),
        layout.reader,
        description.describe(prepared, layout.tables),
        config.render(str(data), layout.reader, layout.tables),
    )
    return understood, prepared, "default"


def _with_depth(data: Dataset) -> Dataset:
    return replace(data, depth=depth_survey.survey(data).depth)
