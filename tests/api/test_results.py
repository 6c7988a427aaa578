"""What commands print, from Python: ensembles, suspects, submissions, reports and plugins."""

import csv
import shutil

import numpy as np
import pandas as pd
import pytest

from automask.api import ensembles, labels, plugins, reports, submissions
from automask.api.projects import open_project
from automask.errors import PluginError, UserError
from automask.storage.project import Project
from helpers.commands import automask
from helpers.competition import SPACE, draw_table


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A project with a study of two trials, which no test changes."""
    folder = tmp_path_factory.mktemp("searched")
    draw_table(folder / "data")
    (folder / "space.toml").write_text(SPACE)
    assert automask(folder, "init", "data").returncode == 0
    search = ("search", "--space", "space.toml", "--folds", "3", "--workers", "1", "--trials", "2")
    assert automask(folder, *search).returncode == 0
    return folder


@pytest.fixture
def folder(searched, tmp_path, monkeypatch):
    """A copy of it, away from the current directory."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    return shutil.copytree(searched, tmp_path / "project")


def answers(file, *values):
    with open(file, "w", newline="") as opened:
        rows = [(f"t{index}", value) for index, value in enumerate(values)]
        csv.writer(opened).writerows([("id", "label"), *rows])
    return file


def test_a_folder_is_a_project_that_stays_where_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    opened = open_project("here")
    monkeypatch.chdir("/")
    assert opened.folder == tmp_path / "here"
    assert open_project(Project()) == Project()


def test_an_ensemble_is_the_commands_and_writes_where_it_is_told(folder, tmp_path):
    before = sorted(folder.glob("*"))
    result = ensembles.ensemble(folder, method="mean")
    assert sorted(folder.glob("*")) == before and result.file is None
    assert not list(folder.glob("runs/main/ensembles/*"))
    written = ensembles.ensemble(folder, method="mean", output=tmp_path / "out.csv")
    assert written.file == tmp_path / "out.csv"
    told = automask(folder, "ensemble", "--method", "mean")
    assert told.returncode == 0, told.stderr
    assert str(result.nested) in told.stdout and str(result.single) in told.stdout
    assert (folder / "submission.csv").read_bytes() == written.file.read_bytes()
    frame = pd.read_csv(written.file, dtype=str, keep_default_na=False)
    pd.testing.assert_frame_equal(result.submission, frame)
    assert list(result.members["trial"]) == [m.number for m in result.blend.members]
    assert len(result.out_of_fold) == 30 and result.blend.honest.shape == (30, 3)
    assert list(result.classes["class"]) == ["01", "2", "NA"]
    assert result.classes["rows"].sum() == 30 and result.attributes == {}
    assert result.class_shares["estimated"].sum() == pytest.approx(1)
    uncalibrated, _ = result.calibration
    assert 0 <= uncalibrated.expected_error <= 1 and uncalibrated.log_loss > 0
    assert str(result.nested) in result._repr_html_()


def test_without_a_test_table_there_are_out_of_fold_predictions_alone(folder):
    for name in ("test.csv", "sample_submission.csv"):
        (folder / "data" / name).unlink()
    assert automask(folder, "init", "data", "--force").returncode == 0
    result = ensembles.ensemble(folder, method="mean")
    assert result.submission is None
    assert result.write() == folder / "out_of_fold.csv"
    assert len(pd.read_csv(folder / "out_of_fold.csv")) == len(result.out_of_fold) == 30


def test_what_an_ensemble_can_not_have_is_refused(folder):
    with pytest.raises(UserError, match="did you mean 'main'"):
        ensembles.ensemble(folder, "mian")
    with pytest.raises(UserError, match="did you mean 'greedy'"):
        ensembles.ensemble(folder, method="gredy")
    with pytest.raises(UserError, match="unknown tta"):
        ensembles.ensemble(folder, tta="flop")


def test_submissions_are_kept_listed_and_compared_from_elsewhere(folder, tmp_path):
    file = ensembles.ensemble(folder, method="mean", output=tmp_path / "out.csv").file
    entry = submissions.submit(file, folder=folder)
    assert (entry.name, entry.study, entry.method) == ("s1", "main", "mean")
    assert entry.cv is not None and entry.leaderboard is None
    submissions.record("s1", 0.75, folder)
    frame = pd.read_csv(file, dtype=str, keep_default_na=False)
    frame.loc[:2, "label"] = [{"01": "2", "2": "NA", "NA": "01"}[v] for v in frame["label"][:3]]
    frame.to_csv("other.csv", index=False)
    submissions.submit("other.csv", name="mine", folder=folder)
    kept = submissions.submissions(folder)
    assert list(kept.table["name"]) == ["s1", "mine"]
    assert kept.table["leaderboard"][0] == 0.75 and kept.table["cv"].notna().tolist() == [
        True,
        False,
    ]
    assert kept.farthest == ("s1", pytest.approx(1 / 3))
    result = submissions.compare("s1", "other.csv", folder=folder, html="page.html")
    assert (result.differ, result.rows, result.pictures) == (3, 9, 3)
    assert set(result.table["id"]) == set(frame["id"][:3])
    assert (result.table["probability_a"] > result.table["probability_b"]).all()
    assert result.source == "study 'main'" and sum(band.differ for band in result.bands) == 3
    assert {effect.metric for _, effect in result.gain.effects} == {"accuracy", "macro_f1"}
    assert "3 of 9 rows differ" in result._repr_html_()
    same = submissions.compare("s1", file, folder=folder)
    assert same.differ == 0 and same.gain is None and same.pictures is None and same.table.empty
    with pytest.raises(UserError, match="did you mean 'mine'"):
        submissions.compare("s1", "mien", folder=folder)


def test_a_file_is_kept_without_data_and_that_is_said(tmp_path, monkeypatch, heard):
    monkeypatch.chdir(tmp_path)
    submissions.submit(answers("a.csv", "x", "y"))
    assert "no automask.toml here" in heard.notes[0]
    assert submissions.submissions().entries[0].cv is None


def test_files_are_voted_on_and_merged(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = [answers("a.csv", "x", "y"), answers("b.csv", "x", "z"), answers("c.csv", "y", "z")]
    result = submissions.vote(files)
    assert result.frame["label"].tolist() == ["x", "z"]
    assert not list(tmp_path.glob("[!abc]*"))
    heavy = submissions.vote(files, weights=[3, 1, 1], output="out.csv")
    assert heavy.frame["label"].tolist() == ["x", "y"]
    assert pd.read_csv("out.csv")["label"].tolist() == ["x", "y"]
    with pytest.raises(UserError, match="--weights"):
        submissions.vote(files, weights=[1])
    frame = pd.read_csv("a.csv").rename(columns={"label": "other"})
    frame.to_csv("other.csv", index=False)
    merged = submissions.merge(["a.csv", "other.csv"], output="merged.csv")
    assert list(merged.columns) == ["id", "label", "other"]
    assert len(pd.read_csv("merged.csv")) == 2


def test_suspects_are_the_commands_and_taken_back_as_corrections(folder):
    result = labels.suspects(folder, csv="suspects.csv")
    told = automask(folder, "suspects")
    assert f"{result.flagged:,} of 30 rows flagged" in told.stdout
    assert len(result.table) == len(result.rows) == 30 - result.unjudged
    assert [row.id for row in result.rows] == result.table["id"].tolist()
    (noise,) = result.noise
    assert noise.wrong == pytest.approx(result.wrong)
    wrong = [row.wrong for row in noise.classes]
    assert wrong == sorted(wrong, reverse=True) and sum(row.rows for row in noise.classes) == 30
    table = pd.read_csv("suspects.csv", dtype=str, keep_default_na=False)
    before = table.loc[0, "label"]
    table.loc[0, "label"] = "2" if before != "2" else "01"
    table.to_csv("edited.csv", index=False)
    outcome = labels.relabel("edited.csv", folder)
    assert (outcome.corrected, outcome.undone) == (1, 0)
    assert len(pd.read_csv(folder / "corrections.csv")) == 1
    assert ensembles.ensemble(folder, method="mean").other_labels.rows == 1


def test_a_report_is_a_file(folder, tmp_path):
    file = reports.report(folder, file=tmp_path / "page.html")
    assert file == tmp_path / "page.html" and "study main" in file.read_text("utf-8")
    with pytest.raises(UserError, match="no study 'mian'"):
        reports.report(folder, "mian")


FOCAL = '''
"""My own."""
from automask import loss


@loss()
def mine(logits, target, class_counts):
    """Mine."""
    return -(target * logits.log_softmax(-1)).sum(-1)
'''


def test_plugins_are_those_of_the_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a/plugins").mkdir(parents=True)
    (tmp_path / "a/plugins/own.py").write_text(FOCAL)
    assert [p.name for p in plugins.list_plugins("loss", "a")][-1] == "mine"
    assert "mine" not in [p.name for p in plugins.list_plugins("loss")]
    assert {plugin.kind for plugin in plugins.list_plugins()} >= {"loss", "tta", "reader"}
    with pytest.raises(UserError, match="did you mean 'loss'"):
        plugins.list_plugins("los")
    (page,) = plugins.show_plugin("loss.mine", "a")
    assert page.summary == "Mine." and "every loss:" in str(page)
    with pytest.raises(UserError, match="unknown plugin 'mine'"):
        plugins.show_plugin("mine")
    (checked,) = plugins.check_plugins("a/plugins/own.py", "a")
    assert checked.name == "mine"
    text = FOCAL.replace("mine", "flat").replace("return -(", "return 0 * (")
    (tmp_path / "c.py").write_text(text.replace(".sum(-1)", ""))
    with pytest.raises(PluginError, match="loss 'flat'"):
        plugins.check_plugins("c.py")
    plugins.list_plugins()


def test_probabilities_sum_to_one(folder):
    result = ensembles.ensemble(folder, method="greedy", tta="flip", top=1)
    assert result.blend.views.keys() == {"none", "flip"}
    np.testing.assert_allclose(result.blend.test.sum(1), 1, atol=1e-6)
