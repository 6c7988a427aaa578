"""A study's search space may grow and shrink: its trials, moved into the space as it is now.

Optuna holds a parameter to the choices that it had in a study's first trial. So every trial's parameters
are written anew, from its recipe, under the names and ranges of the new space: in one transaction, so
that a process which is killed leaves the study as it was. Numbers, values, times and attributes stay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import optuna
from filelock import FileLock
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import FixedTrial, FrozenTrial, TrialState

from automask.errors import UserError
from automask.hpo.abandoned_trials import is_alive, requeue_abandoned
from automask.hpo.attributes import StudyAttributes, TrialAttributes, recipe_of
from automask.hpo.optuna_internals import Rows, queued_params, rewriting
from automask.hpo.sampler import STARTUP
from automask.hpo.suggester import suggester
from automask.hpo.trials import LEFT, complete_trials, finished_trials
from automask.space.recipe import Recipe
from automask.space.space import Space, plain_name
from automask.storage.study_store import StudyStore


@dataclass(frozen=True)
class Place:
    """Where a trial lies in a space: the nearest recipe there, as Optuna holds it."""

    nearest: Recipe
    params: Mapping[str, Any]
    distributions: Mapping[str, BaseDistribution]


def nearest_place(space: Space, values: Mapping[str, Any]) -> Place:
    """The place in the space that is nearest to values by name, as `Recipe.values` has them."""
    nearest, params = space.nearest(values)
    trial = FixedTrial(params)
    space.sample(suggester(trial))
    return Place(nearest, params, trial.distributions)


def migrate(study: optuna.Study, store: StudyStore, space: Space, fingerprint: str) -> str:
    """Move a study into the space of that fingerprint if it is in another; a sentence on it, or none.

    The study must be opened anew where there is a sentence. Raises `UserError` while somebody
    works on it.
    """
    present = StudyAttributes.read(study).identity.get("space")
    if present == fingerprint:
        return ""
    with FileLock(store.lock):
        if any(is_alive(store, worker) for worker in store.workers()):
            raise UserError(
                f"study '{study.study_name}' is being searched now, and its space has changed "
                f"({present} before, {fingerprint} now): wait until that search ends, or stop it"
            )
        requeue_abandoned(study, store)
        return _rewrite(study, space, fingerprint)


def find_newcomers(space: Space, trials: Sequence[FrozenTrial]) -> dict[str, list[Any]]:
    """What joined the space: plugins, models, values of the training that no trial could have."""
    seen: dict[str, list[Any]] = {}
    for trial in trials:
        for name, distribution in trial.distributions.items():
            if isinstance(distribution, CategoricalDistribution):
                seen.setdefault(plain_name(name), []).extend(distribution.choices)
        if TrialAttributes.read(trial).recipe:
            for name, value in recipe_of(trial).values().items():
                seen.setdefault(name, []).append(value)
    offered = dict(space.domains)
    for library, model in space.models():
        offered.setdefault(f"backbone.{library}.model", []).append(model)
    return {
        name: new
        for name, choices in offered.items()
        if seen and (new := [choice for choice in choices if choice not in seen.get(name, ())])
    }


def _tries(study: optuna.Study, space: Space, joined: Mapping[str, list[Any]]) -> list[Any]:
    """Parameters of the best recipe with each of what joined; the sampler has no reason to try it."""
    best = complete_trials(study)[:1]
    values = recipe_of(best[0]).values() if best else {}
    waiting = [_plain(params) for params in StudyAttributes.read(study).joined or ()]
    for name, choices in joined.items():
        kind, _, rest = name.partition(".")
        # A model comes with its library.
        with_it = {kind: rest.partition(".")[0]} if kind != "training" and rest else {}
        waiting += [{**values, **with_it, name: choice} for choice in choices]
    return [dict(nearest_place(space, one).params) for one in waiting[:STARTUP]]


def _rewrite(study: optuna.Study, space: Space, fingerprint: str) -> str:
    """Move all trials into the space; a sentence about it."""
    trials = study.get_trials(deepcopy=False)
    counted = {trial.number for trial in finished_trials(study)}
    attributes = StudyAttributes.read(study)
    tries = _tries(study, space, find_newcomers(space, trials))
    queues = {
        name: _move_queue(getattr(attributes, name), space, bool(trials))
        for name in attributes.QUEUES
    }
    if not trials:
        # What was measured for a study in which nothing was tried yet is measured again.
        queues |= {"start": None, "advice": None, "probe": None}
    identity = {**attributes.identity, "space": fingerprint}
    inside = 0
    with rewriting(study) as rows:
        for trial in trials:
            if TrialAttributes.read(trial).recipe:
                inside += _move(rows, trial, space) and trial.number in counted
                continue
            rows.params(trial, {}, {})
            if trial.state == TrialState.WAITING:
                queued = nearest_place(space, _plain(queued_params(trial) or {}))
                rows.queued_params(trial, dict(queued.params))
        rows.study(StudyAttributes(joined=tries, fingerprint=identity, **queues).stored())
    sentence = (
        f"the space has changed: {inside} of {len(counted)} finished trials lie in it; all stay in the "
        "ensemble"
    )
    if tries:
        sentence += f"; {len(tries)} queued to try the best recipe with what joined"
    return sentence


def _move_queue(source: Any, space: Space, begun: bool) -> Any:
    """The recipes that a study begins with, moved; of one that was `begun`, the ones before as well,
    which trials are known by."""
    if source is None:
        return None
    recipes = [dict(nearest_place(space, _plain(params)).params) for params in source["recipes"]]
    if not begun:
        return {**source, "recipes": recipes}
    names = {"studies": source["studies"] * 2} if "studies" in source else {}
    return {**source, **names, "recipes": [*source["recipes"], *recipes]}


def _move(rows: Rows, trial: FrozenTrial, space: Space) -> bool:
    """Write a trial anew; does its recipe lie in the space, whatever its epochs?

    One that waits for its last folds and was left outside isn't trained on, until the space has it
    again, unless it was asked for by name.
    """
    attributes, recipe = TrialAttributes.read(trial), recipe_of(trial)
    place = nearest_place(space, recipe.values())
    inside = place.nearest.with_epochs(recipe.training["epochs"]).hash == recipe.hash
    rows.params(trial, place.params, place.distributions)
    rows.trial(trial, TrialAttributes(outside=None if inside else True).stored())
    if trial.state == TrialState.WAITING and not inside and not attributes.given:
        rows.trial(trial, TrialAttributes(reason=LEFT).stored())
        rows.state(trial, TrialState.FAIL, datetime.now())
    elif attributes.reason == LEFT and inside:
        rows.trial(trial, TrialAttributes(reason=None).stored())
        rows.state(trial, TrialState.WAITING, None)
    return inside


def _plain(params: Mapping[str, Any]) -> dict[str, Any]:
    return {plain_name(name): value for name, value in params.items()}
