"""A search's budget: what trials cost, what fits before the deadline, and when to stop."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import optuna
import pytest
from filelock import FileLock

from automask import deadline, machine
from automask.errors import UserError
from automask.hpo import abandoned_trials, cost, optuna_study, pruners
from automask.hpo import searcher as searcher_module
from automask.hpo.attributes import StudyAttributes, TrialAttributes
from automask.hpo.cost import Cost
from automask.hpo.limits import FAILURES_IN_A_ROW, Limits
from automask.hpo.progress import Step
from automask.hpo.sampler import STARTUP
from automask.hpo.searcher import Searcher
from automask.hpo.trials import finished_trials
from automask.space import ranges
from automask.space.ranges import Categorical, Float, Int
from automask.space.recipe import Choice, Recipe
from automask.storage.trial_store import TrialStore
from automask.study import opening, workers
from automask.study.session import Options
from automask.training import flops
from automask.training.trial import fit
from helpers.commands import automask, refused
from helpers.recipes import recipe
from helpers.searches import FOLDS, TINY, pretend, recipes, searcher, states, wait_for


def with_costs(study, limits, train=pretend, costs=None, **more):
    """A searcher whose recipes cost their first hexadecimal digit and one."""
    costs = costs or (lambda recipe: Cost(1 + int(recipe.hash[0], 16), "full x 32px", FOLDS))
    return Searcher(study.study, study.space, study.store, limits, train, 0, costs, **more)


# Pruners by name


@pytest.mark.parametrize("name", sorted(pruners.PRUNERS))
def test_every_pruner_takes_a_hopeless_trial_through_all_its_steps(name):
    made = optuna.create_study(direction="maximize", pruner=pruners.make_pruner(name, 5))
    rng = np.random.default_rng(0)
    stopped = 0
    for number in range(30):
        trial, level = made.ask(), 0.1 if number >= 20 else 0.8 + rng.normal(0, 0.01)
        for fold in range(5):
            trial.report(level - 0.02 * fold, pruners.step_number(fold))
            if trial.should_prune():
                stopped += number >= 20
                made.tell(trial, state=optuna.trial.TrialState.PRUNED)
                break
        else:
            made.tell(trial, level)
    assert (stopped > 0) == (name != "none")


def test_looks_are_hidden_from_pruners_that_compare_folds():
    made = optuna.create_study(direction="maximize", pruner=pruners.make_pruner("median", 5))
    for value in (0.5, 0.6, 0.7, 0.8, 0.9):
        trial = made.ask()
        trial.report(value, pruners.step_number(0))
        made.tell(trial, value)
    low = made.ask()
    low.report(0.1, pruners.LOOKED)
    assert not low.should_prune()
    low.report(0.1, pruners.step_number(0))
    assert low.should_prune()


def test_an_unknown_pruner_gets_a_suggestion_and_another_one_may_go_on(study):
    with pytest.raises(UserError, match="did you mean 'median'"):
        opening.begin(Options(space="space.toml", folds=FOLDS, pruner="medan"))
    again = opening.begin(Options(space="space.toml", folds=FOLDS, pruner="median"))
    assert isinstance(again.study.pruner, pruners.AtFoldEnds)


@pytest.mark.parametrize("name", sorted(pruners.PRUNERS))
def test_every_pruner_goes_with_our_sampler(inside, name):
    study = opening.begin(Options(space="space.toml", folds=FOLDS, pruner=name))
    with_costs(study, Limits(STARTUP + 3)).run()
    told = states(study)
    assert told.count("COMPLETE") + told.count("PRUNED") == STARTUP + 3


# Costs


def recipe_of(study, **wishes):
    return study.space.nearest({"freeze": "full", "augmentation": "none", **wishes})[0]


def test_what_costs_more_is_said_to_cost_more(inside):
    (inside / "mine.toml").write_text(
        "[training]\npretrained = false\nimage_size = [32, 64]\nepochs = [2, 4]\n"
        '[backbone.timm]\nmodel = "test_resnet"\n[freeze.full]\n'
        "[augmentation.none]\n"
    )
    study = opening.begin(Options(space="mine.toml", folds=FOLDS))
    gflop = flops.compute_cost(study.task())
    short = recipe_of(study, **{"training.epochs": 2, "training.image_size": 32})
    long = recipe_of(study, **{"training.epochs": 4, "training.image_size": 32})
    large = recipe_of(study, **{"training.epochs": 2, "training.image_size": 64})
    head = Recipe({**long.choices, "freeze": Choice("head_only", {})}, long.training)
    assert 1.5 < gflop(long).gflop / gflop(short).gflop < 2
    assert 3 < gflop(large).gflop / gflop(short).gflop < 5
    assert gflop(head).gflop < gflop(short).gflop / 3
    assert gflop(head).kind == "cached test_resnet 32px"
    assert gflop(short) == gflop(short)


@pytest.mark.parametrize(
    ("freeze", "images", "kind", "more"),
    [
        ("full", 597, "full", {}),
        ("last_stages", 597, "full", {"mix": ("cutmix", {})}),
        ("full", 1857, "full", {"sampling": ("undersample", {"copies": 2}), "epochs": 5}),
        ("norm_and_head", 417, "full", {"augmentation": ("light", {})}),
        ("head_only", 39, "cached", {}),
        ("head_only", 129, "cached", {"augmentation": ("light", {}), "mix": ("mixup", {})}),
        ("head_only", 159, "cached", {"augmentation": ("light", {}), "epochs": 5}),
        ("head_only", 39, "cached", {"sampling": ("smote", {})}),
        ("gradual", 456, "full", {}),
        ("gradual", 477, "full", {"mix": ("cutmix", {}), "augmentation": ("light", {})}),
        ("probe_then_tune", 546, "full", {"augmentation": ("light", {})}),
        ("probe_then_tune", 456, "full", {"sampling": ("oversample", {}), "epochs": 4}),
    ],
)
def test_costs_are_those_that_earlier_studies_kept(study, freeze, images, kind, more):
    """Of 30 train rows in three folds and 9 test rows; trials are compared by them.

    Where only norms train, a step is two passes instead of three, which earlier versions didn't count.
    """
    made, task = recipe(**{"epochs": 3, "freeze": (freeze, {}), **more}), study.task()
    told = flops.compute_cost(task)(made)
    assert told.gflop == pytest.approx(images * flops.forward(task, made))
    assert told.kind == f"{kind} test_resnet 32px"


def test_seconds_are_those_of_the_same_kind_here():
    def trial(kind, pace, machine):
        attrs = {"kind": kind, "pace": pace, "machine": machine}
        return optuna.trial.create_trial(value=0.0, user_attrs=attrs)

    here = flops.machine("cpu")
    asked = Cost(10, "full a 32px", 3, here)
    seen = [trial("cached a 32px", 9.0, here), trial("full a 32px", 1.0, "elsewhere")]
    assert cost.seconds(asked, seen) is None
    assert cost.seconds(asked, seen, {"b 64px": 3.0, "a 32px": 2.0}) == 20 * cost.SLOWER
    assert cost.seconds(asked, seen, {"b 64px": 3.0, "c 32px": 5.0}) == 40 * cost.SLOWER
    # Another worker is just writing this one's facts.
    half = optuna.trial.create_trial(value=0.0, user_attrs={"kind": "full a 32px", "pace": 1.0})
    other = {"machine": here, "pace": 1.0}
    less = optuna.trial.create_trial(value=0.0, user_attrs=other)
    assert cost.seconds(asked, [half, less]) is None
    seen += [trial("full b 64px", pace, here) for pace in (2.0, 3.0, 50.0)]
    assert cost.seconds(asked, seen, {"a 32px": 2.0}) == cost.seconds(asked, seen) == 30
    assert cost.seconds(asked, [*seen, trial("full a 32px", 4.0, here)]) == 40
    heads = [trial("cached a 32px", pace, here) for pace in (0.1, 5.0, 0.2)]
    assert cost.seconds(Cost(10, "cached a 32px", 3, here), heads) == 50


def test_a_trial_keeps_what_was_known_of_it(study):
    with_costs(study, Limits(STARTUP)).run()
    trials = study.study.get_trials()
    assert trials[0].user_attrs["predicted"] is None
    assert all(trial.user_attrs["predicted"] for trial in trials[1:])


def test_an_interrupted_study_with_costs_equals_one_that_was_not(study):
    whole = opening.begin(Options(space="space.toml", folds=FOLDS, study="whole"))
    with_costs(whole, Limits(13)).run()
    for stop in (4, 9):
        calls = []

        def cut(recipe, report, ends, stop=stop, calls=calls):
            calls.append(recipe)
            if len(calls) == 3:
                raise KeyboardInterrupt
            return pretend(recipe, report)

        with pytest.raises(KeyboardInterrupt):
            with_costs(study, Limits(stop), cut).run()
    with_costs(study, Limits(13)).run()
    assert recipes(study) == recipes(whole)


# Deadlines


def test_what_cannot_end_in_time_is_not_begun_and_something_cheaper_is(study):
    begun = []

    def train(recipe, report, ends):
        begun.append(recipe)
        time.sleep(0.01)
        return pretend(recipe, report)

    # The default recipe sets the pace: about 0.02 s a unit. Dear ones would take a day.
    def costs(recipe):
        dear = begun and int(recipe.hash[0], 16) > 3
        return Cost(1e7 if dear else 1, "full x 32px", FOLDS)

    with_costs(study, Limits(8, time.time() + 120), train, costs).run()
    assert states(study).count("COMPLETE") == 8
    assert all(int(recipe.hash[0], 16) <= 3 for recipe in begun[1:])
    assert [t.number for t in finished_trials(study.study)] == [
        t.number for t in study.study.get_trials() if t.state.name == "COMPLETE"
    ]


@pytest.mark.parametrize("least", [1, 1e9], ids=["something fits", "nothing fits"])
def test_before_any_trial_the_pace_of_passes_tells_what_fits(study, least):
    StudyAttributes(passes={"x 32px": 1.0, "y 32px": 1e9}).write(study.study)
    default, begun = study.space.default()[0].hash, []

    # The default recipe would take a day; what is tried though nothing fits is the cheapest.
    def costs(recipe):
        share = int(recipe.hash, 16) / 16**12
        return Cost(1e10 if recipe.hash == default else least + share, "full x 32px", FOLDS)

    def train(recipe, report, ends):
        begun.append(recipe)
        return pretend(recipe, report)

    with_costs(study, Limits(1, time.time() + 60), train, costs).run()
    assert len(begun) == 1 and begun[0].hash != default
    trial = finished_trials(study.study)[0]
    # Nothing is held against a trial that is only guessed.
    assert trial.user_attrs["predicted"] is None
    assert bool(TrialAttributes.read(trial).anyway) == (least > 1)


def test_a_search_ends_where_nothing_fits_and_what_waits_stays(study):
    free = study.space.nearest({"loss": "focal"})[1]
    study.study.set_user_attr("advice", {"recipes": [free]})

    def costs(recipe):
        return Cost(1e9 if done(study) else 1, "full x 32px", FOLDS)

    def train(recipe, report, ends):
        time.sleep(0.01)
        return pretend(recipe, report)

    ending = with_costs(study, Limits(8, time.time() + 60), train, costs).run()
    assert "in the time that is left" in ending
    assert states(study) == ["COMPLETE", "WAITING"]
    with_costs(study, Limits(2)).run()
    assert states(study) == ["COMPLETE", "COMPLETE"]


def done(study):
    return any(t.state.name == "COMPLETE" for t in study.study.get_trials(deepcopy=False))


def test_a_deadline_cuts_an_epoch_that_never_ends_and_the_trial_goes_on_later(study):
    def endless(recipe, report, ends):
        while True:
            try:
                time.sleep(0.01)
            except Exception:
                raise AssertionError("swallowed") from None

    assert with_costs(study, Limits(5, time.time() + 3), endless).run() == "the time is up"
    assert states(study) == ["WAITING"]
    with_costs(study, Limits(1)).run()
    assert states(study) == ["COMPLETE"]


def test_a_trial_far_beyond_what_was_expected_has_timed_out(study, monkeypatch):
    from automask.hpo import searcher as searcher_module

    monkeypatch.setattr(searcher_module, "LEAST", 2.0)
    calls = []

    def slow_once(recipe, report, ends):
        calls.append(recipe)
        while len(calls) == 2:
            time.sleep(0.01)
        return pretend(recipe, report)

    with_costs(study, Limits(3), slow_once).run()
    failed = [t for t in study.study.get_trials() if t.state.name == "FAIL"]
    assert [t.user_attrs["reason"] for t in failed] == ["timed out"]
    assert states(study).count("COMPLETE") == 3


def test_the_clock_rings_once_it_is_time_and_never_after():
    with pytest.raises(deadline.TimeUp), deadline.until(time.time() + 0.05):
        while True:
            time.sleep(0.01)
    with deadline.until(time.time() + 0.05):
        pass
    time.sleep(0.1)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


# Exhausted spaces


@pytest.mark.parametrize("epochs", ["1", "[1, 2, 3, 4]"])
def test_a_small_space_ends_after_exactly_its_recipes(inside, epochs):
    (inside / "tiny.toml").write_text(TINY.replace("epochs = 1\n", f"epochs = {epochs}\n"))
    small = opening.begin(Options(space="tiny.toml", folds=FOLDS, study="tiny"))
    assert "nothing new" in searcher(small, 50).run()
    assert len(recipes(small)) == len(set(recipes(small))) == 4
    assert len(finished_trials(small.study)) == len(recipes(small))


def test_random_draws_stay_inside_and_reach_both_ends():
    rng = np.random.default_rng(0)
    for range_ in (Int(1, 3), Int(1, 3, log=True), Categorical("a", "b")):
        drawn = {ranges.draw(range_, rng) for _ in range(200)}
        assert drawn == set(range_.corners()) | ({2} if isinstance(range_, Int) else set())
    values = np.array([ranges.draw(Float(1e-4, 1.0, log=True), rng) for _ in range(500)])
    assert all(value in Float(1e-4, 1.0) for value in values.tolist())
    assert 0.4 < (values < 1e-2).mean() < 0.6


# Patience


def test_patience_counts_trials_since_the_ensemble_last_rose(study):
    scores = [0.5, 0.6, 0.6, 0.7, 0.7, 0.7, 0.7]

    def so_far():
        return scores[: states(study).count("COMPLETE")]

    one = with_costs(study, Limits(50, patience=3), so_far=so_far)
    assert "hasn't risen for 3 trials" in one.run()
    assert states(study).count("COMPLETE") == 7


# Workers


def test_a_killed_worker_is_replaced_and_its_trial_goes_on_as_one_worker_trains_it(
    project, monkeypatch
):
    command = [
        *("search", "--trials", "8", "--folds", "3", "--space", "space.toml"),
        *("--workers", "2", "--pruner", "none"),
    ]
    with subprocess.Popen(
        [sys.executable, "-m", "automask", *command],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    ) as process:
        wait_for(lambda: process.stdout.readline().startswith("trial "))
        opened = optuna_study.open_study(f"sqlite:///{project}/runs/main/study.db", "main", 0, 3)
        wait_for(lambda: opened.get_trials(deepcopy=False, states=(RUNNING,)))
        children = subprocess.run(
            ["ps", "-ww", "--ppid", str(process.pid), "-o", "pid=,args="],
            capture_output=True,
            text=True,
        ).stdout.splitlines()
        worker = next(int(line.split()[0]) for line in children if "spawn_main" in line)
        os.kill(worker, signal.SIGKILL)
        out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert f"worker {worker} died (SIGKILL" in out
    assert "8 trials are complete or pruned; workers that died and were replaced: 1" in out
    done = [t for t in opened.get_trials() if t.state.name in ("COMPLETE", "PRUNED")]
    assert len(done) == len({t.user_attrs["hash"] for t in done}) == 8
    assert not [t for t in opened.get_trials() if t.state.name in ("RUNNING", "WAITING")]
    monkeypatch.chdir(project)
    threads = max(1, machine.cores() // 2)
    task = opening.begin(Options(space="space.toml", folds=3, threads=threads)).task()
    for trial in [*(t for t in done if "resumed" in t.user_attrs), *done[-2:]]:
        recipe = Recipe.from_dict(trial.user_attrs["recipe"])
        alone = TrialStore(project / "alone" / recipe.hash)
        assert fit(task, recipe, alone, lambda step: None) == trial.value


RUNNING = optuna.trial.TrialState.RUNNING


def test_a_search_by_the_clock_ends_with_a_sentence_and_a_typo_in_a_pruner_is_told(project):
    out = automask(project, "search", "--space", "space.toml", "--timeout", "12s", "--workers", "1")
    assert out.returncode == 0, out.stderr
    assert "the time is up" in out.stdout or "time that is left" in out.stdout
    refused(
        automask(project, "search", "--space", "space.toml", "--pruner", "hyperbnd"),
        "unknown pruner 'hyperbnd'",
        "did you mean 'hyperband'?",
    )


# What a trial tells of later ones


def of_three(recipe):
    return Cost(3.0, "full x 32px", FOLDS)


def slowly(recipe, report, ends):
    for fold in range(FOLDS):
        time.sleep(0.1)
        report(Step(fold, 1, 1, 0.0, 0.5, final=fold == FOLDS - 1))
    return 0.5


def test_a_recipe_given_by_hand_tells_later_ones_its_time(study):
    with_costs(study, Limits(0)).run_one(study.space.default()[0])
    assert {"cost", "kind", "pace", "hash", "recipe"} <= study.study.trials[0].user_attrs.keys()
    with_costs(study, Limits(3)).run()
    assert states(study) == ["COMPLETE"] * 3


def test_trials_that_are_all_slow_are_not_ended_for_ever(study, monkeypatch):
    monkeypatch.setattr(searcher_module, "LEAST", 0.05)
    with_costs(study, Limits(3), costs=of_three).run()
    with_costs(study, Limits(5), slowly, of_three).run()
    told = [trial.user_attrs.get("reason") for trial in study.study.trials]
    assert told.count("timed out") in range(1, FAILURES_IN_A_ROW)
    assert states(study).count("COMPLETE") == 5


def test_what_is_given_by_hand_is_not_ended_for_being_slow(study, monkeypatch):
    monkeypatch.setattr(searcher_module, "LEAST", 0.01)
    with_costs(study, Limits(3), costs=of_three).run()
    recipe = study.space.nearest({"training.epochs": 2, "loss": "focal"})[0]
    number = with_costs(study, Limits(0), slowly, of_three).run_one(recipe)
    assert study.study.trials[number].state.name == "COMPLETE"


def test_another_machine_forgets_what_this_one_expected(study, monkeypatch):
    monkeypatch.setattr(searcher_module, "LEAST", 0.01)

    def interrupted(recipe, report, ends):
        raise KeyboardInterrupt

    with_costs(study, Limits(2), costs=of_three).run()
    with pytest.raises(KeyboardInterrupt):
        with_costs(study, Limits(3), interrupted, of_three).run()
    assert study.study.trials[-1].user_attrs["predicted"] is not None
    elsewhere = lambda recipe: Cost(3.0, "full x 32px", FOLDS, "slow cpu 1")  # noqa: E731
    with_costs(study, Limits(3), slowly, elsewhere).run()
    assert states(study) == ["COMPLETE"] * 3
    assert study.study.trials[-1].user_attrs["predicted"] is None


# Several commands on one study


def test_a_trial_that_has_no_worker_yet_is_not_put_back(study):
    begun = []

    def meanwhile(recipe):
        if not begun:
            begun.append(
                threading.Thread(
                    target=abandoned_trials.requeue_lost, args=(other.study, study.store)
                )
            )
            begun[0].start()
            time.sleep(0.3)
        return of_three(recipe)

    other = opening.begin(Options(space="space.toml", folds=FOLDS))
    with_costs(study, Limits(2), costs=meanwhile).run()
    begun[0].join()
    assert states(study) == ["COMPLETE"] * 2


def test_patience_waits_for_what_others_train(study):
    with_costs(study, Limits(3)).run()
    with FileLock(study.store.worker_lock("other")):
        trial = study.study.ask()
        trial.set_user_attr("worker", "other")
        one = with_costs(study, Limits(9, patience=2), so_far=lambda: [0.5] * 9)
        said = []
        thread = threading.Thread(target=lambda: said.append(one.run()))
        thread.start()
        time.sleep(2 * searcher_module.PAUSE)
        assert thread.is_alive()
        study.study.tell(trial, 0.1)
        thread.join(20)
    assert "--patience" in said[0]
    assert len(study.study.trials) == 4


def test_a_storage_that_fails_is_told_in_a_sentence(study):
    def gone(recipe, report, ends):
        raise optuna.exceptions.StorageInternalError from OSError("server closed the connection")

    with pytest.raises(UserError, match="storage: server closed the connection; the same command"):
        with_costs(study, Limits(3), gone).run()
    with_costs(study, Limits(3)).run()
    assert states(study) == ["COMPLETE"] * 3


def test_a_worker_that_dies_after_another_has_ended_is_replaced(heard):
    process = SimpleNamespace(pid=7, exitcode=-9, join=lambda seconds: None)
    pipes = []

    def hire(options):
        receiving, sending = multiprocessing.Pipe(duplex=False)
        sending.send("3 trials are complete or pruned")
        pipes.append(sending)
        return receiving, process

    ended, _ = hire(None)
    dying, sending = multiprocessing.Pipe(duplex=False)
    # Only after the first one's last word.
    threading.Timer(0.3, sending.close).start()
    crew = [workers._Worker(None, pipe, process) for pipe in (ended, dying)]
    ending = workers._listen(crew, hire, Limits(3))
    assert ending.endswith("died and were replaced: 1")
    assert "worker 7 died (SIGKILL" in heard.notes[0]
