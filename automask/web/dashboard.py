"""A study in the browser while it is searched: optuna-dashboard, and a page of what that can't show."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec

from automask.hpo.optuna_internals import number_of, storage_of
from automask.listener import note
from automask.report import live
from automask.study.session import Session
from automask.web import notes
from automask.web.pages import Pages, Request, Response

MISSING = (
    "optuna-dashboard isn't installed, so that there is automask's own page alone: "
    "pip install 'automask[dashboard]'"
)
#: Seconds between looks for trials that ended.
WAIT = 3.0


@dataclass
class Dashboard:
    """The pages on a study, whose trials get notes as they end while `annotating`."""

    session: Session
    over: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_whole(self) -> bool:
        """Is optuna-dashboard there?"""
        return find_spec("optuna_dashboard") is not None

    @property
    def path(self) -> str:
        """Where optuna-dashboard shows the study; empty without it."""
        return f"/dashboard/studies/{number_of(self.session.study)}" if self.is_whole else ""

    @property
    def pages(self) -> Pages:
        own: dict[tuple[str, str], Callable[[Request], Response]] = {
            ("GET", "/live"): self.show_live,
            ("GET", "/live/version"): self.show_version,
        }
        if not self.is_whole:
            return Pages({**own, ("GET", "/"): self.show_live})
        from optuna.artifacts import FileSystemArtifactStore
        from optuna_dashboard import wsgi

        # It opens no file that isn't in the folder, which has to be there.
        folder = self.session.store.artifacts
        folder.mkdir(parents=True, exist_ok=True)
        store = FileSystemArtifactStore(str(folder))
        return Pages(own, wsgi(storage_of(self.session.study), artifact_store=store))

    def show_live(self, request: Request) -> Response:
        """Folds, the ensemble so far, workers, the disk."""
        with self.lock:
            return Response(live.render(self.session, self.path))

    def show_version(self, request: Request) -> Response:
        """What changes as trials go on."""
        return Response(live.version(self.session), "text/plain")

    def annotate(self) -> None:
        """Write notes on trials as they end, until `over` is set; the pages go on where that fails."""
        before = ""
        while not self.over.is_set():
            try:
                if (now := live.version(self.session)) != before:
                    notes.annotate(self.session, self.session.store.artifacts)
                    before = now
            except Exception as error:  # whatever it is, the pages can still be read
                note(f"no further notes on trials: {error}")
                return
            self.over.wait(WAIT)
