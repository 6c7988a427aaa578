"""A search from its first look at the images to its end, and the training of one recipe that is given.

What happens is said by `automask.listener`: sentences, images decoded, and as events `SearchStart`,
trials as they come and go (`automask.hpo.progress.Event`), and `SearchEnd`.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from automask.data.dataset import fold_count
from automask.data.preprocessing import prepare
from automask.deadline import TimeUp, until
from automask.diagnostics import audit
from automask.diagnostics.advice import Advice, advice
from automask.errors import UserError
from automask.hpo.abandoned_trials import is_alive, requeue_lost
from automask.hpo.attributes import StudyAttributes, TrialAttributes
from automask.hpo.limits import FAILURES_IN_A_ROW, Limits
from automask.hpo.searcher import LATE
from automask.hpo.trials import find_trial, finished_trials, last_failures, trained_trials
from automask.hpo.warm_start import Earlier, portfolio
from automask.listener import note, publish
from automask.space.recipe import Recipe
from automask.study import flips, opening, pseudo_labels, untrained, workers
from automask.study.session import Options, Session, options_of
from automask.study.summary import Ended, Overview, ended_trial, overview


@dataclass(frozen=True)
class SearchStart:
    """What the study has come to as a search of so many `workers` begins, and when it will end.

    `resumed` is a search that goes on after others.
    """

    overview: Overview
    limits: Limits
    workers: int
    folds: int
    resumed: bool = False


@dataclass(frozen=True)
class SearchEnd:
    """How a search ended: why, as a sentence, with all trials of the study that have ended.

    `interrupted` is Ctrl-C, `gave_up` that too many trials failed one after another. `verdict` says
    whether pseudo-labels were worth it; `flag` is what makes other commands mean this study.
    """

    ending: str
    metric: str
    trials: Sequence[Ended]
    interrupted: bool = False
    gave_up: bool = False
    verdict: str = ""
    flag: str = ""

    @property
    def best(self) -> Ended | None:
        """The complete trial with the highest score."""
        complete = [trial for trial in self.trials if trial.state == "complete"]
        return min(complete, key=lambda t: (-(t.value or 0.0), t.number)) if complete else None


def search(
    session: Session, limits: Limits, count: int | None = None, earlier: Sequence[Earlier] = ()
) -> SearchEnd:
    """Search until the limits: images decoded, a new study's data audited, what to train first
    measured, recipes of `earlier` studies queued, and trials trained by `count` workers.

    After Ctrl-C, too, the study is in order: a trial under way waits in the queue. Raises `UserError`
    for what the user can mend, after which a study in which nothing trained is gone.
    """
    started = datetime.now()
    for text in session.notes:
        note(text)
    count = count or workers.automatic_workers(session.options.device)
    before, folds = overview(session), session.config.search.folds
    publish(SearchStart(before, limits, count, folds, bool(before.ended)))
    interrupted, verdict = False, ""
    try:
        with untrained.forgotten_on_error(session):
            with until(limits.deadline):
                decode(session)
                audit_new_study(session)
                advise_new_study(session, limits.deadline)
                if earlier:
                    note(queue_earlier(session, earlier))
            ending = workers.run(session, limits, count)
            verdict = pseudo_labels.verdict(session) if session.pseudo else ""
    except TimeUp:
        ending = LATE
    except KeyboardInterrupt:
        requeue_lost(session.study, session.store)
        ending, interrupted = "interrupted, and everything finished is kept", True
    trials = session.study.get_trials(deepcopy=False)
    end = SearchEnd(
        ending,
        session.config.search.metric,
        ended_trials(session),
        interrupted,
        len(last_failures(trials, started)) >= FAILURES_IN_A_ROW,
        verdict,
        session.options.flag,
    )
    publish(end)
    return end


def ended_trials(session: Session) -> list[Ended]:
    """All trials of the study that have ended, by number."""
    folds = fold_count(session.folds)
    finished = finished_trials(session.study)
    return [ended_trial(t, folds) for t in finished if TrialAttributes.read(t).recipe]


def decode(session: Session) -> None:
    """The first pass over all images, so that a bad file is told before anything trains."""
    assert session.space is not None
    recipe, _ = session.space.default()
    images, rows = session.images(), np.flatnonzero(session.folds != 0)
    prepared = prepare(recipe["preprocessing"], session.data, rows, images, session.store.cache)
    images.at(recipe["resize"].name, images.largest, prepared)


def audit_new_study(session: Session) -> None:
    """Look for leaks in the data of a new study, and tell what there is."""
    if session.store.load_findings() is not None:
        return
    findings = audit.find_all(session)
    audit.save(session, findings)
    for finding in findings:
        note(finding.sentence)


def advise_new_study(session: Session, deadline: float | None) -> None:
    """Measure what a new study begins with, and tell it."""
    if session.study.trials or StudyAttributes.read(session.study).advice:
        return
    measured = measure_advice(session, deadline)
    measured.attributes.write(session.study)
    for text in measured.notes:
        note(text)


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
    before = [noted.queue(source) for source in noted.QUEUES if source != "warm_start"]
    queued = [space.default()[1], *itertools.chain(*before)]
    chosen = portfolio(earlier, space, queued)
    names = [name for name, _ in chosen]
    queue = {"studies": names, "recipes": [parameters for _, parameters in chosen]}
    StudyAttributes(warm_start=queue).write(study)
    counts = Counter(names)
    sources = ", ".join(f"{counts[one.name]} of {one.name}" for one in earlier)
    return (
        f"warm start: a search tries {len(chosen)} best recipes of earlier studies first "
        f"({sources})"
    )


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


def train_recipe(session: Session, recipe: Recipe) -> FrozenTrial:
    """Train the recipe with the study's folds and keep what comes of it; its trial.

    Nothing stops it early but Ctrl-C, after which it waits in the queue.
    """
    before = overview(session)
    limits = Limits(len(before.counted) + 1)
    publish(SearchStart(before, limits, 1, session.config.search.folds))
    try:
        with untrained.forgotten_on_error(session):
            decode(session)
            number = workers.run_one(flips.settle_flips(session), recipe)
    except KeyboardInterrupt:
        requeue_lost(session.study, session.store)
        raise
    return find_trial(session.study, number)
