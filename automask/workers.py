"""Running a search in this process, or in several beside it."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

import optuna

from automask import mirroring
from automask import session as sessions
from automask.errors import UserError, full, told
from automask.machine import cores
from automask.recipe import Recipe
from automask.search import Event, Limits, Note, Searcher
from automask.session import Options, Session
from automask.store import RUNS

Tell = Callable[[Event | Note], None]


def automatic(device: str) -> int:
    """How many workers suit this machine: one a GPU, else one a core, up to four.

    Small networks train faster side by side on a core each than one after another on all cores.
    """
    import torch

    if device != "cpu" and torch.cuda.is_available():
        return torch.cuda.device_count() if device == "auto" else 1
    return min(4, cores())


def run(session: Session, limits: Limits, workers: int, tell: Tell) -> str:
    """Search until the limits with that many workers; why it ended, as a sentence.

    They are fewer where the caches that so many may need at once have no room.
    """
    session = mirroring.settled(_fitting(replace(session, workers=workers), tell), tell)
    if session.workers == 1:
        return _searcher(session, limits, tell).run()
    context = multiprocessing.get_context("spawn")
    # Each has a pipe of its own: one that is killed in the middle of a word holds up nobody.
    pipes: dict[Any, Any] = {}
    # Workers take Ctrl-C only once they can answer it; until then it ends them through here.
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        for options in _shares(session.options, session.workers):
            receiving, sending = context.Pipe(duplex=False)
            # The database connection stays here; the rest of the session is what they work on.
            part = replace(session, options=options, study=cast(Any, None))
            pipes[receiving] = context.Process(
                target=_work, args=(part, limits, sending), daemon=True
            )
            pipes[receiving].start()
            sending.close()
    finally:
        signal.signal(signal.SIGINT, handler)
    try:
        return _listen(list(pipes), tell)
    except BaseException:
        for process in pipes.values():
            if process.is_alive():
                os.kill(process.pid, signal.SIGINT)
        raise
    finally:
        _wait(list(pipes.values()))


def run_one(session: Session, recipe: Recipe, tell: Tell) -> int:
    """Train a recipe that was given, in this process; the number of its trial."""
    session.study.pruner = optuna.pruners.NopPruner()
    return _searcher(session, Limits(0), tell).run_one(recipe)


def _shares(options: Options, workers: int) -> list[Options]:
    """Each worker's part of the machine: its threads, and a GPU in turn where there are several."""
    import torch

    threads = options.threads or max(1, cores() // workers)
    shares = [replace(options, threads=threads) for _ in range(workers)]
    count = torch.cuda.device_count() if options.device == "auto" else 0
    if count > 1:
        shares = [replace(s, device=f"cuda:{i % count}") for i, s in enumerate(shares)]
    return shares


def _fitting(session: Session, tell: Tell) -> Session:
    """The session held to its cap, with as many of its workers as that has caches for."""
    room, wanted = session.room(lambda text: tell(Note(text))), session.workers
    room.trim()
    while session.workers > 1 and session.caches > room.left():
        session = replace(session, workers=session.workers - 1)
    if session.workers < wanted:
        allowed = f"the {told(session.cap)} that caches and weights may take (--disk)"
        tell(
            Note(
                f"only {session.workers} of {wanted} workers: the images of more don't fit {allowed}"
            )
        )
    return session


def _searcher(session: Session, limits: Limits, tell: Tell) -> Searcher:
    from automask.training import fit

    room = session.room(lambda text: tell(Note(text)))
    task = session.task(room)
    assert session.space is not None
    return Searcher(
        session.study,
        session.space,
        session.store,
        limits,
        lambda recipe, report: fit(task, recipe, session.store.trial(recipe, room), report),
        tell,
    )


def _work(session: Session, limits: Limits, news: Any) -> None:
    def say(message: object) -> None:
        # Whoever started this may be gone; the searcher sees that by itself.
        with suppress(BrokenPipeError):
            news.send(message)

    def interrupt(*_: object) -> None:
        # Once: a second one would only tear the tidying up.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    def search() -> str:
        signal.signal(signal.SIGINT, interrupt)
        try:
            study = sessions.open_study(session.config, session.options, session.store)
            return _searcher(replace(session, study=study), limits, say).run()
        finally:
            # From here on nothing is left to interrupt, and why it ended must be said.
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    message: object
    try:
        message = search()
    except KeyboardInterrupt:
        message = "interrupted"
    except UserError as error:
        message = error
    except Exception as error:
        message = full(error, RUNS) or RuntimeError(traceback.format_exc())
    say(message)


def _listen(pipes: list[Any], tell: Tell) -> str:
    """Pass the workers' events on until all have ended; why the last one did.

    Raises what a worker raised, and `UserError` where none was left to finish the study.
    """
    ending, died = "", 0
    open_: list[Any] = list(pipes)
    while open_:
        ready: list[Any] = multiprocessing.connection.wait(open_)
        for pipe in ready:
            try:
                message = pipe.recv()
            except EOFError:
                open_.remove(pipe)
                died += 1
                continue
            if isinstance(message, Exception):
                raise message
            if isinstance(message, Event | Note):
                tell(message)
            else:
                ending = message
                open_.remove(pipe)
    if not ending:
        raise UserError(f"all {died} workers died (out of memory?); the same command goes on")
    return ending + (f"; {died} of {len(pipes)} workers died on the way" if died else "")


def _wait(processes: list[Any]) -> None:
    """Let the workers tidy up; what still runs after ten seconds is ended by force."""
    end = time.monotonic() + 10
    for process in processes:
        process.join(max(0.0, end - time.monotonic()))
        process.kill()
