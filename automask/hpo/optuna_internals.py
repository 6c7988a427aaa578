"""What Optuna has no public way to: the only module that names its private parts.

For it `pyproject.toml` holds Optuna to the versions that it was tried with.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import optuna
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.trial import FrozenTrial, TrialState

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.orm import Session


#: The name of a waiting trial's own parameters among the attributes that Optuna keeps for itself.
QUEUED = "fixed_params"


def requeue(study: optuna.Study, trial: FrozenTrial | optuna.Trial) -> None:
    """Put a running trial back into the queue, with what it sampled and reported."""
    study._storage.set_trial_state_values(trial._trial_id, TrialState.WAITING)


def claim(study: optuna.Study, trial: FrozenTrial) -> optuna.Trial:
    """Take this trial from the queue, whichever is next there."""
    study._storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING)
    return optuna.Trial(study, trial._trial_id)


def delete(study: optuna.Study) -> None:
    """Take the study out of its storage, and leave that."""
    study._storage.delete_study(study._study_id)
    engine(study).dispose()


def storage_of(study: optuna.Study) -> optuna.storages.BaseStorage:
    """Where the study is stored."""
    return study._storage


def number_of(study: optuna.Study) -> int:
    """The study's number in its storage."""
    return study._study_id


def place_of(study: optuna.Study, trial: FrozenTrial) -> Any:
    """A trial, also one that ended, as what keeps notes of it takes one: by its place in the storage."""
    return SimpleNamespace(storage=study._storage, study=study, _trial_id=trial._trial_id)


def queued_params(trial: FrozenTrial) -> dict[str, Any] | None:
    """The parameters that a trial was queued with; None for one that was sampled."""
    return trial.system_attrs.get(QUEUED)


def view(study: optuna.Study, shown: Callable[[FrozenTrial], bool]) -> optuna.Study:
    """The study as a sampler is to see it, with those of its trials that are shown."""
    # Hyperband hands over a part of the study that can't be copied, with the whole in it.
    part, trials = copy.copy(getattr(study, "_study", study)), study._get_trials

    def chosen(*args: Any, **options: Any) -> list[FrozenTrial]:
        return [trial for trial in trials(*args, **options) if shown(trial)]

    vars(part)["_get_trials"] = chosen
    return part


def engine(study: optuna.Study) -> Engine:
    """The database that the study is in."""
    engine: Engine = cast(Any, study._storage)._backend.engine
    return engine


@contextmanager
def rewriting(study: optuna.Study) -> Iterator[Rows]:
    """A study's rows in one transaction: Optuna's own interface changes no trial that has ended."""
    from sqlalchemy import orm

    with orm.Session(engine(study), autoflush=False) as session, session.begin():
        yield Rows(session, study._study_id)


@dataclass(frozen=True)
class Rows:
    """A study's rows in Optuna's tables, to be changed in a transaction."""

    session: Session
    study_id: int

    def params(
        self,
        trial: FrozenTrial,
        params: Mapping[str, Any],
        distributions: Mapping[str, BaseDistribution],
    ) -> None:
        """Put these in place of a trial's parameters."""
        from optuna.storages._rdb.models import TrialParamModel as Model

        self.session.query(Model).filter_by(trial_id=trial._trial_id).delete()
        for name, distribution in distributions.items():
            self.session.add(
                Model(
                    trial_id=trial._trial_id,
                    param_name=name,
                    param_value=distribution.to_internal_repr(params[name]),
                    distribution_json=distribution_to_json(distribution),
                )
            )

    def queued_params(self, trial: FrozenTrial, params: Mapping[str, Any]) -> None:
        """Put these in place of those that a trial was queued with."""
        from optuna.storages._rdb.models import TrialSystemAttributeModel as Model

        self._attribute(Model, "trial_id", trial._trial_id, QUEUED, params)

    def state(self, trial: FrozenTrial, state: TrialState, ended: datetime | None) -> None:
        from optuna.storages._rdb.models import TrialModel

        row = self.session.get_one(TrialModel, trial._trial_id)
        row.state, row.datetime_complete = state, ended

    def trial(self, trial: FrozenTrial, attributes: Mapping[str, Any]) -> None:
        """Set attributes of a trial, and take away those that are None."""
        from optuna.storages._rdb.models import TrialUserAttributeModel as Model

        for key, value in attributes.items():
            self._attribute(Model, "trial_id", trial._trial_id, key, value)

    def study(self, attributes: Mapping[str, Any]) -> None:
        """Set attributes of the study, and take away those that are None."""
        from optuna.storages._rdb.models import StudyUserAttributeModel as Model

        for key, value in attributes.items():
            self._attribute(Model, "study_id", self.study_id, key, value)

    def _attribute(self, model: Any, owner: str, number: int, key: str, value: Any) -> None:
        self.session.query(model).filter_by(**{owner: number, "key": key}).delete()
        if value is not None:
            self.session.add(model(**{owner: number, "key": key, "value_json": json.dumps(value)}))
