"""What a search shows in a terminal: a live table; elsewhere a plain line a trial."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress import Progress, TaskID
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from automask.api.plain import PlainDisplay, best_line, ending_line, failed
from automask.api.studies import Running
from automask.units import duration

if TYPE_CHECKING:
    from automask.api.plain import SearchEnd, SearchStart
    from automask.hpo.progress import Event, Step
    from automask.space.recipe import Recipe
    from automask.study.summary import Ended, Overview

SHOWN = 12
STYLES = {"complete": "green", "pruned": "yellow"}


class Display(PlainDisplay):
    """A context that listens to a search: in a terminal trials are a live table, images a bar."""

    deadline: float | None = None
    workers = 1

    def __init__(self, console: Console) -> None:
        super().__init__()
        self.console = console
        self.running: dict[int, Running] = {}
        self.live = Live(get_renderable=self._render, console=console, refresh_per_second=4)
        self.bar = Progress(console=console, transient=True)
        self.tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Display:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """What moves on the screen stands still from here on."""
        if self.bar.live.is_started:
            self.bar.stop()
        if self.live.is_started:
            self.live.stop()

    def say(self, text: str) -> None:
        self.console.print(text, soft_wrap=True, markup=False)

    def progress(self, task: str, done: int, total: int) -> None:
        # Maps that trials make are theirs: the table tells of these.
        if not self.console.is_terminal or self.live.is_started:
            return
        self.bar.start()
        if task not in self.tasks:
            self.tasks[task] = self.bar.add_task(task)
        self.bar.update(self.tasks[task], completed=done, total=total)
        if done == total:
            self.bar.remove_task(self.tasks.pop(task))
            self.bar.stop()

    def start(self, start: SearchStart) -> None:
        super().start(start)
        self.deadline = start.limits.deadline
        self.workers = start.workers

    def trial_goes_on(self, event: Event) -> None:
        super().trial_goes_on(event)
        running = self.running.get(event.number)
        since = running.since if running else time.time()
        where = _where(event.step, event.expected)
        self.running[event.number] = Running(event.number, event.recipe, where, since)
        if self.console.is_terminal and not self.live.is_started:
            self.stop()
            self.live.start()

    def show_trial(self, trial: Ended) -> None:
        self.running.pop(trial.number, None)
        if not self.console.is_terminal:
            super().show_trial(trial)

    def end(self, end: SearchEnd) -> None:
        """How a search ended, what failed and what is best."""
        self.stop()
        self.console.print(ending_line(end))
        if failures := failed(end):
            table = Table("trial", "reason", "what", box=None, pad_edge=False)
            for trial in failures:
                table.add_row(str(trial.number), trial.state, escape(trial.message[:300]))
            self.console.print(table)
        if end.best:
            self.console.print(best_line(end))
            self.console.print(f"next: automask ensemble{end.flag}", markup=False)
        if end.verdict:
            self.say(end.verdict)

    def _render(self) -> RenderableType:
        now = time.time()
        running = sorted(self.running.values(), key=lambda trial: trial.number)
        lines = progress_lines(self.overview, now, self.trials)
        left = self._left(now)
        ahead = f", about {duration(left)} left" if left is not None else ""
        lines.append(f"{duration(now - self.begin)} so far{ahead}")
        # Longer than the terminal, the lines below the table would be cut off.
        room = self.console.height - len(running) - len(lines) - 4
        bar = ProgressBar(total=self.trials, completed=len(self.overview.counted), width=20)
        table = trials_table(self.overview, running, now, max(1, min(SHOWN, room)))
        return Group(table, Text(), *map(Text, lines), bar)

    def _left(self, now: float) -> float | None:
        """How many seconds the search goes on, by the clock or by what its trials took so far."""
        ways = [self.deadline - now] if self.deadline is not None else []
        if mean := self.overview.mean_seconds:
            done = sum(min(mean, now - (trial.since or now)) for trial in self.running.values())
            ahead = (self.trials - len(self.overview.counted)) * mean - done
            ways.append(ahead / self.workers)
        return max(0.0, min(ways)) if ways else None


class QuietDisplay(Display):
    """Says once an hour how far a search is, and how it ended."""

    def note(self, text: str) -> None:
        pass

    def progress(self, task: str, done: int, total: int) -> None:
        pass

    def start(self, start: SearchStart) -> None:
        super().start(replace(start, resumed=False))

    def trial_goes_on(self, event: Event) -> None:
        pass

    def show_trial(self, trial: Ended) -> None:
        pass


def trials_table(overview: Overview, running: Sequence[Running], now: float, shown: int) -> Table:
    """The trials that ended last and those under way, a row each."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("trial", "state", overview.metric, "time"):
        table.add_column(name, justify="left" if name == "state" else "right", no_wrap=True)
    table.add_column("recipe")
    for trial in overview.ended[-shown:]:
        best = overview.best is not None and trial.number == overview.best.trial
        value = "" if trial.value is None else f"{trial.value:.4f}{' *' if best else '  '}"
        table.add_row(
            str(trial.number),
            Text(trial.state, STYLES.get(trial.state, "red")),
            Text(value, "bold" if best else ""),
            duration(trial.seconds),
            one_line(trial.recipe),
        )
    for under_way in running:
        since = "" if under_way.since is None else duration(now - under_way.since)
        recipe = one_line(under_way.recipe)
        table.add_row(str(under_way.number), Text(under_way.where, "cyan"), "", since, recipe)
    return table


def one_line(recipe: Recipe) -> Text:
    """A recipe in a table, cut where the terminal ends."""
    return Text(recipe.describe(), no_wrap=True, overflow="ellipsis")


def progress_lines(overview: Overview, now: float, trials: int = 0) -> list[str]:
    """What the trials come to, a line each; `trials` is how many there will be, 0 if not known."""
    states, counted = overview.states, len(overview.counted)
    total = f" of {trials}" if trials else ""
    failed = f", {states['failed']} failed" if states["failed"] else ""
    lines = [
        f"{counted}{total} trials: {states['complete']} complete, {states['pruned']} pruned{failed}"
    ]
    values = (("best", overview.best), ("ensemble so far", overview.blended))
    for name, reached in values:
        if reached:
            ago = duration(now - reached.at)
            lines.append(f"{name} {reached.value:.4f}, since trial {reached.trial}, {ago} ago")
    share, seconds = overview.saved
    if share:
        lines.append(f"pruning left out {share:.0%} of the training, about {duration(seconds)}")
    return lines


def _where(step: Step | None, expected: float | None) -> str:
    if step is None:
        return "starting" + (f", about {duration(expected)}" if expected is not None else "")
    return f"fold {step.fold + 1}, epoch {step.epoch} of {step.epochs}"
