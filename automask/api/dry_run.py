"""What a search would do, without a training."""

from __future__ import annotations

from pathlib import Path

from automask.api.projects import Folder, open_project
from automask.api.surroundings import working
from automask.data.config import load
from automask.listener import Listener
from automask.study import opening
from automask.study.dry_run import DryRun as DryRun
from automask.study.dry_run import Planned as Planned
from automask.study.session import Options
from automask.units import bytes_of, count_of


def dry_run(
    folder: Folder = ".",
    *,
    trials: int | None = None,
    space: str | None = None,
    metric: str | None = None,
    study: str = "main",
    workers: int | str | None = None,
    folds: int | None = None,
    seed: int | None = None,
    device: str = "auto",
    weights: str | Path | None = None,
    disk: int | str | None = None,
    storage: str | None = None,
    listener: Listener | None = None,
) -> DryRun:
    """What a search with the same arguments would try first, what that costs and about how long it
    takes.

    Nothing trains and no study is made. Raises `UserError` for what would stop the search.
    """
    from automask.study.dry_run import dry_run

    project = open_project(folder)
    count = count_of(workers) if isinstance(workers, str) else workers
    with working(project, listener):
        settings = load(project).search
        options = Options(
            study,
            storage,
            space,
            folds,
            metric,
            seed,
            str(weights) if weights is not None else None,
            device,
            disk=bytes_of(disk) if isinstance(disk, str) else disk,
            project=project,
        )
        if workers is None:
            count = count_of(str(settings.workers))
        return dry_run(opening.open_or_survey(options), trials or settings.trials, count)
