"""How a study is doing that runs in another process, or doesn't: what `automask status` tells."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console

from automask.cli.display import SHOWN, progress_lines, trials_table
from automask.units import duration

if TYPE_CHECKING:
    from automask.api.studies import Status
    from automask.study.summary import Overview


def show_status(status: Status, console: Console) -> None:
    """Print the trials by state, those under way, the best and the blend so far."""
    overview, now = status.overview, time.time()
    if overview.ended or status.running:
        console.print(trials_table(overview, status.running, now, SHOWN))
        console.print()
    for sentence in progress_lines(overview, now):
        console.print(sentence, markup=False, soft_wrap=True)
    if status.waiting:
        console.print(f"{status.waiting} in the queue")
    if overview.counted:
        console.print(f"a trial takes {duration(overview.mean_seconds)} in the mean")
    console.print(_activity(overview, status.at_work, status.abandoned, now), soft_wrap=True)


def show_plugins(plugins: Mapping[str, Sequence[str]], console: Console) -> None:
    """Print where those plugins come from that aren't automask's own."""
    for name, sources in plugins.items():
        if not all(source.startswith("automask ") for source in sources):
            console.print(f"{name} of {', then of '.join(sources)}", markup=False, soft_wrap=True)


def _activity(overview: Overview, at_work: int, abandoned: int, now: float) -> str:
    """Does anybody work on it?"""
    text = f"{at_work} of its trials {'is' if at_work == 1 else 'are'} in training on this machine"
    if not at_work:
        last = (
            f"; its last trial ended {duration(now - overview.ended[-1].at)} ago"
            if overview.ended
            else ""
        )
        text = f"nothing of it is in training on this machine{last}"
    if abandoned:
        text += f"; {abandoned} abandoned (or on another machine): the next search takes them up"
    return text
