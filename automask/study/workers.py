"""Running a search in this process, or in several beside it."""

from __future__ import annotations

import functools
import math
import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, cast

import optuna

from automask import machine
from automask.deadline import TimeUp, until
from automask.errors import UserError
from automask.hpo.limits import Limits
from automask.hpo.optuna_study import quiet_optuna
from automask.hpo.progress import Event, Report
from automask.hpo.pruners import TwoStage
from automask.hpo.searcher import LATE, Searcher
from automask.listener import Listener, listening, note, publish, quiet_libraries
from automask.space import registry
from automask.space.recipe import Recipe
from automask.storage.disk import out_of_space
from automask.storage.project import Project
from automask.study import flips
from automask.study.interrupts import answer, gentle
from automask.study.processes import cause_of_death, end_all, without_interrupts, without_main
from automask.study.session import Options, Session, open_study
from automask.units import format_bytes

#: Seconds after the deadline at which a worker that is still at it is killed.
GRACE = 20.0
#: Workers that die one after another without ending a trial, before the search gives up.
DEATHS = 5


def automatic_workers(device: str) -> int:
    """How many workers suit this machine: one a GPU, else one a core, up to four.

    Small networks train faster side by side on a core each than one after another on all cores.
    """
    import torch

    if machine.device(device).type == "cpu":
        return min(4, machine.cores())
    return torch.cuda.device_count() if device == "auto" else 1


def run(session: Session, limits: Limits, workers: int) -> str:
    """Search until the limits with that many workers; why it ended, as a sentence.

    They are fewer where the caches that so many may need at once have no room. One that dies is
    replaced.
    """
    registry.load(session.options.project)
    try:
        with until(limits.deadline):
            session = flips.settle_flips(_fitting(replace(session, workers=workers)))
    except TimeUp:
        return LATE
    context = multiprocessing.get_context("spawn")
    # When Ctrl-C came first, 0 before.
    asked = context.Value("d", 0.0)

    def ask() -> None:
        asked.value = time.time()

    if session.workers == 1:
        with gentle(ask):
            return _searcher(session, limits, lambda: asked.value > 0).run()

    def hire(options: Options) -> tuple[Any, Any]:
        """A worker's pipe and process."""
        receiving, sending = context.Pipe(duplex=False)
        # The database connection stays here; the rest of the session is what they work on.
        part = replace(session, options=options, study=cast(Any, None))
        # As bytes: classes of the project's plugins can be found once the worker has loaded these.
        arguments = (options.project, pickle.dumps(part), limits, sending, asked)
        process = context.Process(target=_work, args=arguments, daemon=True)
        with without_interrupts(), without_main():
            process.start()
        sending.close()
        return receiving, process

    crew: list[_Worker] = []
    try:
        for options in _shares(session.options, session.workers):
            crew.append(_Worker(options, *hire(options)))
        with gentle(ask):
            ending = _listen(crew, hire, limits)
        if asked.value:
            raise KeyboardInterrupt
        return ending
    except BaseException:
        # As long ago as it must be to be the second one.
        asked.value = 1.0
        for worker in crew:
            if worker.process.is_alive():
                os.kill(worker.process.pid, signal.SIGINT)
        raise
    finally:
        end_all([worker.process for worker in crew])


@dataclass
class _Worker:
    """A process with its part of the machine; of its own is the pipe that it tells its news by: one
    that is killed in the middle of a word holds up nobody."""

    options: Options
    pipe: Any
    process: Any


def run_one(session: Session, recipe: Recipe) -> int:
    """Train a recipe that was given, in this process; the number of its trial."""
    registry.load(session.options.project)
    session.study.pruner = optuna.pruners.NopPruner()
    return _searcher(session, Limits(0)).run_one(recipe)


def _shares(options: Options, workers: int) -> list[Options]:
    """Each worker's part of the machine: its threads, and a GPU in turn where there are several."""
    import torch

    threads = options.threads or max(1, machine.cores() // workers)
    shares = [replace(options, threads=threads) for _ in range(workers)]
    count = torch.cuda.device_count() if options.device == "auto" else 0
    if count > 1:
        shares = [replace(s, device=f"cuda:{i % count}") for i, s in enumerate(shares)]
    return shares


def _fitting(session: Session) -> Session:
    """The session held to its cap, with as many of its workers as that has caches for."""
    room, wanted = session.room(), session.workers
    room.trim()
    while session.workers > 1 and session.caches > room.left():
        session = replace(session, workers=session.workers - 1)
    if session.workers < wanted:
        allowed = f"the {format_bytes(session.cap)} that caches and weights may take (--disk)"
        note(f"only {session.workers} of {wanted} workers: the images of more don't fit {allowed}")
    return session


def _searcher(
    session: Session, limits: Limits, interrupted: Callable[[], bool] = lambda: False
) -> Searcher:
    from automask.study.ensemble_so_far import scores_so_far
    from automask.training import flops
    from automask.training.trial import fit, look

    room = session.room()
    task = session.task(room)
    assert session.space is not None

    def train(recipe: Recipe, report: Report, ends: float) -> float:
        return fit(task, recipe, session.store.trial(recipe.hash, room), report, ends)

    return Searcher(
        session.study,
        session.space,
        session.store,
        limits,
        train,
        session.config.search.seed,
        flops.compute_cost(task),
        lambda: list(scores_so_far(session).values()),
        session.declared,
        # Another pruner compares whole folds, or nothing.
        functools.partial(look, task) if isinstance(session.study.pruner, TwoStage) else None,
        interrupted,
    )


@dataclass(frozen=True)
class _Note:
    """A sentence for the user, on its way through a pipe."""

    text: str


@dataclass
class _Pipe(Listener):
    """Sends what a worker says to the process that began it."""

    end: Any

    def send(self, message: object) -> None:
        # Whoever started this may be gone; the searcher sees that by itself.
        with suppress(BrokenPipeError):
            self.end.send(message)

    def note(self, text: str) -> None:
        self.send(_Note(text))

    def publish(self, event: Event) -> None:
        self.send(event)


def _work(project: Project, content: bytes, limits: Limits, news: Any, asked: Any) -> None:
    pipe = _Pipe(news)

    def search(session: Session) -> str:
        answer(asked)
        try:
            with quiet_optuna(), quiet_libraries(), listening(pipe):
                study = open_study(session.config, session.options, session.store)
                part = replace(session, study=study)
                return _searcher(part, limits, lambda: asked.value > 0).run()
        finally:
            # From here on nothing is left to interrupt, and why it ended must be said.
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    message: object
    try:
        with quiet_libraries():
            registry.load(project)
            message = search(pickle.loads(content))
    except KeyboardInterrupt:
        message = "interrupted"
    except UserError as error:
        message = error
    except Exception as error:
        message = out_of_space(error, project.runs) or RuntimeError(traceback.format_exc())
    pipe.send(message)


def _listen(crew: list[_Worker], hire: Callable[[Options], tuple[Any, Any]], limits: Limits) -> str:
    """Pass on what the workers say until all have ended; why the last one did.

    A dead one is replaced, and its trial goes back to the queue as another looks for one. Raises what
    a worker raised, and `UserError` where workers die again and again without ending a trial. Those
    that can't be stopped in time are killed.
    """
    ending, died, in_a_row, killed = "", 0, 0, False
    last = math.inf if limits.deadline is None else limits.deadline + GRACE
    working = {worker.pipe: worker for worker in crew}
    while working:
        left = None if last == math.inf else max(0.0, last - time.time())
        ready: list[Any] = multiprocessing.connection.wait(list(working), left)
        if not ready:
            for worker in working.values():
                worker.process.kill()
            last, ending, killed = math.inf, ending or LATE, True
        for pipe in ready:
            try:
                message = pipe.recv()
            except (EOFError, OSError):
                worker = working.pop(pipe)
                if killed:
                    continue
                died, in_a_row = died + 1, in_a_row + 1
                worker.process.join(1)
                how = (
                    f"worker {worker.process.pid} died ({cause_of_death(worker.process.exitcode)})"
                )
                if in_a_row >= DEATHS:
                    raise UserError(
                        f"{how}, the {in_a_row}th in a row that ended no trial: fewer --workers need "
                        "less memory; the same command goes on"
                    ) from None
                note(f"{how}: another takes its place, and its trial goes on")
                worker.pipe, worker.process = hire(worker.options)
                working[worker.pipe] = worker
                continue
            if isinstance(message, Exception):
                raise message
            if isinstance(message, Event):
                in_a_row = 0 if message.what == "end" else in_a_row
                publish(message)
            elif isinstance(message, _Note):
                note(message.text)
            else:
                ending = message
                working.pop(pipe)
    return ending + (f"; workers that died and were replaced: {died}" if died else "")
