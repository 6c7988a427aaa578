"""A project's data, before anything trains: what they are understood to be, what to mind, what to
train first."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from automask.api.projects import Folder, Project, open_project
from automask.api.surroundings import working
from automask.data import config, description
from automask.data.data_place import only_folder
from automask.diagnostics.advice import Advice
from automask.diagnostics.audit import Finding as Finding
from automask.diagnostics.audit import find_all, save
from automask.errors import UserError
from automask.listener import Listener, note
from automask.storage.files import atomic_write
from automask.study import opening, run
from automask.study.session import Options, Session
from automask.units import bytes_of


@dataclass(frozen=True)
class Description:
    """How data were understood: the reader that knows their layout, and the rest in sentences; `file` is
    the configuration that says so."""

    reader: str
    lines: Sequence[str]
    file: Path

    def __str__(self) -> str:
        return "\n".join(self.lines)


def init(data: str | Path, *, folder: Folder = ".", force: bool = False) -> Description:
    """Look at a folder of images and tables, and write `automask.toml`, which makes `folder` a project.

    `data` may name a table instead, which is train's and has its images around it. Raises `UserError`
    where no reader knows the layout, and where an `automask.toml` is there that `force` doesn't replace.
    """
    project = open_project(folder)
    if project.config.exists() and not force:
        raise UserError(f"{project.config} is already here; --force replaces it")
    return describe(_named(data, project), project)


def describe(data: str, project: Project) -> Description:
    """The same with a path as the file is to have it, relative to the project."""
    with working(project):
        layout = description.find_layout(project.path(data))
        lines = description.describe_tables(layout.tables)
        # Relative as `data` is, which may be its table or above it.
        folder = os.path.relpath(layout.folder, project.path(data))
        path = data if folder == "." else os.path.normpath(Path(data) / folder)
        with atomic_write(project.config) as beside:
            text = config.render(path, layout.reader, layout.tables)
            beside.write_text(text, encoding="utf-8")
    return Description(layout.reader, lines, project.config)


def use_data(data: str | Path, project: Project) -> None:
    """Make a project of the data where there is none; else see to it that it has these data.

    Raises `UserError` where its `automask.toml` names others.
    """
    if not project.config.exists():
        for line in init(data, folder=project).lines:
            note(line)
        return
    own, data = project.path(config.load(project).data.path), Path(data)
    named = data.parent if data.is_file() else only_folder(data)
    if own.resolve() not in (data.resolve(), named.resolve()):
        raise UserError(
            f"{project.config} names the data {own}, not {data}: leave data out, or give "
            "another folder"
        )


def _named(data: str | Path, project: Project) -> str:
    """The data's folder as `automask.toml` has it: relative to a project that it is in.

    The command line's project is where it is called, so that a path is as it was typed.
    """
    if not project.folder.is_absolute():
        return Path(data).as_posix()
    path = Path(data).absolute()
    inside = path.is_relative_to(project.folder)
    return (path.relative_to(project.folder) if inside else path).as_posix()


def advise(
    folder: Folder = ".",
    *,
    space: str | None = None,
    folds: int | None = None,
    metric: str | None = None,
    seed: int | None = None,
    device: str = "auto",
    weights: str | None = None,
    disk: int | str | None = None,
    listener: Listener | None = None,
) -> Advice:
    """Measure what to train first: the head, some, or all. `.lines` say it.

    Nothing trains and no study is made; a search measures the same and begins with it.
    """
    project = open_project(folder)
    size = bytes_of(disk) if isinstance(disk, str) else disk
    options = Options(
        space=space,
        folds=folds,
        metric=metric,
        seed=seed,
        weights=weights,
        device=device,
        disk=size,
        project=project,
    )
    with working(project, listener):
        return advise_session(opening.survey(options))


def advise_session(session: Session) -> Advice:
    """The same of a study or survey."""
    for text in session.notes:
        note(text)
    run.decode(session)
    return run.measure_advice(session)


def audit(
    folder: Folder = ".",
    study: str = "main",
    *,
    storage: str | None = None,
    space: str | None = None,
    folds: int | None = None,
    metric: str | None = None,
    seed: int | None = None,
    device: str = "auto",
    weights: str | None = None,
    disk: int | str | None = None,
    listener: Listener | None = None,
) -> list[Finding]:
    """Look for copies, leaks of labels and undeclared groups; empty where the data are clean.

    Nothing trains and no study is made; of a study that was begun the findings are kept.
    """
    project = open_project(folder)
    size = bytes_of(disk) if isinstance(disk, str) else disk
    options = Options(
        study, storage, space, folds, metric, seed, weights, device, disk=size, project=project
    )
    with working(project, listener):
        return audit_session(opening.open_or_survey(options))


def audit_session(session: Session) -> list[Finding]:
    """The same of a study or survey."""
    for text in session.notes:
        note(text)
    run.decode(session)
    findings = find_all(session)
    if session.study is not None:
        save(session, findings)
    return findings


#: What the CSV tells of either image.
ROW = ("table", "id", "path", "label")


def write_pairs(file: Path, findings: Sequence[Finding]) -> int:
    """All pairs of all findings, a row each; how many there are."""
    places = [f"{name}_{which}" for which in ("a", "b") for name in ROW]
    count = 0
    with atomic_write(file) as beside, open(beside, "w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened)
        writer.writerow(["finding", *places, "how", "similarity"])
        for finding in findings:
            for pair in finding.pairs:
                cells = [
                    finding.rows[place].get(name, "") for place in pair["rows"] for name in ROW
                ]
                writer.writerow([finding.kind, *cells, how(pair), pair["similarity"]])
                count += 1
    return count


def how(pair: dict[str, object]) -> str:
    """In a word, how two images are alike.

    >>> how({"mirrored": False, "exact": True})
    'exact'
    """
    return "mirrored" if pair["mirrored"] else "exact" if pair["exact"] else "near"
