"""What surrounds the work of a function that opens a study."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from automask import machine
from automask.hpo.optuna_study import quiet_optuna
from automask.listener import Listener, listening, quiet_libraries
from automask.space import registry
from automask.storage.project import Project


@contextmanager
def working(project: Project, listener: Listener | None = None) -> Iterator[None]:
    """Inside the block the project's plugins are loaded, and `listener`, if any, hears of the work.

    Warnings of libraries aren't shown. What work changes of the process, such as numbers of threads, is
    as before after the block.
    """
    with ExitStack() as stack:
        stack.enter_context(quiet_libraries())
        stack.enter_context(quiet_optuna())
        stack.enter_context(machine.restored())
        if listener is not None:
            stack.enter_context(listening(listener))
        registry.load(project)
        yield
