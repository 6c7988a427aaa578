"""A study's search space may grow and shrink: its trials, told anew in the space as it is now.

Optuna holds a parameter to the choices that it had in a study's first trial. So every trial's parameters
are written anew, from its recipe, under the names and ranges of the new space: in one transaction, so
that a process which is killed leaves the study as it was. Numbers, values, times and attributes stay.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

import optuna
from filelock import FileLock
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)
from optuna.trial import FrozenTrial, TrialState

from automask.errors import UserError
from automask.hpo.optuna_study import is_alive, requeue_abandoned
from automask.hpo.sampler import STARTUP
from automask.hpo.trials import (
    GIVEN,
    JOINED,
    LEFT,
    OUTSIDE,
    QUEUES,
    WARM,
    complete_trials,
    finished_trials,
)
from automask.space.ranges import Categorical, Float, Int, Range
from automask.space.recipe import Recipe
from automask.space.space import Space, plain_value
from automask.storage.study_store import StudyStore

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


#: The names of a waiting trial's own parameters, as Optuna keeps them.
QUEUED = "fixed_params"


@dataclass(frozen=True)
class Place:
    """Where a trial lies in a space: the nearest recipe there, as Optuna holds it."""

    nearest: Recipe
    params: Mapping[str, Any]
    distributions: Mapping[str, BaseDistribution]


def nearest_place(space: Space, values: Mapping[str, Any]) -> Place:
    """The place in the space that is nearest to values by name, as `Recipe.values` has them."""
    nearest, params = space.nearest(values)
    distributions = {}

    def suggest(name: str, range_: Range) -> Any:
        distributions[name] = distribution(range_)
        return params[name]

    space.sample(suggest)
    return Place(nearest, params, distributions)


def migrate(study: optuna.Study, store: StudyStore, space: Space, told: str) -> str:
    """Move a study into the space `told`, if it is in another; a sentence that says so, or none.

    The study must be opened anew where there is a sentence. Raises `UserError` while somebody
    works on it.
    """
    known = study.user_attrs["fingerprint"].get("space")
    if known == told:
        return ""
    with FileLock(store.lock):
        if any(is_alive(store, worker) for worker in store.workers()):
            raise UserError(
                f"study '{study.study_name}' is being searched now, and its space has changed "
                f"({known} before, {told} now): wait until that search ends, or stop it"
            )
        requeue_abandoned(study, store)
        return _rewrite(study, space, told)


def find_newcomers(space: Space, trials: Sequence[FrozenTrial]) -> dict[str, list[Any]]:
    """What joined the space: plugins, models, values of the training that no trial could have."""
    seen: dict[str, list[Any]] = {}
    for trial in trials:
        for name, held in trial.distributions.items():
            if isinstance(held, CategoricalDistribution):
                seen.setdefault(plain_value(name), []).extend(held.choices)
        if recipe := trial.user_attrs.get("recipe"):
            for name, value in Recipe.from_dict(recipe).values().items():
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
    values = Recipe.from_dict(best[0].user_attrs["recipe"]).values() if best else {}
    waiting = [_plain(free) for free in study.user_attrs.get(JOINED, ())]
    for name, choices in joined.items():
        kind, _, rest = name.partition(".")
        # A model comes with its library.
        with_it = {kind: rest.partition(".")[0]} if kind != "training" and rest else {}
        waiting += [{**values, **with_it, name: choice} for choice in choices]
    return [dict(nearest_place(space, one).params) for one in waiting[:STARTUP]]


def _rewrite(study: optuna.Study, space: Space, told: str) -> str:
    """Move all trials into the space; a sentence about it."""
    from sqlalchemy import orm

    trials = study.get_trials(deepcopy=False)
    counted = {trial.number for trial in finished_trials(study)}
    sources = {name: study.user_attrs.get(name) for name in QUEUES}
    joined = find_newcomers(space, trials)
    tries = _tries(study, space, joined)
    inside = 0
    engine = cast(Any, study._storage)._backend.engine
    with orm.Session(engine, autoflush=False) as session, session.begin():
        rows = _Rows(session)
        for trial in trials:
            recipe = trial.user_attrs.get("recipe")
            if recipe is not None:
                lies = _move(rows, trial, Recipe.from_dict(recipe), space)
                inside += lies and trial.number in counted
                continue
            rows.params(trial, None)
            if trial.state == TrialState.WAITING:
                queued = trial.system_attrs.get(QUEUED, {})
                rows.system(trial, QUEUED, dict(nearest_place(space, _plain(queued)).params))
        for name, source in sources.items():
            # What was measured for a study in which nothing was tried yet is measured again.
            measured = name != WARM and not trials
            rows.study(study, name, None if measured else _requeued(source, space, bool(trials)))
        rows.study(study, JOINED, tries)
        rows.study(study, "fingerprint", {**study.user_attrs["fingerprint"], "space": told})
    said = (
        f"the space has changed: {inside} of {len(counted)} finished trials lie in it; all stay in the "
        "ensemble"
    )
    if tries:
        said += f"; {len(tries)} queued to try the best recipe with what joined"
    return said


def _requeued(source: Any, space: Space, begun: bool) -> Any:
    """The recipes that a study begins with, moved; of one that was `begun`, the ones before as well,
    which trials are known by."""
    if source is None:
        return None
    moved = [dict(nearest_place(space, _plain(free)).params) for free in source["recipes"]]
    if not begun:
        return {**source, "recipes": moved}
    names = {"studies": source["studies"] * 2} if "studies" in source else {}
    return {**source, **names, "recipes": [*source["recipes"], *moved]}


def _move(rows: _Rows, trial: FrozenTrial, recipe: Recipe, space: Space) -> bool:
    """Write a trial anew; does its recipe lie in the space?

    One that waits for its last folds and was left outside isn't trained on, until the space has it
    again, unless it was asked for by name.
    """
    found = nearest_place(space, recipe.values())
    inside = found.nearest.hash == recipe.hash
    rows.params(trial, found)
    rows.user(trial, OUTSIDE, None if inside else True)
    if trial.state == TrialState.WAITING and not inside and GIVEN not in trial.user_attrs:
        rows.user(trial, "reason", LEFT)
        rows.state(trial, TrialState.FAIL, datetime.now())
    elif trial.user_attrs.get("reason") == LEFT and inside:
        rows.user(trial, "reason", None)
        rows.state(trial, TrialState.WAITING, None)
    return inside


def _plain(params: Mapping[str, Any]) -> dict[str, Any]:
    return {plain_value(name): value for name, value in params.items()}


def distribution(range_: Range) -> BaseDistribution:
    """The range as Optuna holds it."""
    match range_:
        case Float():
            return FloatDistribution(range_.low, range_.high, log=range_.log)
        case Int():
            return IntDistribution(range_.low, range_.high, log=range_.log)
        case Categorical():
            return CategoricalDistribution(range_.choices)
    raise UserError("open text can't be searched; give a list of names")


@dataclass(frozen=True)
class _Rows:
    """Optuna's tables in a transaction: its own interface changes no trial that has ended."""

    session: Session

    def params(self, trial: FrozenTrial, found: Place | None) -> None:
        from optuna.storages._rdb.models import TrialParamModel as Model

        self.session.query(Model).filter_by(trial_id=trial._trial_id).delete()
        for name, held in found.distributions.items() if found else ():
            assert found is not None
            value = held.to_internal_repr(found.params[name])
            self.session.add(
                Model(
                    trial_id=trial._trial_id,
                    param_name=name,
                    param_value=value,
                    distribution_json=distribution_to_json(held),
                )
            )

    def state(self, trial: FrozenTrial, state: TrialState, ended: datetime | None) -> None:
        from optuna.storages._rdb.models import TrialModel

        row = self.session.get_one(TrialModel, trial._trial_id)
        row.state, row.datetime_complete = state, ended

    def user(self, trial: FrozenTrial, key: str, value: Any) -> None:
        from optuna.storages._rdb.models import TrialUserAttributeModel as Model

        self._attribute(Model, "trial_id", trial._trial_id, key, value)

    def system(self, trial: FrozenTrial, key: str, value: Any) -> None:
        from optuna.storages._rdb.models import TrialSystemAttributeModel as Model

        self._attribute(Model, "trial_id", trial._trial_id, key, value)

    def study(self, study: optuna.Study, key: str, value: Any) -> None:
        from optuna.storages._rdb.models import StudyUserAttributeModel as Model

        self._attribute(Model, "study_id", study._study_id, key, value)

    def _attribute(self, model: Any, owner: str, number: int, key: str, value: Any) -> None:
        """Set an attribute, or take it away where the value is None."""
        self.session.query(model).filter_by(**{owner: number, "key": key}).delete()
        if value is not None:
            self.session.add(model(**{owner: number, "key": key, "value_json": json.dumps(value)}))
