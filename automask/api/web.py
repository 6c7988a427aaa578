"""Pages served on this machine."""

from __future__ import annotations

import contextvars
import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from automask.api import labels, submissions
from automask.api.projects import Folder, open_project
from automask.api.surroundings import working
from automask.data import config
from automask.listener import note
from automask.study.session import Options, open_session
from automask.web.dashboard import MISSING, Dashboard
from automask.web.labelling import Labelling
from automask.web.server import Served as Served
from automask.web.server import listen
from automask.web.server import open_browser as open_browser

if TYPE_CHECKING:
    from automask.diagnostics.suspects import Suspects


@contextmanager
def dashboard(
    folder: Folder = ".", study: str = "main", *, storage: str | None = None, port: int = 0
) -> Iterator[tuple[Served, str]]:
    """Serve a study's pages: optuna-dashboard where that is installed, with notes and pictures of
    mistakes that are written as trials end, and at `/live` folds, the ensemble so far, workers and disk.

    Gives what `.run()` answers, and the path to begin with. Only at loopback, and only for who has the
    address. `storage` is an SQLite or PostgreSQL address. Raises `UserError` without such a study.
    """
    options = Options(study, storage, project=open_project(folder))
    with working(options.project):
        pages = Dashboard(open_session(options))
        served = listen(pages.pages, port)
        # Who listens here hears what the thread says.
        run = contextvars.copy_context().run
        writer = threading.Thread(target=run, args=(pages.annotate,), daemon=True)
        if pages.is_whole:
            writer.start()
        else:
            note(MISSING)
        try:
            yield served, pages.path or "/live"
        finally:
            pages.over.set()
            if writer.ident is not None:
                writer.join()


def label(
    folder: Folder = ".", study: str = "main", *, storage: str | None = None, port: int = 0
) -> Served:
    """Serve the pages on which labels are put right and submissions chosen; `.run()` answers them.

    Only at loopback, and only for who has the address that `.guard.address()` gives. `port` 0 is any
    that is free. Raises `UserError` where the port is taken, or where there is no such project.
    """
    project = open_project(folder)
    config.load(project)

    @functools.cache
    def suspects() -> Suspects:
        return labels.suspects(project, study, storage=storage)

    pages = Labelling(
        project,
        study,
        suspects,
        functools.partial(labels.relabel, folder=project),
        functools.partial(submissions.compare, folder=project),
    )
    return listen(pages.pages, port)
