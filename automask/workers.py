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

from automask import session as sessions
from automask.errors import UserError
from automask.machine import cores
from automask.search import Event, Limits, Searcher
from automask.session import Options, Session

Tell = Callable[[Event], None]


def automatic(device: str) -> int:
    """How many workers suit this machine: one a GPU, else one a core, up to four.

    Small networks train faster side by side on a core each than one after another on all cores.
    """
    import torch

    if device != "cpu" and torch.cuda.is_available():
        return torch.cuda.device_count() if device == "auto" else 1
    return min(4, cores())


def run(session: Session, limits: Limits, workers: int, tell: Tell) -> str:
    """Search until the limits with that many workers; why it ended, as a sentence."""
    if workers == 1:
        return _searcher(session, limits, tell).run()
    context = multiprocessing.get_context("spawn")
    # Each has a pipe of its own: one that is killed in the middle of a word holds up nobody.
    pipes: dict[Any, Any] = {}
    # Workers take Ctrl-C only once they can answer it; until then it ends them through here.
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        for options in _shares(session.options, workers):
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


def _shares(options: Options, workers: int) -> list[Options]:
    """Each worker's part of the machine: its threads, and a GPU in turn where there are several."""
    import torch

    threads = options.threads or max(1, cores() // workers)
    shares = [replace(options, threads=threads) for _ in range(workers)]
    count = torch.cuda.device_count() if options.device == "auto" else 0
    if count > 1:
        shares = [replace(s, device=f"cuda:{i % count}") for i, s in enumerate(shares)]
    return shares


def _searcher(session: Session, limits: Limits, tell: Tell) -> Searcher:
    from automask.training import fit

    task = session.task()
    assert session.space is not None
    return Searcher(
        session.study,
        session.space,
        session.store,
        limits,
        lambda recipe, report: fit(task, recipe, session.store.trial(recipe), report),
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

    signal.signal(signal.SIGINT, interrupt)
    try:
        study = sessions.open_study(session.config, session.options, session.store)
        session = replace(session, study=study)
        say(_searcher(session, limits, say).run())
    except KeyboardInterrupt:
        say("interrupted")
    except UserError as error:
        say(error)
    except Exception:
        say(RuntimeError(traceback.format_exc()))
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


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
            if isinstance(message, Event):
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
