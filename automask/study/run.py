"""Training one recipe that was given, as a trial of a study."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from optuna.trial import FrozenTrial, TrialState
from rich.console import Console

from automask.cli.display import Display, decode
from automask.diagnostics.advice import Advice, advice
from automask.errors import UserError
from automask.hpo.attributes import StudyAttributes, TrialAttributes
from automask.hpo.optuna_study import is_alive
from automask.hpo.trials import find_trial, trained_trials
from automask.hpo.warm_start import Earlier, portfolio
from automask.space.recipe import Recipe
from automask.study import flips, opening, summary
from automask.study.session import Options, Session, options_of
from automask.study.workers import run_one


def prepare_training(recipe: Recipe, options: Options) -> Session:
    """The study made ready, as it was begun or else as automask.toml says, to train this recipe too."""
    session = opening.begin(options_of(options))
    size = int(recipe.training["image_size"])
    return replace(session, largest=max(session.largest, size))


def find_complete(session: Session, recipe: Recipe) -> FrozenTrial | None:
    """The complete trial of this recipe, if there is one; raises `UserError` where it is in training."""
    same = [t for t in trained_trials(session.study) if TrialAttributes.read(t).hash == recipe.hash]
    for trial in same:
        working = is_alive(session.store, TrialAttributes.read(trial).worker or "")
        if trial.state == TrialState.RUNNING and working:
            raise UserError(f"trial {trial.number} is training this recipe now: automask status")
    return next((t for t in same if t.state == TrialState.COMPLETE), None)


def train_recipe(session: Session, recipe: Recipe, console: Console) -> FrozenTrial:
    """Train the recipe with the study's folds and keep what comes of it; its trial.

    Nothing stops it early but Ctrl-C, after which it waits in the queue.
    """
    before = summary.overview(session)
    folds = session.config.search.folds
    display = Display(console, before, len(before.counted) + 1, folds=folds)
    decode(session, display)
    session = flips.settle_flips(session, display.tell)
    with display:
        number = run_one(session, recipe, display.tell)
    return find_trial(session.study, number)


def measure_advice(session: Session, deadline: float | None = None) -> Advice:
    """Measure what a search of the session begins with, before the deadline (Unix time) if any."""
    assert session.space is not None
    return advice(session.task(), session.space, deadline)


def queue_earlier(session: Session, earlier: Sequence[Earlier]) -> str:
    """Have a study that has no trial yet try recipes of earlier ones; what was done, as a sentence."""
    study, space = session.study, session.space
    assert space is not None
    if study.trials:
        return (
            f"study '{study.study_name}' is under way, so that --warm-start adds nothing; "
            "begin another with --study NAME"
        )
    noted = StudyAttributes.read(study)
    known = [space.default()[1], *noted.queue("advice"), *noted.queue("probe")]
    chosen = portfolio(earlier, space, known)
    names = [name for name, _ in chosen]
    kept = {"studies": names, "recipes": [free for _, free in chosen]}
    StudyAttributes(warm_start=kept).write(study)
    counts = Counter(names)
    told = ", ".join(f"{counts[one.name]} of {one.name}" for one in earlier)
    return (
        f"warm start: a search tries {len(chosen)} best recipes of earlier studies first ({told})"
    )
