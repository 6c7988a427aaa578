"""Who proposes: the draws of every version, Optuna's samplers by name, others by an entry point."""

import copy
from importlib.metadata import EntryPoint

import optuna
import pytest
from optuna.samplers import TPESampler
from optuna.trial import TrialState, create_trial

from automask.errors import UserError
from automask.hpo import sampler
from automask.hpo.attributes import TrialAttributes
from automask.study import opening
from automask.study.session import Options
from helpers.commands import automask, refused
from helpers.searches import FOLDS, recipes, searcher, states


class Reseeded(TPESampler):
    """TPE as studies had it that earlier versions began: one object, reseeded before each trial."""

    def __init__(self, seed):
        super().__init__(seed=seed, n_startup_trials=10, multivariate=True)
        self._base = seed

    def before_trial(self, study, trial):
        seed = (self._base * 1_000_003 + trial.number) % 2**32
        self._rng.rng.seed(seed)
        self._random_sampler._rng.rng.seed(seed)
        super().before_trial(study, trial)

    def infer_relative_search_space(self, study, trial):
        return super().infer_relative_search_space(within(study), trial)

    def sample_relative(self, study, trial, search_space):
        return super().sample_relative(within(study), trial, search_space)

    def sample_independent(self, study, trial, name, distribution):
        return super().sample_independent(within(study), trial, name, distribution)


def within(study):
    seen, trials = copy.copy(getattr(study, "_study", study)), study._get_trials

    def chosen(*args, **options):
        return [trial for trial in trials(*args, **options) if "outside" not in trial.user_attrs]

    vars(seen)["_get_trials"] = chosen
    return seen


def proposals(made, count=30, pruner=None):
    """What a sampler proposes for a space with branches, some trials being pruned or from outside."""
    # Hyperband's brackets go by the study's name.
    study = optuna.create_study(
        study_name="one",
        direction="maximize",
        sampler=made,
        pruner=pruner or optuna.pruners.NopPruner(),
    )
    for number in range(count):
        trial = study.ask()
        x = trial.suggest_float("x", 1e-4, 1.0, log=True)
        kind = trial.suggest_categorical("kind", ["a", "b", "c"])
        y = trial.suggest_int("y", 1, 9) if kind == "a" else 0
        trial.report(x, 0)
        ended = TrialState.PRUNED if number % 7 == 3 else TrialState.COMPLETE
        study.tell(trial, None if ended == TrialState.PRUNED else x + y, state=ended)
        if number % 10 == 4:
            attributes = TrialAttributes(outside=True).stored()
            params, held = study.trials[-1].params, study.trials[-1].distributions
            study.add_trial(
                create_trial(value=99.0, params=params, distributions=held, user_attrs=attributes)
            )
    return [trial.params for trial in study.trials]


@pytest.mark.parametrize("seed", [0, 7])
def test_tpe_draws_what_it_always_drew(seed):
    assert proposals(sampler.make_sampler("tpe", seed)) == proposals(Reseeded(seed))


def test_tpe_under_hyperband_draws_what_it_always_drew():
    def hyperband():
        return optuna.pruners.HyperbandPruner(min_resource=1, max_resource=9)

    ours = proposals(sampler.make_sampler("tpe", 3), 60, hyperband())
    assert ours == proposals(Reseeded(3), 60, hyperband())


@pytest.mark.parametrize("name", sampler.SAMPLERS)
def test_each_proposes_by_seed_and_trials_alone(name):
    assert proposals(sampler.make_sampler(name, 5), 20) == proposals(
        sampler.make_sampler(name, 5), 20
    )
    assert proposals(sampler.make_sampler(name, 5), 20) != proposals(
        sampler.make_sampler(name, 6), 20
    )


@pytest.mark.parametrize("name", sampler.SAMPLERS)
def test_none_learns_from_trials_outside_the_space(name):
    def last(value):
        study = optuna.create_study(direction="maximize", sampler=sampler.make_sampler(name, 1))
        for number in range(12):
            trial = study.ask()
            x = trial.suggest_float("x", 0, 1)
            if number == 5:
                TrialAttributes(outside=True).write(trial)
            study.tell(trial, value if number == 5 else x)
        return study.trials[-1].params

    assert last(0.0) == last(1e6)


def test_a_study_goes_on_with_another_sampler(inside):
    for name, trials in (("tpe", 12), ("random", 14), ("nsgaii", 16)):
        study = opening.begin(Options(space="space.toml", folds=FOLDS, sampler=name))
        searcher(study, trials).run()
    assert len(set(recipes(study))) == 16
    assert set(states(study)) <= {"COMPLETE", "FAIL"}


def test_hyperband_and_another_sampler_work_together(inside):
    options = Options(space="space.toml", folds=FOLDS, sampler="random", pruner="hyperband")
    study = opening.begin(options)
    searcher(study, 14).run()
    assert len(recipes(study)) >= 14


def offered(monkeypatch, value):
    point = EntryPoint("mine", value, sampler.GROUP)
    monkeypatch.setattr(sampler, "entry_points", lambda group: [point])


def test_a_package_offers_one(monkeypatch, inside):
    offered(monkeypatch, "optuna.samplers:RandomSampler")
    assert proposals(sampler.make_sampler("mine", 5)) == proposals(
        sampler.make_sampler("random", 5)
    )
    with pytest.raises(UserError, match="did you mean 'mine'"):
        sampler.make_sampler("mie", 0)


@pytest.mark.parametrize(
    "value, words",
    [
        ("nowhere.at_all:Made", "can't be made: ModuleNotFoundError"),
        ("builtins:int", "makes a int"),
        ("builtins:len", "can't be made: TypeError"),
    ],
)
def test_one_that_can_not_be_made_is_a_sentence(monkeypatch, value, words):
    offered(monkeypatch, value)
    with pytest.raises(UserError, match="sampler 'mine'") as caught:
        sampler.make_sampler("mine", 0)
    assert words in str(caught.value)


def test_a_missing_package_is_a_sentence(monkeypatch):
    monkeypatch.setattr(sampler, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'automask\[cma\]'"):
        sampler.make_sampler("cmaes", 0)


def test_an_unknown_one_is_a_sentence(project):
    with (project / "automask.toml").open("a") as file:
        file.write('sampler = "tpee"\n')
    refused(automask(project, "search"), "unknown sampler 'tpee'", "did you mean 'tpe'?")
    refused(automask(project, "search", "--sampler", "randm"), "did you mean 'random'?")
