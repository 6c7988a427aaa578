"""What trackers take and give."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol


class Tracker(Protocol):
    """What is told of a study's trials as they come and go, from one thread.

    A trial has a number and the `values` of its recipe by name; it may begin again after it was
    interrupted. `figures` are of a trial, or of the study where that is None, at a `step`: the fold,
    counted from 1, or 0 for the whole of it; of the study the trial that brought them. It ends in a
    state, "complete", "pruned" or why it failed. `close` is the last, with trials that were
    interrupted still open.
    """

    def begin(self, trial: int, values: Mapping[str, Any]) -> None: ...
    def record(self, trial: int | None, figures: Mapping[str, float], step: int) -> None: ...
    def end(self, trial: int, state: str) -> None: ...
    def close(self) -> None: ...


class TrackerPlugin(Protocol):
    """Where trials are shown beside automask, as a `Tracker`.

    `study` is the name of the project and study, `folder` where files may go that have no other place,
    and which need not be there yet. Its library is imported inside. What it raises ends no trial: it is
    told once, and the tracker left.
    """

    def __call__(self, study: str, folder: Path) -> Tracker: ...
