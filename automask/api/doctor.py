"""What this machine has for a search and what it lacks."""

from __future__ import annotations

from automask.api.projects import Folder, open_project
from automask.api.surroundings import working
from automask.errors import UserError
from automask.health.check import Check as Check
from automask.health.licences import Licence as Licence
from automask.health.licences import licences as licences
from automask.listener import Listener


def doctor(
    folder: Folder = ".", *, device: str = "auto", listener: Listener | None = None
) -> list[Check]:
    """Look at versions, processor, memory, GPU, disk and hub, and time decoding and ten seconds of
    training; with each what to mend.

    Nothing stays behind. Raises `UserError` where `folder` isn't there or the device can't be used.
    """
    from automask.health.examination import examine

    project = open_project(folder)
    if not project.folder.is_dir():
        raise UserError(f"{project.folder}: no such folder")
    with working(project, listener):
        return list(examine(project, device))
