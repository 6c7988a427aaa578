"""What work says while it goes on, printed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from automask.api.listener import Listener, listening

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID


@contextmanager
def printed(console: Console, mark: str = "") -> Iterator[None]:
    """Inside the block, sentences are lines that begin with `mark`; what takes long has a bar."""
    printer = _Printer(console, mark)
    try:
        with listening(printer):
            yield
    finally:
        printer.stop()


class _Printer(Listener):
    def __init__(self, console: Console, mark: str) -> None:
        self.console, self.mark = console, mark
        self.bars: Progress | None = None
        self.tasks: dict[str, TaskID] = {}

    def note(self, text: str) -> None:
        self.console.print(self.mark + text, markup=False, soft_wrap=True)

    def progress(self, task: str, done: int, total: int) -> None:
        if not self.console.is_terminal:
            return
        if self.bars is None:
            from rich.progress import Progress

            self.bars = Progress(console=self.console, transient=True)
            self.bars.start()
        if task not in self.tasks:
            self.tasks[task] = self.bars.add_task(task)
        self.bars.update(self.tasks[task], completed=done, total=total)

    def stop(self) -> None:
        if self.bars is not None:
            self.bars.stop()
