"""Who proposes recipes: Optuna's samplers by name, and any other by an entry point.

A package offers one in the group `automask.samplers`: a callable that takes a seed and returns an
`optuna.samplers.BaseSampler`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import entry_points
from importlib.util import find_spec
from itertools import islice
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from automask.errors import UserError, did_you_mean
from automask.hpo.attributes import TrialAttributes
from automask.hpo.optuna_internals import view

DEFAULT = "tpe"
GROUP = "automask.samplers"
#: Trials before a sampler has seen enough to propose by it.
STARTUP = 10
Maker = Callable[[int], BaseSampler]


class PerTrial(BaseSampler):
    """Another sampler, made anew for each trial with a seed of the study's seed and the trial's number.

    What it proposes depends on these and on the trials before, so that a study that was interrupted
    goes on as it would have gone otherwise. It sees nothing of recipes from outside the space, which
    have no place among its parameters.
    """

    def __init__(self, make: Maker, seed: int) -> None:
        self._make, self._seed = make, seed
        self._sampler, self._outside = make(seed), frozenset[int]()

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        trials = study.get_trials(deepcopy=False)
        self._outside = frozenset(t.number for t in trials if TrialAttributes.read(t).outside)
        self._sampler = self._make((self._seed * 1_000_003 + trial.number) % 2**32)
        self._sampler.before_trial(study, trial)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self._sampler.infer_relative_search_space(self._inside(study), trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._sampler.sample_relative(self._inside(study), trial, search_space)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        return self._sampler.sample_independent(
            self._inside(study), trial, param_name, param_distribution
        )

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        self._sampler.after_trial(study, trial, state, values)

    def _inside(self, study: optuna.Study) -> optuna.Study:
        return view(study, lambda trial: trial.number not in self._outside)


def make_sampler(name: str, seed: int) -> BaseSampler:
    """The sampler of that name; raises `UserError` where there is none, or where it can't be made.

    Trials keep nothing of the sampler that matters to another, so that a study may go on with one.
    """
    return PerTrial(SAMPLERS.get(name) or _installed(name), seed)


def _installed(name: str) -> Maker:
    """What a package offers under that name."""
    offers = {offer.name: offer for offer in entry_points(group=GROUP)}
    if name not in offers:
        raise UserError(f"unknown sampler '{name}'{did_you_mean(name, [*SAMPLERS, *offers])}")

    def make(seed: int) -> BaseSampler:
        try:
            sampler = offers[name].load()(seed)
        except Exception as error:
            raise UserError(
                f"sampler '{name}' ({offers[name].value}): can't be made: "
                f"{type(error).__name__}: {error}"
            ) from error
        if not isinstance(sampler, BaseSampler):
            raise UserError(
                f"sampler '{name}' ({offers[name].value}): makes a {type(sampler).__name__}, "
                "and should make an optuna.samplers.BaseSampler"
            )
        return sampler

    return make


def _cmaes(seed: int) -> BaseSampler:
    if find_spec("cmaes") is None:
        raise UserError("sampler 'cmaes' needs a package: pip install 'automask[cma]'")
    return optuna.samplers.CmaEsSampler(
        seed=seed, n_startup_trials=STARTUP, warn_independent_sampling=False
    )


SAMPLERS: dict[str, Maker] = {
    DEFAULT: lambda seed: optuna.samplers.TPESampler(
        seed=seed, n_startup_trials=STARTUP, multivariate=True
    ),
    "random": optuna.samplers.RandomSampler,
    "gp": lambda seed: optuna.samplers.GPSampler(
        seed=seed, n_startup_trials=STARTUP, warn_independent_sampling=False
    ),
    "cmaes": _cmaes,
    "nsgaii": lambda seed: optuna.samplers.NSGAIISampler(seed=seed, population_size=STARTUP),
    "qmc": lambda seed: optuna.samplers.QMCSampler(seed=seed, warn_independent_sampling=False),
}


def is_startup(trials: Iterable[FrozenTrial]) -> bool:
    """Does the sampler know too little? It learns nothing from recipes outside the space."""
    counted = (t for t in trials if t.state in (TrialState.COMPLETE, TrialState.PRUNED))
    inside = (trial for trial in counted if not TrialAttributes.read(trial).outside)
    return len(list(islice(inside, STARTUP))) < STARTUP
