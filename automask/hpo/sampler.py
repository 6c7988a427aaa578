"""TODO hpo/sampler."""

from __future__ import annotations

import copy
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from automask.hpo.trials import OUTSIDE

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
