"""Two projects in one process: each has its own data, studies, files and loose plugins."""

import subprocess
import sys
from dataclasses import replace

import pandas as pd
import pytest

from automask.api import ensembles
from automask.data import config, description
from automask.ensembles import members
from automask.errors import PluginError, UserError
from automask.hpo.limits import Limits
from automask.hpo.trials import complete_trials
from automask.space import registry, rules, space_file
from automask.space.recipe import Recipe
from automask.storage.project import Project
from automask.study import opening, workers
from automask.study.session import Options, find_study, open_session
from helpers.competition import SPACE, draw_table

LOSS = '''"""A loss of this project."""
import automask
from automask import Float, loss


@loss(gamma=Float(0.0, 1.0))
def {name}(logits, target, class_counts, *, gamma=0.5):
    """Cross entropy, {what}."""
    return {factor} * -(target * logits.log_softmax(-1)).sum(-1)


automask.never({{"loss": "{name}", "freeze": "gradual"}}, because="{what} doesn't want it")
'''

OWN = SPACE + "\n[loss.mine]\n"


def make(folder, rows):
    """A project whose data, space and configuration are there, all named relative to its folder."""
    draw_table(folder / "data", rows=rows, test=rows // 3)
    (folder / "spaces").mkdir()
    (folder / "spaces/own.toml").write_text(OWN)
    project = Project(folder)
    reader, tables = description.find_reader(folder / "data")
    text = config.render("data", reader, tables)
    project.config.write_text(text.replace('"default"', '"spaces/own.toml"'))
    return project


def add_plugin(project, file, name, what, factor=1):
    project.plugins.mkdir(exist_ok=True)
    text = LOSS.format(name=name, what=what, factor=factor)
    (project.plugins / f"{file}.py").write_text(text)


@pytest.fixture
def two(tmp_path, monkeypatch):
    """Projects `a` and `b` of other sizes, each with a loss `mine` of its own, and a test elsewhere."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    a, b = make(tmp_path / "a", 30), make(tmp_path / "b", 24)
    add_plugin(a, "losses", "mine", "of a")
    add_plugin(b, "losses", "mine", "of b", factor=2)
    add_plugin(a, "more", "only_a", "of a alone")
    add_plugin(b, "other", "cross_entropy", "instead of what ships")
    yield a, b
    assert not list(here.iterdir())
    registry.load(Project(here))  # whoever comes next has none of these plugins


def options(project, **changes):
    return Options(folds=3, project=project, threads=1, **changes)


def losses():
    return {name: plugin.summary for name, plugin in registry.plugins("loss").items()}


def test_two_projects_are_searched_and_blended_side_by_side(two):
    opened = [opening.begin(options(project)) for project in two]
    assert [len(session.data.labels) for session in opened] == [30, 24]
    for session in opened:
        workers.run(session, Limits(1), 1)
    # As after each other: both studies are called 'main', and each has its own trial.
    for project, rows in zip(two, (30, 24), strict=True):
        session = open_session(options(project))
        (member,) = members.load_members(session)
        assert len(member.validation) == rows
        result = ensembles.session_ensemble(session, method="mean", top=5)
        assert len(result.out_of_fold) == rows
        assert result.write() == project.submission
        assert len(pd.read_csv(project.submission)) == rows // 3
        assert project.studies() == ["main"]
        (kept,) = project.study("main").ensembles()
        assert len(kept.probability()[0]) == rows // 3
        assert list((project.runs / "cache").glob("images-*.npy"))
        names = {file.name for file in project.folder.iterdir()}
        assert names == {"automask.toml", "data", "plugins", "runs", "spaces", "submission.csv"}
    first, second = (find_study(options(project))[2].trials for project in two)
    assert len(first) == len(second) == 1


def test_a_worker_has_the_plugins_of_its_project(two):
    a, b = two
    (a.plugins / "names.py").write_text("class Name(str): ...\n")
    text = OWN.replace("[loss.cross_entropy]\n", "").replace("[loss.focal]", "[loss.only_a]")
    text = text.replace("gamma = { low = 0.5, high = 2.0 }", "").replace("[freeze.full]", "")
    (a.folder / "spaces/own.toml").write_text(text)
    opened = opening.begin(options(a))
    name = sys.modules["automask.local.names"].Name(
        "what workers are sent may be of a plugin's class"
    )
    opening.begin(options(b))
    workers.run(replace(opened, cap=10**9, notes=(name,)), Limits(2), 2)
    trials = complete_trials(find_study(options(a))[2])
    assert len(trials) >= 2
    recipes = [Recipe.from_dict(trial.user_attrs["recipe"]) for trial in trials]
    assert {recipe["loss"].name for recipe in recipes} <= {"mine", "only_a"}


def test_loose_plugins_are_those_of_the_project_that_was_loaded_last(two):
    a, b = two
    shipped = losses()["cross_entropy"]
    registry.load(a)
    assert losses()["mine"] == "Cross entropy, of a." and "only_a" in losses()
    assert registry.get("loss", "mine").file == str(a.folder / "plugins/losses.py")
    made = registry.get("loss", "mine")
    registry.load(a)
    assert registry.get("loss", "mine") is made
    registry.load(b)
    assert losses()["mine"] == "Cross entropy, of b." and "only_a" not in losses()
    assert losses()["cross_entropy"] == "Cross entropy, instead of what ships."
    assert not rules.rules_about("loss", "only_a")
    (rule,) = rules.rules_about("loss", "mine")
    assert rule.because == "of b doesn't want it"
    assert "automask.local.more" not in sys.modules
    registry.load()
    assert losses()["mine"] == "Cross entropy, of b."
    registry.load(a)
    assert losses()["cross_entropy"] == shipped
    assert registry.get("loss", "mine") is made and rules.rules_about("loss", "only_a")


def test_a_project_whose_plugins_are_broken_leaves_none(two):
    a, b = two
    registry.load(a)
    (b.plugins / "wrong.py").write_text("import nothing_of_that_name\n")
    for _ in range(2):
        with pytest.raises(PluginError, match=r"wrong\.py, line 1: can't be loaded"):
            registry.load(b)
    assert "mine" not in losses()
    (b.plugins / "wrong.py").unlink()
    registry.load(b)
    assert losses()["mine"] == "Cross entropy, of b."


def test_what_the_configuration_names_is_relative_to_the_project(two):
    a, _ = two
    (a.folder / "weights").mkdir()
    text = a.config.read_text()
    a.config.write_text(text + 'weights = "weights"\n')
    with pytest.raises(UserError, match=f"{a.folder}/weights: holds no"):
        opening.begin(options(a))
    assert space_file.load("spaces/own.toml", a.folder).name == "spaces/own.toml"
    with pytest.raises(UserError, match="no search space"):
        space_file.load("spaces/own.toml")


def test_a_study_is_found_again_from_elsewhere(two, monkeypatch):
    """What a study keeps doesn't tell from where the project was opened."""
    a, _ = two
    monkeypatch.chdir(a.folder)
    opened = opening.begin(options(Project()))
    assert str(opened.store.folder) == "runs/main"
    workers.run(opened, Limits(1), 1)
    monkeypatch.chdir(a.folder.parent / "here")
    caches = {file.name for file in (a.runs / "cache").iterdir()}
    session = opening.begin(options(a))
    assert len(session.study.trials) == 1
    session.images().at(session.space.default()[0]["resize"].name, 32)
    assert {file.name for file in (a.runs / "cache").iterdir()} == caches


def test_other_studies_of_the_project_are_named_for_one_that_isnt_there(two):
    a, b = two
    opening.begin(options(a, study="first"))
    with pytest.raises(UserError, match=r"did you mean 'first'\?"):
        find_study(options(a, study="frist"))
    with pytest.raises(UserError, match="no study 'first'") as caught:
        find_study(options(b, study="first"))
    assert str(b.runs) in str(caught.value) and "did you mean" not in str(caught.value)


IMPORTS = """
import importlib, os, pkgutil, sys

def import_all():
    import automask
    for module in pkgutil.iter_modules(automask.__path__):
        if module.name != "__main__":
            importlib.import_module(f"automask.{module.name}")

def refuse():
    raise AssertionError("this looks at the working directory")

import_all()  # what others do as they are imported is their affair
for name in [name for name in sys.modules if name.partition(".")[0] == "automask"]:
    del sys.modules[name]
os.getcwd = refuse
import_all()
"""


def test_importing_looks_at_no_folder(tmp_path):
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins/wrong.py").write_text("raise AssertionError('imported unasked')\n")
    command = [sys.executable, "-c", IMPORTS]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
