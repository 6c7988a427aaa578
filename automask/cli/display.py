"""What a search shows: while images are decoded, while it runs, and when it has ended.

In a terminal that is live, elsewhere a plain line a trial.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import TracebackType

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress import Progress
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from automask.data.preprocessing import prepare
from automask.hpo.attributes import TrialAttributes, recipe_of
from automask.hpo.progress import Step
from automask.hpo.searcher import Event, Note
from automask.hpo.trials import complete_trials, finished_trials
from automask.space.recipe import Recipe
from automask.study.session import Session
from automask.study.summary import Ended, Overview
from automask.units import duration

SHOWN = 12
STYLES = {"complete": "green", "pruned": "yellow"}


@dataclass(frozen=True)
class Running:
    """A trial under way: where it is, and since when (Unix time, None where that isn't known)."""

    number: int
    recipe: Recipe
    where: str
    since: float | None = None


class Display:
    """A context that is told a search's events.

    The search ends at `trials` counted ones or at `deadline` (Unix time), and `workers` share it.
    """

    def __init__(
        self,
        console: Console,
        overview: Overview,
        trials: int = 0,
        deadline: float | None = None,
        workers: int = 1,
        folds: int = 1,
    ) -> None:
        self.console, self.overview = console, overview
        self.trials, self.deadline, self.workers, self.folds = trials, deadline, workers, folds
        self.begin = time.time()
        self.running: dict[int, Running] = {}
        self.steps: dict[int, Step] = {}
        self.notes: set[str] = set()
        self.live = Live(get_renderable=self._render, console=console, refresh_per_second=4)

    def __enter__(self) -> Display:
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.console.is_terminal:
            self.live.stop()

    def tell(self, event: Event | Note) -> None:
        if isinstance(event, Note):
            if event.text not in self.notes:
                self.console.print(f"note: {event.text}", soft_wrap=True, markup=False)
            self.notes.add(event.text)
            return
        number = event.number
        if event.what != "end":
            known = self.running.get(number)
            since = known.since if known else time.time()
            if event.step is not None:
                self.steps[number] = event.step
            where = _where(event.step, event.expected)
            self.running[number] = Running(number, event.recipe, where, since)
            return
        self.running.pop(number, None)
        share = 1.0 if event.state == "complete" else _share(self.steps.get(number), self.folds)
        trial = Ended(
            number,
            event.state,
            event.recipe,
            event.value,
            event.seconds,
            share,
            message=event.message,
        )
        self.overview.add(trial)
        if not self.console.is_terminal:
            self.console.print(trial_line(trial, self.overview), soft_wrap=True, markup=False)

    def _render(self) -> RenderableType:
        now = time.time()
        running = sorted(self.running.values(), key=lambda trial: trial.number)
        told = progress_lines(self.overview, now, self.trials)
        left = self._left(now)
        ahead = f", about {duration(left)} left" if left is not None else ""
        told.append(f"{duration(now - self.begin)} so far{ahead}")
        # Longer than the terminal, the lines below the table would be cut off.
        room = self.console.height - len(running) - len(told) - 4
        bar = ProgressBar(total=self.trials, completed=len(self.overview.counted), width=20)
        table = trials_table(self.overview, running, now, max(1, min(SHOWN, room)))
        return Group(table, Text(), *map(Text, told), bar)

    def _left(self, now: float) -> float | None:
        """How many seconds the search goes on, by the clock or by what its trials took so far."""
        ways = [self.deadline - now] if self.deadline is not None else []
        if mean := self.overview.mean_seconds:
            done = sum(min(mean, now - (trial.since or now)) for trial in self.running.values())
            ahead = (self.trials - len(self.overview.counted)) * mean - done
            ways.append(ahead / self.workers)
        return max(0.0, min(ways)) if ways else None


def trial_line(trial: Ended, overview: Overview) -> str:
    """A trial that has ended in one plain line, with the best and the blend so far."""
    value = "" if trial.value is None else f" {trial.value:.4f}"
    why = f": {trial.message}" if trial.message else ""
    known = (("best", overview.best), ("ensemble so far", overview.blended))
    scores = ", ".join(f"{name} {reached.value:.4f}" for name, reached in known if reached)
    said = f"{trial.state}{value} in {trial.seconds:.0f} s{f' ({scores})' if scores else ''}"
    return f"trial {trial.number}: {said}, {trial.recipe.describe()}{why}"


def trials_table(overview: Overview, running: list[Running], now: float, shown: int) -> Table:
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
    of = f" of {trials}" if trials else ""
    failed = f", {states['failed']} failed" if states["failed"] else ""
    told = [
        f"{counted}{of} trials: {states['complete']} complete, {states['pruned']} pruned{failed}"
    ]
    known = (("best", overview.best), ("ensemble so far", overview.blended))
    for name, reached in known:
        if reached:
            ago = duration(now - reached.at)
            told.append(f"{name} {reached.value:.4f}, since trial {reached.trial}, {ago} ago")
    share, seconds = overview.saved
    if share:
        told.append(f"pruning left out {share:.0%} of the training, about {duration(seconds)}")
    return told


def _where(step: Step | None, expected: float | None) -> str:
    if step is None:
        return "starting" + (f", about {duration(expected)}" if expected is not None else "")
    return f"fold {step.fold + 1}, epoch {step.epoch} of {step.epochs}"


def _share(step: Step | None, folds: int) -> float:
    """The share of a trial's training that was done at its last step."""
    return 0.0 if step is None else (step.fold + step.epoch / step.epochs) / folds


def decode(session: Session, display: Display) -> None:
    """The first pass over all images, so that a bad file is told before anything trains."""
    assert session.space is not None
    recipe, _ = session.space.default()
    room = session.room(lambda text: display.tell(Note(text)))
    console = display.console
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("decoding images", total=None)
        images = session.images(
            lambda done, total: bar.update(task, completed=done, total=total), room
        )
        rows, store = np.flatnonzero(session.folds != 0), session.store
        prepared = prepare(recipe["preprocessing"], session.data, rows, images, store.cache)
        images.at(recipe["resize"].name, images.largest, prepared)


def summary(session: Session, console: Console, ending: str) -> None:
    """How a search ended, what failed and what is best."""
    done = finished_trials(session.study)
    states = [trial.state.name.lower() for trial in done]
    console.print(
        f"{ending}: {states.count('complete')} complete, {states.count('pruned')} pruned, "
        f"{states.count('fail')} failed",
    )
    failed = [trial for trial in done if trial.state.name == "FAIL"]
    if failed:
        table = Table("trial", "reason", "what", box=None, pad_edge=False)
        for trial in failed[-10:]:
            noted = TrialAttributes.read(trial)
            message = escape((noted.message or "")[:300])
            table.add_row(str(trial.number), noted.reason or "failed", message)
        console.print(table)
    ranked = complete_trials(session.study)
    if ranked:
        recipe = recipe_of(ranked[0])
        console.print(
            f"best: trial {ranked[0].number}, {session.config.search.metric} "
            f"{ranked[0].values[0]:.4f}, {recipe.describe()}",
        )
        console.print(f"next: automask ensemble{session.options.flag}", markup=False)
