"""The report of a study."""

from __future__ import annotations

from pathlib import Path

from automask.api.projects import Folder, open_project
from automask.api.surroundings import working
from automask.report import study_report
from automask.study.session import Options, Session, open_session


def report(
    folder: Folder = ".",
    study: str = "main",
    file: str | Path = "report.html",
    *,
    storage: str | None = None,
    device: str = "auto",
) -> Path:
    """Write one page on a study: its search, score, mistakes; nothing is trained. Returns the file.

    `device` is where pictures are looked at. Raises `UserError` where there is no such study, no
    complete trial in it, or where the file can't be written.
    """
    options = Options(study, storage, device=device, project=open_project(folder))
    with working(options.project):
        return session_report(open_session(options), file)


def session_report(session: Session, file: str | Path) -> Path:
    """The same of an open study."""
    study_report.write(session, Path(file))
    return Path(file)
