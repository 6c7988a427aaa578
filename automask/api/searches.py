"""A search from Python."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from automask.api.data import use_data
from automask.api.plain import listener_or_lines
from automask.api.projects import Folder, open_project
from automask.api.studies import Study
from automask.api.surroundings import working
from automask.data.config import load
from automask.errors import UserError
from automask.hpo.limits import Limits
from automask.listener import Listener
from automask.study import opening, run, untrained
from automask.study.session import Options, read_earlier
from automask.study.tracking import tracked, tracker_names
from automask.units import bytes_of, count_of, seconds_of


def search(
    data: str | Path | None = None,
    *,
    trials: int | None = None,
    timeout: str | float | None = None,
    space: str | None = None,
    metric: str | None = None,
    folder: Folder = ".",
    study: str = "main",
    workers: int | str | None = None,
    folds: int | None = None,
    seed: int | None = None,
    device: str = "auto",
    weights: str | Path | None = None,
    disk: int | str | None = None,
    pseudo: str | None = None,
    pruner: str | None = None,
    sampler: str | None = None,
    patience: int | None = None,
    warm_start: Sequence[str] = (),
    on_bad_image: str = "stop",
    tracker: str | Sequence[str] | None = None,
    storage: str | None = None,
    listener: Listener | None = None,
) -> Study:
    """Search the best recipe for a folder of images, or go on with a search; the study.

    `data` is the folder with images and tables. A project in `folder` is made of it where there is
    none (`init`); one that is there names its own. `trials` complete or pruned ones are the end (50), or
    `timeout` (seconds, or ``"90m"``). `space` is default, quick, full or a TOML file, and `workers`
    train side by side. Paths of `space` and `weights` begin at `folder`. `disk` is the most that caches
    and weights may take (bytes, or ``"20GB"``). What is None stands in `automask.toml` or is chosen by
    automask. A study of that name goes on. `on_bad_image` is what a train image that can't be read does
    to a new study: stop it, or have it skip the row; ``bad_images.csv`` lists them. `tracker` names
    plugins that show trials elsewhere.

    Progress is printed unless a `listener` hears it. Ctrl-C is raised again once the study is in order:
    what is finished is kept, and the same call goes on. Raises `UserError` for what you can mend: the
    data, the space, the weights, a study that was begun with something else.
    """
    begin = time.time()
    seconds = seconds_of(timeout) if isinstance(timeout, str) else timeout
    count = count_of(workers) if isinstance(workers, str) else workers
    cap = bytes_of(disk) if isinstance(disk, str) else disk
    _at_least_one(trials=trials, workers=count, patience=patience)
    project = open_project(folder)
    if data is not None:
        use_data(data, project)
    with working(project, listener_or_lines(listener)):
        settings = load(project).search
        if cap is None and settings.disk:
            cap = bytes_of(settings.disk)
        if seconds is None and settings.timeout:
            seconds = seconds_of(settings.timeout)
        if workers is None:
            count = count_of(str(settings.workers))
        limits = Limits(
            trials or settings.trials,
            begin + seconds if seconds is not None else None,
            patience or settings.patience,
        )
        options = Options(
            study,
            storage,
            space,
            folds,
            metric,
            seed,
            str(weights) if weights is not None else None,
            device,
            disk=cap,
            pseudo=pseudo,
            pruner=pruner,
            sampler=sampler,
            on_bad_image=on_bad_image,
            project=project,
        )
        # Looked up before a study is made, so that a mistyped name leaves nothing behind.
        earlier = [read_earlier(where, options) for where in dict.fromkeys(warm_start)]
        trackers = tracker_names(tracker, settings)
        session = opening.begin(options)
        with untrained.forgotten_on_error(session), tracked(trackers, options):
            end = run.search(session, limits, count, earlier)
    if end.interrupted:
        raise KeyboardInterrupt
    return Study(options, end)


def _at_least_one(**values: int | None) -> None:
    for name, value in values.items():
        if value is not None and value < 1:
            raise UserError(f"{name}={value}: at least 1")
