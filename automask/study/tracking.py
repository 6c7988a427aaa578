"""News of a search passed on to trackers, none of which can hold up or fail a trial.

A tracker works in a thread of its own. One that raises, or isn't done in time, is told of once and left.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from automask.data.config import SearchSection
from automask.errors import UserError
from automask.hpo.progress import Event
from automask.listener import Listener, current, listening
from automask.space import registry
from automask.study.run import SearchStart
from automask.study.session import Options

if TYPE_CHECKING:
    from automask.space.tracking import Tracker
    from automask.study.summary import Overview

#: Seconds that are waited for a tracker to be made, and for all it was told to be written.
START, LAST = 10.0, 60.0


@dataclass
class _Post:
    """A tracker's name and thread, and what it is to do, `None` being the end."""

    name: str
    make: Any
    listener: Listener
    tasks: SimpleQueue[tuple[str, tuple[Any, ...]] | None] = field(default_factory=SimpleQueue)
    ready: threading.Event = field(default_factory=threading.Event)
    lacking: str = ""

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._work, name=self.name, daemon=True)
        self.thread.start()
        self.ready.wait(START)
        if self.lacking:
            own = registry.get("tracker", self.name).origin == "built in"
            package = f"'automask[{self.name}]'" if own else self.lacking
            raise UserError(
                f"tracker '{self.name}' needs {self.lacking}, which isn't installed here: "
                f"pip install {package}"
            )

    def send(self, method: str, *arguments: Any) -> None:
        self.tasks.put((method, arguments))

    def end(self) -> None:
        self.tasks.put(None)
        self.thread.join(LAST)
        if self.thread.is_alive():
            self._complain(f"didn't end within {LAST:.0f} s")

    def _work(self) -> None:
        try:
            try:
                tracker: Tracker = self.make()
            except ModuleNotFoundError as error:
                self.lacking = error.name or "a package"
                return
            finally:
                self.ready.set()
            while (task := self.tasks.get()) is not None:
                method, arguments = task
                getattr(tracker, method)(*arguments)
            tracker.close()
        except (Exception, SystemExit) as error:
            self._complain((str(error).strip() or type(error).__name__).splitlines()[0][:300])

    def _complain(self, why: str) -> None:
        self.listener.note(f"tracker '{self.name}' is left: {why}; the trials go on without it")


class _Tracking(Listener):
    """Hears a search for its trackers, and lets `listener` hear it first."""

    def __init__(self, listener: Listener, posts: Sequence[_Post]) -> None:
        self.listener, self.posts = listener, posts
        self.overview: Overview | None = None

    def note(self, text: str) -> None:
        self.listener.note(text)

    def progress(self, task: str, done: int, total: int) -> None:
        self.listener.progress(task, done, total)

    def publish(self, event: Any) -> None:
        self.listener.publish(event)
        if isinstance(event, SearchStart):
            self.overview = event.overview
        elif isinstance(event, Event) and self.overview is not None:
            for method, *arguments in _tasks(event, self.overview):
                for post in self.posts:
                    post.send(method, *arguments)


def _tasks(event: Event, overview: Overview) -> Iterator[tuple[Any, ...]]:
    """What trackers do with an event: the method's name and its arguments."""
    number, metric = event.number, overview.metric
    if event.what == "begin":
        yield "begin", number, event.recipe.values()
    elif event.what == "step":
        step = event.step
        if step is not None and step.score is not None:
            yield "record", number, _finite({f"fold_{metric}": step.score}), step.fold + 1
    else:
        figures = {"seconds": event.seconds}
        if event.value is not None:
            figures[metric] = event.value
        yield "record", number, _finite(figures), 0
        yield "end", number, event.state
        so_far = overview.so_far().get(number) if event.state == "complete" else None
        if so_far is not None:
            yield "record", None, _finite({"ensemble_so_far": so_far}), number


def _finite(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in figures.items() if math.isfinite(value)}


def tracker_names(asked: str | Sequence[str] | None, settings: SearchSection) -> list[str]:
    """The trackers that were asked for, or else those that `automask.toml` names; raises `UserError` for
    an unknown one."""
    names = settings.tracker if asked is None else asked
    names = [names] if isinstance(names, str) else list(names)
    return [registry.get("tracker", name).name for name in names]


@contextmanager
def tracked(names: Sequence[str], options: Options) -> Iterator[None]:
    """Inside the block what a search says goes to these trackers too.

    Raises `UserError` for an unknown one, and for one whose package isn't installed.
    """
    listener = current()
    posts: list[_Post] = []
    try:
        for name, make in _makers(names, options).items():
            posts.append(_Post(name, make, listener))
        with listening(_Tracking(listener, posts) if posts else listener):
            yield
    finally:
        for post in posts:
            post.end()


def record_ensemble(names: Sequence[str], options: Options, figures: Mapping[str, float]) -> None:
    """Have trackers note what the study's ensemble came to, as figures of the study itself."""
    for name, make in _makers(names, options).items():
        post = _Post(name, make, current())
        post.send("record", None, _finite(figures), 0)
        post.end()


def _makers(names: Sequence[str], options: Options) -> dict[str, Any]:
    """What makes each tracker, by name."""
    store, project = options.store, options.project.folder.absolute().name
    return {
        name: partial(
            registry.get("tracker", name).function,
            f"{project}-{options.study}",
            store.tracker(name).absolute(),
        )
        for name in dict.fromkeys(names)
    }
