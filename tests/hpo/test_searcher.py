"""The driver: exact budgets, resuming, pruning and states."""

import os
import re
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import optuna
import pytest
from huggingface_hub import constants
from optuna.trial import TrialState

from automask import units
from automask.errors import TrialError, UserError
from automask.hpo import abandoned_trials, optuna_study, proposer, pruners
from automask.hpo.limits import Limits
from automask.hpo.progress import Step
from automask.hpo.searcher import Searcher
from automask.hpo.trials import finished_trials
from automask.study import opening, workers
from automask.study.session import Options
from automask.training import pretrained
from helpers.commands import automask, refused
from helpers.competition import draw_table
from helpers.plugins import FOCAL
from helpers.searches import FOLDS, HOLD, TINY, pretend, recipes, searcher, states, wait_for


def test_the_default_recipe_comes_first_and_the_count_is_exact(study, heard):
    one = searcher(study, 7)
    assert "7 trials" in one.run()
    assert len(recipes(study)) == len(set(recipes(study))) == 7
    assert recipes(study)[0] == study.space.default()[0].hash
    heard.events.clear()
    again = searcher(study, 7)
    again.run()
    assert not heard.events, "a study that is done trains nothing more"
    more = searcher(study, 9)
    more.run()
    assert len(recipes(study)) == 9


def test_failures_are_told_and_do_not_count(study, heard):
    calls = []

    def sometimes(recipe, report, ends):
        calls.append(recipe)
        if len(calls) % 2:
            raise TrialError("out of memory", "too big")
        return pretend(recipe, report)

    one = searcher(study, 4, sometimes)
    one.run()
    assert states(study).count("COMPLETE") == 4
    failed = [e for e in heard.events if e.what == "end" and e.state == "out of memory"]
    assert len(failed) == 4
    assert failed[0].message == "too big"


def test_ten_failures_in_a_row_end_the_study(study):
    def never(recipe, report, ends):
        raise TrialError("not-a-number", "the loss was nan")

    one = searcher(study, 50, never)
    assert "10 trials in a row failed" in one.run()
    assert len(finished_trials(study.study)) == 10


def test_a_small_space_ends_with_a_sentence(inside):
    (inside / "tiny.toml").write_text(TINY)
    small = opening.begin(Options(space="tiny.toml", folds=FOLDS, study="tiny"))
    one = searcher(small, 50)
    assert "nothing new" in one.run()
    assert len(recipes(small)) == len(set(recipes(small))) == 4


def test_an_interrupted_trial_goes_on_and_the_study_is_as_if_never_interrupted(study, inside):
    whole = opening.begin(Options(space="space.toml", folds=FOLDS, study="whole"))
    searcher(whole, 8).run()

    calls = []

    def cut(recipe, report, ends):
        calls.append(recipe.hash)
        if len(calls) == 4:
            report(Step(0, 1, 1, 0.0, 0.5))
            raise KeyboardInterrupt
        return pretend(recipe, report)

    with pytest.raises(KeyboardInterrupt):
        searcher(study, 8, cut).run()
    assert states(study) == ["COMPLETE"] * 3 + ["WAITING"]
    searcher(study, 8).run()
    assert recipes(study) == recipes(whole)


def test_the_trial_of_a_dead_worker_is_taken_up_and_that_of_a_living_one_is_not(study):
    trial = study.study.ask()
    trial.set_user_attr("worker", "dead")
    abandoned_trials.requeue_abandoned(study.study, study.store)
    assert states(study) == ["WAITING"]
    alive = searcher(study, 3)
    trial = study.study.ask()
    trial.set_user_attr("worker", alive.worker)
    command = [sys.executable, "-c", HOLD, str(study.store.worker_lock(alive.worker).absolute())]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline()
        abandoned_trials.requeue_abandoned(study.study, study.store)
        assert states(study) == ["RUNNING"]
        holder.kill()
        holder.wait()
        abandoned_trials.requeue_abandoned(study.study, study.store)
        assert states(study) == ["WAITING"]


def test_a_worker_waits_for_the_last_trial_of_another_and_takes_its_place(study):
    searcher(study, 2).run()
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(study.store.worker_lock("other").absolute())],
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout.readline()
        trial = study.study.ask()
        study.space.sample(proposer.suggester(trial))
        trial.set_user_attr("worker", "other")
        waiting = searcher(study, 3)
        thread = threading.Thread(target=waiting.run)
        thread.start()
        thread.join(2)
        assert thread.is_alive(), "the third trial is another's, and may yet be lost"
        holder.kill()
        holder.wait()
        thread.join(30)
    assert states(study) == ["COMPLETE"] * 3


def test_a_deadline_stops_the_trial_under_way_and_keeps_it(study):
    def slow(recipe, report, ends):
        for _ in range(100):
            time.sleep(0.05)
            report(Step(0, 1, 1, 0.0))
        raise AssertionError("went on after the deadline")

    one = Searcher(study.study, study.space, study.store, Limits(5, time.time() + 0.3), slow)
    assert one.run() == "the time is up"
    assert states(study) == ["WAITING"]


def test_resuming_with_something_else_is_refused(study, inside):
    searcher(study, 1).run()
    for options, word in [
        (Options(space="space.toml", folds=4), "begun with 3 folds, not 4"),
        (
            Options(space="space.toml", folds=FOLDS, metric="accuracy"),
            "metric .macro_f1 before, accuracy now",
        ),
        (Options(space="space.toml", folds=FOLDS, seed=5), "seed .0 before, 5 now"),
    ]:
        with pytest.raises(UserError, match=word):
            opening.begin(options)
    text = (inside / "data/train.csv").read_text()
    (inside / "data/train.csv").write_text(text.replace(",01,", ",2,", 1))
    with pytest.raises(UserError, match="labels"):
        opening.begin(Options(space="space.toml", folds=FOLDS))


# Pruning


def told_study(scores):
    made = optuna.create_study(direction="maximize", pruner=pruners.TwoStage(5))
    for folds in scores:
        trial = made.ask()
        for fold, value in enumerate(folds):
            trial.report(value, pruners.step_number(fold))
        made.tell(trial, float(np.mean(folds)))
    return made


def test_the_pruner_drops_what_is_far_behind_and_keeps_what_is_near():
    rng = np.random.default_rng(0)
    easy = rng.normal(0, 0.02, 5)
    made = told_study([0.8 + 0.01 * k + easy + rng.normal(0, 0.01, 5) for k in range(8)])

    def pruned(base, fold):
        trial = made.ask()
        for k in range(fold + 1):
            trial.report(base + easy[k], pruners.step_number(k))
        answer = trial.should_prune()
        made.tell(trial, state=TrialState.FAIL)
        return answer

    assert pruned(0.6, 0)
    assert not pruned(0.86, 0)
    assert not pruned(0.835, 1), "as good as the fifth best"
    assert not pruned(0.1, 4), "nothing is saved after the last fold"


@pytest.mark.filterwarnings("error")
def test_a_pruner_by_the_best_trial_waits_for_two():
    by_best = pruners.TwoStage(5, rank=1)
    for complete in (1, 2):
        made = told_study([[0.8, 0.82, 0.8, 0.81, 0.8], [0.7, 0.71, 0.7, 0.72, 0.7]][:complete])
        trial = made.ask()
        trial.report(0.1, pruners.step_number(0))
        told = made.get_trials(deepcopy=False)[trial.number]
        assert by_best.prune(made, told) == (complete == 2)


# The whole command, killed


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_search_goes_on_to_the_exact_count(project, how, workers):
    command = [
        *("search", "--trials", "6", "--folds", "3", "--space", "space.toml"),
        *("--workers", str(workers)),
    ]
    environment = {**os.environ, "COLUMNS": "200"}
    with subprocess.Popen(
        [sys.executable, "-m", "automask", *command],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    ) as process:
        wait_for(lambda: "trial " in process.stdout.readline())
        # As a terminal does it: Ctrl-C reaches every process of the group, kill -9 just the one.
        (os.killpg if how == signal.SIGINT else os.kill)(process.pid, how)
        out, err = process.communicate(timeout=60)
    assert process.returncode == (130 if how == signal.SIGINT else -9), out + err
    assert "Traceback" not in err
    if how == signal.SIGINT:
        assert "interrupted, and everything finished is kept" in out
    again = automask(project, *command)
    assert again.returncode == 0, again.stderr
    assert "6 trials are complete or pruned" in again.stdout
    storage = optuna_study.open_study(f"sqlite:///{project}/runs/main/study.db", "main", 0, 3)
    done = [t for t in storage.get_trials() if t.state.name in ("COMPLETE", "PRUNED")]
    hashes = [t.user_attrs["hash"] for t in done]
    assert len(hashes) == len(set(hashes)) == 6
    assert not [t for t in storage.get_trials() if t.state.name in ("RUNNING", "WAITING")]


def test_a_local_plugin_is_sampled_by_a_shipped_space(tmp_path, monkeypatch):
    draw_table(tmp_path / "data")
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "mine.py").write_text(FOCAL)
    assert automask(tmp_path, "init", "data").returncode == 0
    out = automask(
        tmp_path, "search", "--space", "demo", "--trials", "6", "--folds", "2", "--workers", "1"
    )
    assert out.returncode == 0, out.stderr
    assert " focal " in out.stdout


def cache(folder, repository, revision="main"):
    """Put a file of weights into a cache of the hub, as downloading it would."""
    repository = folder / f"models--timm--{repository}"
    (repository / "snapshots/c0ffee").mkdir(parents=True)
    (repository / "snapshots/c0ffee/model.safetensors").touch()
    (repository / "refs").mkdir()
    (repository / "refs" / revision).write_text("c0ffee")


def test_without_a_hub_the_models_of_its_cache_are_left(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    cache(tmp_path, "resnet18.a1_in1k")
    cache(tmp_path, "resnet34.a1_in1k")
    cache(tmp_path, "resnet50.a1_in1k", revision="other")  # timm would ask the hub for main
    names = ("resnet18", "resnet18d", "resnet34.a1_in1k", "resnet34.a2_in1k", "resnet50")
    left = pretrained.reachable([("timm", name) for name in names])
    assert left == [("timm", "resnet18"), ("timm", "resnet34.a1_in1k")]
    with pytest.raises(UserError, match=f"HF_HUB_OFFLINE; nothing in {tmp_path}"):
        pretrained.reachable([("timm", "resnet50")])


def test_without_weights_and_without_a_hub_the_ways_out_are_told_at_once(project):
    out = automask(
        project, "search", HF_HOME=str(project / "none"), TORCH_HOME=str(project / "none")
    )
    refused(out, "resnet18", "--weights DIR", "HF_HUB_OFFLINE", "--space FILE")
    assert not (project / "runs").exists()
    space = 'training = 5\n[loss]\nfocal = "x"\n[[freeze]]\n'
    (project / "wrong.toml").write_text(space)
    words = (
        "training: is written as a table",
        "loss.focal: a plugin",
        "freeze: is written as tables",
    )
    refused(automask(project, "search", "--space", "wrong.toml"), *words)


def test_workers_are_counted_or_left_to_the_machine():
    assert units.count_of("auto") is None
    assert units.count_of("12") == 12
    assert 1 <= workers.automatic_workers("cpu") <= 4


def test_an_unknown_space_or_metric_gets_a_suggestion(project):
    refused(automask(project, "search", "--space", "defalt"), "did you mean 'default'?")
    refused(
        automask(project, "search", "--space", "space.toml", "--metric", "macro_f2"),
        "did you mean 'macro_f1'?",
    )
    refused(automask(project, "search", "--space", "space.toml", "--timeout", "soon"), "--timeout")
    for many in ("0", "-1", "two", "1.5"):
        refused(automask(project, "search", "--space", "space.toml", "--workers", many), "or auto")
    refused(
        automask(
            project,
            "search",
            "--space",
            "space.toml",
            "--storage",
            "postgresql://nobody@127.0.0.1:1/x",
        ),
        "storage postgresql",
    )


def test_ctrl_c_once_ends_after_the_epoch_and_its_fold_goes_on_from_there(project):
    """By SIGINT to the command alone: a terminal's reaches its workers as well, which wait for word."""
    space = (project / "space.toml").read_text()
    (project / "long.toml").write_text(re.sub(r"(?m)^epochs = .*", "epochs = 400", space))
    command = ["search", "--trials", "1", "--folds", "3", "--space", "long.toml", "--workers", "1"]
    with subprocess.Popen(
        [sys.executable, "-m", "automask", *command, "--pruner", "none"],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        files = lambda: project.glob("runs/main/study.db*")  # noqa: E731
        wait_for(lambda: any(b'"epochs": 400' in file.read_bytes() for file in files()))
        time.sleep(3)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, out + err
    assert "Ctrl-C again ends it at once" in err
    assert list(project.glob("runs/main/trials/*/fold*.checkpoint"))
