"""Running a search in this process, or in several beside it."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from automask import session as sessions
from automask.errors import UserError
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
    return min(4, os.cpu_count() or 1)


def run(session: Session, limits: Limits, workers: int, tell: Tell) -> str:
    """Search until the limits with that many workers; why it ended, as a sentence."""
    if workers == 1:
        return _searcher(session, limits, tell).run()
    context = multiprocessing.get_context("spawn")
    news: Any = context.Queue()
    processes = [
        context.Process(target=_work, args=(options, limits, news), daemon=True)
        for options in _shares(session.options, workers)
    ]
    # Workers take Ctrl-C only once they can answer it; until then it ends them through here.
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        for process in processes:
            process.start()
    finally:
        signal.signal(signal.SIGINT, handler)
    try:
        return _listen(news, processes, tell)
    finally:
        for process in processes:
            process.join(timeout=10)
            process.kill()


def _shares(options: Options, workers: int) -> list[Options]:
    """Each worker's part of the machine: its threads, and a GPU in turn where there are several."""
    import torch

    threads = options.threads or max(1, (os.cpu_count() or 1) // workers)
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


def _work(options: Options, limits: Limits, news: Any) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        session = sessions.start(options)
        news.put(_searcher(session, limits, news.put).run())
    except UserError as error:
        news.put(error)
    except KeyboardInterrupt:
        news.put("interrupted")


def _listen(news: Any, processes: list[Any], tell: Tell) -> str:
    """Pass the workers' events on until all have ended; the last one's reason."""
    endings: list[str] = []
    while len(endings) < len(processes):
        try:
            message = news.get(timeout=0.5)
        except queue.Empty:
            if not any(process.is_alive() for process in processes):
                break
            continue
        if isinstance(message, UserError):
            raise message
        if isinstance(message, Event):
            tell(message)
        else:
            endings.append(message)
    lost = len(processes) - len(endings)
    if lost:
        endings.append(
            f"{lost} of {len(processes)} workers died; run the same command again to go on"
        )
    return endings[-1]
