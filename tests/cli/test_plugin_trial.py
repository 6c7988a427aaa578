"""`automask try`: a plugin's short trial against the default of its kind."""

from statistics import stdev

import pytest

from automask.api import trying
from automask.errors import UserError
from automask.space import registry
from automask.study.plugin_trial import PluginTrial, recipe_pair, try_plugin
from automask.target import MULTI
from helpers.commands import automask, refused
from helpers.plugins import FOCAL
from helpers.searches import TINY

MINE = FOCAL.replace("def focal", "def mine")


def own(folder, text=MINE):
    (folder / "plugins").mkdir()
    (folder / "plugins" / "mine.py").write_text(text)


def test_the_difference_is_told_fold_by_fold_and_no_study_is_made(project):
    own(project)
    tried = automask(project, "try", "loss.mine", "--space", "space.toml")
    assert tried.returncode == 0, tried.stdout + tried.stderr
    lines = tried.stdout.splitlines()
    (head,) = (n for n, line in enumerate(lines) if line.split()[:2] == ["fold", "loss.mine"])
    rows = [line.split() for line in lines[head + 1 : head + 6]]
    assert [row[0] for row in rows] == list("12345")
    assert all(
        abs(float(with_) - float(base) - float(difference)) < 2e-4
        for _, with_, base, difference in rows
    )
    mean = sum(float(row[3]) for row in rows) / 5
    word, gain, sign, spread, *_ = lines[-1].replace(",", "").split()
    assert (word, sign) == ("difference", "±") and "95 % interval" in lines[-1]
    assert float(gain) == pytest.approx(mean, abs=2e-4)
    assert float(spread) == pytest.approx(stdev(float(row[3]) for row in rows), abs=2e-4)
    assert not (project / "runs" / "main").exists()


def test_recipes_differ_in_the_plugin_alone(study):
    tried, base = recipe_pair(study.space, study.data.target, "loss", "focal")
    assert (tried["loss"].name, base["loss"].name) == ("focal", "cross_entropy")
    assert {**tried.choices, "loss": 0} == {**base.choices, "loss": 0}
    assert tried.training == base.training and tried.training["epochs"] == 1


def test_of_the_same_twice_the_difference_is_nothing(study, monkeypatch):
    plugin = registry.get("loss", "cross_entropy")
    monkeypatch.setitem(registry.KINDS["loss"].plugins, "twin", plugin)
    trial = try_plugin(study, "loss", "twin")
    assert trial.scores == trial.base and len(trial.scores) == 3
    assert trial.gain == trial.spread == 0
    assert trial.interval == (0, 0) and "holds 0" in trial.verdict


def test_the_interval_is_of_paired_folds(study):
    recipe = study.space.default()[0]
    far = PluginTrial("loss", "a", "b", "m", recipe, (0.5, 0.6, 0.9), (0.4, 0.5, 0.8), 30)
    assert far.gain == pytest.approx(0.1) and far.spread == pytest.approx(0, abs=1e-9)
    assert "is all above 0" in far.verdict
    near = PluginTrial("loss", "a", "b", "m", recipe, (0.5, 0.6), (0.6, 0.4), 30)
    low, high = near.interval  # t of one degree of freedom is 12.706
    assert (high - low) / 2 == pytest.approx(12.706 * near.spread / 2**0.5, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("loss.cross_entropy", "loss.cross_entropy is the default itself"),
        (
            "macro_f1",
            "no recipe has a metric, so that a trial can't show what it does: a search counts",
        ),
        ("tta.flip", "automask ensemble --tta flip"),
        ("none", "'none' is the name of several: "),
        ("loss.focl", "did you mean 'loss.focal'?"),
        ("sigmoid_focal", 'isn\'t for one class a row: @loss(target="single") would say'),
        ("labelling.banded", "labelling.banded is for a target that is a number"),
    ],
)
def test_what_cannot_be_tried_is_refused(project, name, sentence):
    refused(automask(project, "try", name, "--space", "space.toml"), sentence)


def test_a_plugin_that_fails_in_training_is_told_in_a_sentence(project):
    own(project, MINE.replace("return ", "return target.nothing * "))
    refused(automask(project, "try", "mine", "--space", "space.toml"), "mine: plugin error: ")


def test_where_there_is_no_project_people_are_drawn(tmp_path, monkeypatch, heard):
    own(tmp_path)
    monkeypatch.setattr(trying, "PEOPLE", 12)
    (tmp_path / "space.toml").write_text(TINY)
    trial = trying.try_plugin("mine", tmp_path, space=str(tmp_path / "space.toml"), device="cpu")
    assert (trial.kind, trial.name, trial.rows) == ("loss", "mine", 84)
    assert any("12 people are drawn" in text for text in heard.notes)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["plugins", "space.toml"]


def test_targets_of_other_kinds_are_told(study):
    with pytest.raises(UserError, match="isn't for any number of labels a row"):
        recipe_pair(study.space, MULTI, "loss", "focal")
