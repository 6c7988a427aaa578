"""A study in its storage: opened, held to what it is about, its trials by state."""

from __future__ import annotations

import copy
import logging
import math
import warnings
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import optuna
from filelock import FileLock, Timeout
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from automask.errors import UserError
from automask.pruner import DEFAULT, make_pruner
from automask.storage.disk import TOP, out_of_space
from automask.storage.study_store import RUNS, StudyStore

#: Attributes of trials that were asked for by name: the recipe, and whether it is outside the space.
GIVEN, OUTSIDE = "given", "outside"
#: One of a trial that was drawn at random, before the sampler knew enough.
DRAWN = "drawn"
#: One that tries what joined the space; the study keeps those that aren't queued yet.
JOINED = "joined"
#: Attributes of a study that hold recipes to begin with, after the default one and in this order; the
#: first two are measured, and the advice is written last.
ADVICE, PROBE, WARM = "advice", "probe", "warm start"
QUEUES = (ADVICE, PROBE, WARM)
#: Seconds a GFLOP of a pass through each network, which the study keeps until trials tell better.
PASSES = "passes"
#: One that is begun though it may not end in time.
ANYWAY = "anyway"
#: Why a trial that waited ended when the space changed and left it out.
LEFT = "left out of the space"
#: Trials that nobody trained to the end: there already, too long for the time left, or left out.
UNUSED = ("duplicate", "too long", LEFT)
#: Trials before the sampler has seen enough to propose by it.
STARTUP = 10


class ReseededTPE(optuna.samplers.TPESampler):
    """TPE whose draws for a trial depend on the seed, the trial's number and the trials before it.

    A study that was interrupted and resumed so proposes what it would have proposed otherwise. It learns
    nothing from trials of recipes from outside the space, which have no place among its parameters.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(seed=seed, n_startup_trials=STARTUP, multivariate=True)
        self._base = seed

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        seed = (self._base * 1_000_003 + trial.number) % 2**32
        self._rng.rng.seed(seed)
        self._random_sampler._rng.rng.seed(seed)
        super().before_trial(study, trial)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return super().infer_relative_search_space(_inside(study), trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return super().sample_relative(_inside(study), trial, search_space)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        return super().sample_independent(_inside(study), trial, param_name, param_distribution)


def _inside(study: optuna.Study) -> optuna.Study:
    """The study without its trials of recipes from outside the space."""
    # Hyperband hands over a part of the study that can't be copied, with the whole in it.
    seen, trials = copy.copy(getattr(study, "_study", study)), study._get_trials

    def inside(*args: Any, **options: Any) -> list[FrozenTrial]:
        return [trial for trial in trials(*args, **options) if OUTSIDE not in trial.user_attrs]

    vars(seen)["_get_trials"] = inside
    return seen


def open_study(
    url: str,
    name: str,
    seed: int,
    folds: int,
    make: bool = True,
    pruner: str = DEFAULT,
) -> optuna.Study:
    """The Optuna study of that name, made if it isn't there.

    Raises `UserError` where the storage can't be opened, or where there is none and `make` is False.
    """
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.disable_default_handler()
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    try:
        stops = make_pruner(pruner, folds)
        storage, sampler = _storage(url), ReseededTPE(seed)
        if not make:
            return optuna.load_study(
                storage=storage, study_name=name, sampler=sampler, pruner=stops
            )
        return optuna.create_study(
            storage=storage,
            study_name=name,
            direction="maximize",
            load_if_exists=True,
            sampler=sampler,
            pruner=stops,
        )
    except KeyError as error:
        raise UserError(f"storage {url}: holds no study '{name}'; run automask search") from error
    except (SQLAlchemyError, ImportError, RuntimeError, optuna.exceptions.OptunaError) as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        hint = "; it needs pip install 'automask[postgresql]'" if "psycopg" in reason else ""
        other = UserError(f"storage {url}: can't be opened: {reason}{hint}")
        raise out_of_space(error, RUNS) or other from error


def _is_error(record: logging.LogRecord) -> bool:
    """Not Ctrl-C or the end of the time: SQLAlchemy logs these with a traceback, and raises them too."""
    return record.exc_info is None or isinstance(record.exc_info[1], Exception)


def _storage(url: str) -> optuna.storages.RDBStorage:
    logging.getLogger("sqlalchemy.pool.impl.QueuePool").addFilter(_is_error)
    if not url.startswith("sqlite"):
        return optuna.storages.RDBStorage(url)
    from sqlalchemy import event

    storage = optuna.storages.RDBStorage(url, engine_kwargs={"connect_args": {"timeout": 60}})

    @event.listens_for(storage.engine, "connect")
    def _(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    storage.engine.dispose()
    return storage


def check_identity(study: optuna.Study, hashes: dict[str, str], settings: dict[str, str]) -> None:
    """Fix what the study is about, or refuse to go on with something else.

    `hashes` cover the data, `settings` can be read by people. The space alone may change, which
    `automask.respacing` follows.
    """
    fingerprint = {**hashes, **settings}
    known = study.user_attrs.get("fingerprint")
    if known is None:
        study.set_user_attr("fingerprint", fingerprint)
        return
    changed = [k for k in fingerprint if k != "space" and known.get(k) != fingerprint[k]]
    if changed:
        told = ", ".join(
            f"{key} ({known.get(key)} before, {fingerprint[key]} now)" if key in settings else key
            for key in changed
        )
        raise UserError(
            f"study '{study.study_name}' was begun with other {told}: scores would not compare. "
            "Go on with what it began with, or begin another with --study NAME"
        )


def requeue_abandoned(study: optuna.Study, store: StudyStore) -> None:
    """Put the trials of workers that are no more back into the queue, with what they sampled.

    A worker holds a lock as long as its process lives, however that ends. Only called under the study's
    lock: a trial has no worker for a moment.
    """
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        worker = trial.user_attrs.get("worker")
        if worker is None or not is_alive(store, worker):
            requeue(study, trial._trial_id)


def requeue_lost(study: optuna.Study, store: StudyStore) -> None:
    """Put back what workers left that are no more, while others may be at work on the study."""
    with FileLock(store.lock):
        requeue_abandoned(study, store)


def requeue(study: optuna.Study, trial_id: int) -> None:
    """Back into the queue, with what it sampled and reported."""
    study._storage.set_trial_state_values(trial_id, TrialState.WAITING)


def is_alive(store: StudyStore, worker: str) -> bool:
    """Does the process of that worker live, on this machine?"""
    file = store.worker_lock(worker)
    if not file.exists():
        return False
    try:
        with FileLock(file, timeout=0):
            file.unlink(missing_ok=True)
            return False
    except Timeout:
        return True


def last_failures(trials: list[FrozenTrial], since: datetime) -> list[FrozenTrial]:
    """The trials that failed since then and since the last one that didn't."""
    failed: list[FrozenTrial] = []
    for trial in trials:
        if not _trained(trial) or trial.datetime_complete is None:
            continue
        if trial.datetime_complete < since:
            continue
        failed = [*failed, trial] if trial.state == TrialState.FAIL else []
    return failed


def finished_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Complete, pruned and failed trials, without proposals that nobody trained."""
    trials = study.get_trials(deepcopy=False)
    return [trial for trial in trials if trial.state.is_finished() and _trained(trial)]


def _trained(trial: FrozenTrial) -> bool:
    return trial.user_attrs.get("reason") not in UNUSED


def trials_without_rise(trials: list[FrozenTrial], scores: Sequence[float]) -> int:
    """How many trials ended since the ensemble's score last rose.

    `trials` are complete or pruned, `scores` those after each complete one, both as they ended.
    """
    best, count, left = -math.inf, 0, iter(scores)
    for trial in trials:
        score = next(left, best) if trial.state == TrialState.COMPLETE else best
        count = 0 if score > best else count + 1
        best = max(best, score)
    return count


def complete_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Complete trials, the best first."""
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return sorted(trials, key=lambda trial: (-trial.values[0], trial.number))


def by_end(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """Trials in the order in which they ended."""
    return sorted(trials, key=lambda trial: (trial.datetime_complete or datetime.max, trial.number))


def outranked_hashes(study: optuna.Study) -> list[str]:
    """The hashes of complete trials that are out of the running, the worst first."""
    return [trial.user_attrs["hash"] for trial in reversed(complete_trials(study)[TOP:])]
