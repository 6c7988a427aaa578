"""A search that aims at other class shares than train's."""

import json
import shutil

import numpy as np
import pytest

from automask.label_shift import correct, draw_rows
from automask.space import registry
from automask.study import opening
from automask.study.session import Options, open_session
from helpers.commands import automask, refused


@pytest.fixture
def project(template, tmp_path, monkeypatch):
    folder = shutil.copytree(template, tmp_path / "project")
    monkeypatch.chdir(folder)
    return folder


def ask_for(folder, shares):
    file = folder / "automask.toml"
    file.write_text(file.read_text().replace("[data]\n", f"[data]\ntest_shares = {shares}\n"))


def test_trials_are_scored_corrected_and_at_the_shares(project):
    ask_for(project, '"even"')
    task = opening.survey(Options(space="space.toml", folds=3)).task()
    labels, rng = task.data.labels, np.random.default_rng(0)
    classes = len(task.data.counts)
    prediction = rng.dirichlet(np.ones(classes), len(labels))
    value = task.score(np.arange(len(labels)), prediction)
    metric = registry.get("metric", task.metric).function
    own = correct(prediction, task.data.counts / len(labels), task.shares)
    rows = draw_rows(labels, np.full(classes, 1 / classes))
    assert value == metric(labels[rows], own[rows])
    assert np.allclose(own.sum(1), 1)


def test_the_blend_goes_by_what_the_search_went_by_and_a_study_keeps_it(project):
    ask_for(project, '"even"')
    run = automask(project, "search", "--space", "space.toml", "--trials", "2", "--folds", "3")
    assert run.returncode == 0, run.stderr
    session = open_session(Options())
    assert session.shares.source == "even"
    run = automask(project, "ensemble", "--method", "mean")
    assert run.returncode == 0 and "test shares: even" in run.stdout, run.stderr
    facts = json.loads(next(project.glob("runs/main/ensembles/*.json")).read_text())
    assert facts["test_shares"] == "even"
    file = project / "automask.toml"
    file.write_text(file.read_text().replace('"even"', '"train"'))
    again = automask(project, "search", "--space", "space.toml", "--trials", "3", "--folds", "3")
    refused(again, "was begun with other test shares")


def test_a_study_without_them_is_not_told_of_any(project):
    session = opening.begin(Options(space="space.toml", folds=3))
    assert session.shares is None
    ask_for(project, '"train"')
    opening.begin(Options(space="space.toml", folds=3))


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ('"estimated"', "a search has no test probabilities"),
        ('"evn"', "neither a file nor one of"),
        ("3", "data.test_shares"),
    ],
)
def test_shares_that_a_search_can_not_have_are_refused(project, shares, words):
    ask_for(project, shares)
    run = automask(project, "search", "--space", "space.toml", "--trials", "1", "--folds", "3")
    refused(run, words)
    assert not (project / "runs" / "main" / "study.db").exists()
