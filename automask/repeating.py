"""Training one recipe that was given, as a trial of a study."""

from __future__ import annotations

from dataclasses import replace

from optuna.trial import FrozenTrial, TrialState
from rich.console import Console

from automask import mirroring, opening, overview, trials
from automask import session as sessions
from automask.display import Display, decode
from automask.errors import UserError
from automask.recipe import Recipe
from automask.session import Options, Session
from automask.study import alive
from automask.workers import run_one


def prepare(recipe: Recipe, options: Options) -> Session:
    """The study made ready, as it was begun or else as automask.toml says, to train this recipe too."""
    session = opening.start(sessions.begun(options))
    size = int(recipe.training["image_size"])
    return replace(session, largest=max(session.largest, size))


def known(session: Session, recipe: Recipe) -> FrozenTrial | None:
    """The complete trial of this recipe, if there is one; raises `UserError` where it is in training."""
    same = [t for t in trials.of(session.study) if t.user_attrs.get("hash") == recipe.hash]
    for trial in same:
        working = alive(session.store, trial.user_attrs.get("worker", ""))
        if trial.state == TrialState.RUNNING and working:
            raise UserError(f"trial {trial.number} is training this recipe now: automask status")
    return next((t for t in same if t.state == TrialState.COMPLETE), None)


def train(session: Session, recipe: Recipe, console: Console) -> FrozenTrial:
    """Train the recipe with the study's folds and keep what comes of it; its trial.

    Nothing stops it early but Ctrl-C, after which it waits in the queue.
    """
    before = overview.of(session)
    folds = session.config.search.folds
    display = Display(console, before, len(before.counted) + 1, folds=folds)
    decode(session, display)
    session = mirroring.settled(session, display.tell)
    with display:
        number = run_one(session, recipe, display.tell)
    return trials.find(session.study, number)
