"""automask from Python: small searches, and all that can be asked of their studies."""

import subprocess
import sys

import numpy as np
import pytest

import automask
from automask.study import run
from helpers.competition import SPACE, draw_table

ASKED = {"space": "space.toml", "folds": 3, "workers": 1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("api")
    draw_table(folder / "data")
    (folder / "space.toml").write_text(SPACE)
    return folder


@pytest.fixture(scope="module")
def study(folder):
    return automask.search(folder / "data", folder=folder, trials=2, **ASKED)


def test_importing_automask_imports_nothing_heavy():
    code = "import automask, sys; automask.Float; automask.UserError; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"numpy", "torch", "pandas", "optuna", "cv2", "timm", "rich", "typer"}
    assert not heavy & set(out.stdout.split())


def test_every_name_is_there():
    for name in dir(automask):
        assert getattr(automask, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'serach'"):
        _ = automask.serach


def test_a_search_is_a_study_with_its_trials(study, folder):
    table = study.trials
    assert list(table["state"][:2]) == ["complete", "complete"]
    assert set(table["state"][2:]) <= {"waiting"}
    assert {"macro_f1", "fold 1", "loss", "training.epochs"} <= set(table.columns)
    best = study.best
    assert best.score == table["macro_f1"].max()
    assert best.recipe["backbone"].params["model"] == "test_resnet"
    assert study.outcome.best.number == best.number
    assert study.folder == folder / "runs" / "main"
    assert "macro_f1" in study._repr_html_()
    assert study.show(best.number).weights == 3
    assert len(study.status.overview.counted) == 2
    assert study.importance().factors == []


def test_a_study_is_loaded_and_trains_a_recipe(study, folder):
    loaded = automask.load(folder)
    again = loaded.train(study.best.recipe)
    assert (again.number, again.is_new) == (study.best.number, False)
    other = loaded.train(
        {
            "training": {"image_size": 24, "epochs": 1, "pretrained": False, "batch_size": 8},
            "backbone": {"timm": {"model": "test_resnet"}},
        }
    )
    assert other.is_new and other.recipe.training["image_size"] == 24
    assert study.trials.set_index("trial")["macro_f1"][other.number] == other.score
    with pytest.raises(automask.UserError, match=r"recipe given to train:\n.*did you mean 'loss'"):
        loaded.train({"losses": {}})


def test_what_comes_after_a_search(study, folder, tmp_path):
    result = study.ensemble(method="mean")
    assert list(result.submission.columns) == ["id", "label"]
    assert len(result.submission) == 9
    table = study.out_of_fold
    assert list(table.columns) == ["id", "fold", "label", "p(01)", "p(2)", "p(NA)"]
    assert np.allclose(table.filter(like="p(").sum(axis=1), 1, atol=1e-4)
    assert set(table["fold"]) == {0, 1, 2}
    assert list(table["label"][:3]) == ["01", "01", "2"]
    assert study.audit() == []
    assert any("probe" in line for line in study.advise().lines)
    assert {"id"} <= set(study.suspects().table.columns)
    assert "<html" in study.report(tmp_path / "page.html").read_text()


def test_two_folders_in_one_process(study, tmp_path, capsys):
    draw_table(tmp_path / "photos", rows=24, test=0)
    (tmp_path / "space.toml").write_text(SPACE)
    other = automask.search(tmp_path / "photos", folder=tmp_path, trials=1, **ASKED)
    out = capsys.readouterr().out
    assert "trial 0: complete" in out and "1 trials are complete or pruned" in out
    assert other.best.number == 0 and len(other.out_of_fold) == 24
    assert len(study.out_of_fold) == 30
    assert 'path = "photos"' in (tmp_path / "automask.toml").read_text()


def test_a_search_in_a_thread_ends_at_its_deadline(study, folder):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        searched = pool.submit(
            automask.search, folder=folder, study="late", timeout=1, trials=50, **ASKED
        ).result()
    assert searched.outcome.ending in (
        "the time is up",
        "no other trial is expected to end in the time that is left",
    )


def test_a_listener_hears_what_else_would_be_printed(study, folder, capsys, heard):
    automask.search(folder=folder, trials=2, **ASKED)
    assert heard.events[0].resumed and heard.events[-1].best.number == study.best.number
    assert not capsys.readouterr().out


def test_ctrl_c_is_raised_again_and_the_study_is_in_order(study, folder, monkeypatch):
    def stopped(session):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run, "decode", stopped)
        with pytest.raises(KeyboardInterrupt):
            automask.search(folder=folder, study="stopped", trials=1, **ASKED)
    assert not automask.load(folder, "stopped").records("complete")
    searched = automask.search(folder=folder, study="stopped", trials=1, **ASKED)
    assert searched.outcome.ending == "1 trials are complete or pruned"


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda f: automask.search(f / "nowhere", folder=f / "new"), "nowhere: no such folder"),
        (lambda f: automask.search(f / "images", folder=f), "names the data .*leave data out"),
        (lambda f: automask.search(folder=f / "new"), "no .*automask.toml here"),
        (lambda f: automask.search(folder=f, timeout="soon"), "write it as 90m"),
        (lambda f: automask.search(folder=f, trials=0), "trials=0: at least 1"),
        (lambda f: automask.load(f, "mian"), "no study 'mian'.*did you mean 'main'"),
        (lambda f: automask.init(f / "data", folder=f), "already here"),
    ],
)
def test_what_the_user_can_mend_is_said(study, folder, call, words):
    with pytest.raises(automask.UserError, match=words):
        call(folder)


def test_the_process_is_as_before(study, folder):
    import logging

    import torch

    threads, handlers = torch.get_num_threads(), list(logging.getLogger("optuna").handlers)
    automask.search(folder=folder, trials=2, **ASKED)
    assert torch.get_num_threads() == threads
    assert logging.getLogger("optuna").handlers == handlers


def test_a_script_needs_no_guard_for_its_workers(study, folder):
    """Workers would run the script anew if they knew of it."""
    script = folder / "script.py"
    script.write_text(
        "import automask\n"
        "print('begins')\n"
        "automask.search(trials=3, study='script', space='space.toml', folds=3, workers=2)\n"
    )
    command = [sys.executable, script.name]
    out = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert out.returncode == 0, out.stderr
    assert out.stdout.count("begins") == 1
    assert "3 trials are complete or pruned" in out.stdout
