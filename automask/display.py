"""What a search shows: while images are decoded, while it runs, and when it has ended.

In a terminal that is live, elsewhere a plain line a trial.
"""

from __future__ import annotations

import time
from collections import Counter
from types import TracebackType

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress import Progress
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from automask.prepared import prepare
from automask.recipe import Recipe
from automask.search import Event, Note
from automask.session import Session
from automask.study import complete, finished

SHOWN = 12

STYLES = {"complete": "green", "pruned": "yellow"}


class Display:
    """A context that is told a search's events. `done` counts trials finished before it began."""

    def __init__(
        self, console: Console, trials: int, done: int, best: float | None, metric: str
    ) -> None:
        self.console, self.trials, self.best, self.metric = console, trials, best, metric
        self.before, self.begin = done, time.time()
        self.states: Counter[str] = Counter()
        self.running: dict[int, Event] = {}
        self.ended: list[Event] = []
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
        if event.what != "end":
            self.running[event.number] = event
            return
        self.running.pop(event.number, None)
        self.states[event.state] += 1
        self.ended.append(event)
        if event.value is not None:
            self.best = event.value if self.best is None else max(self.best, event.value)
        if not self.console.is_terminal:
            self.console.print(self._line(event), soft_wrap=True, markup=False)

    def _line(self, event: Event) -> str:
        value = "" if event.value is None else f" {event.value:.4f}"
        why = f": {event.message}" if event.message else ""
        best = "" if self.best is None else f" (best {self.best:.4f})"
        said = f"{event.state}{value} in {event.seconds:.0f} s{best}"
        return f"trial {event.number}: {said}, {event.recipe.describe()}{why}"

    def _render(self) -> RenderableType:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("trial", "state", self.metric, "time"):
            table.add_column(name, justify="left" if name == "state" else "right", no_wrap=True)
        table.add_column("recipe")
        for event in self.ended[-SHOWN:]:
            best = event.value is not None and event.value == self.best
            value = "" if event.value is None else f"{event.value:.4f}{' *' if best else '  '}"
            table.add_row(
                str(event.number),
                Text(event.state, STYLES.get(event.state, "red")),
                Text(value, "bold" if best else ""),
                f"{event.seconds:.0f} s",
                Text(event.recipe.describe()),
            )
        for event in sorted(self.running.values(), key=lambda event: event.number):
            step = event.step
            about = "" if event.expected is None else f", about {event.expected:.0f} s"
            where = (
                f"starting{about}" if step is None else f"fold {step.fold + 1}, epoch {step.epoch}"
            )
            of = "" if step is None else f" of {step.epochs}"
            recipe = Text(event.recipe.describe())
            table.add_row(str(event.number), Text(where + of, "cyan"), "", "", recipe)
        counted = self.before + self.states["complete"] + self.states["pruned"]
        bar = ProgressBar(total=self.trials, completed=counted, width=20)
        failed = sum(self.states.values()) - self.states["complete"] - self.states["pruned"]
        told = [f"{counted} of {self.trials} trials", f"{self.states['pruned']} pruned"]
        told += [f"{failed} failed"] if failed else []
        told += [f"best {self.best:.4f}"] if self.best is not None else []
        told += [f"{(time.time() - self.begin) / 60:.1f} min"]
        progress = Table.grid(padding=(0, 2))
        progress.add_row(bar, Text(", ".join(told)))
        return Group(table, Text(), progress)


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
    done = finished(session.study)
    states = [trial.state.name.lower() for trial in done]
    console.print(
        f"{ending}: {states.count('complete')} complete, {states.count('pruned')} pruned, "
        f"{states.count('fail')} failed",
    )
    failed = [trial for trial in done if trial.state.name == "FAIL"]
    if failed:
        table = Table("trial", "reason", "what", box=None, pad_edge=False)
        for trial in failed[-10:]:
            attrs = trial.user_attrs
            message = escape(attrs.get("message", "")[:300])
            table.add_row(str(trial.number), attrs.get("reason", "failed"), message)
        console.print(table)
    ranked = complete(session.study)
    if ranked:
        recipe = Recipe.from_dict(ranked[0].user_attrs["recipe"])
        console.print(
            f"best: trial {ranked[0].number}, {session.config.search.metric} "
            f"{ranked[0].values[0]:.4f}, {recipe.describe()}",
        )
        console.print("next: automask ensemble")
