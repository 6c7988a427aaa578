"""A study notes which plugins and packages it used, and says where they are others now."""

import pytest

from automask.data import config as config_file
from automask.errors import UserError
from automask.hpo.attributes import StudyAttributes
from automask.space import packages
from automask.study import opening, plugin_use
from automask.study.session import Options
from helpers.commands import automask, refused
from helpers.plugins import FOCAL

OPTIONS = {"space": "space.toml", "folds": 3}


def own(project, text=FOCAL):
    (project / "plugins").mkdir(exist_ok=True)
    (project / "plugins" / "mine.py").write_text(text)


def test_a_study_notes_the_sources_of_all_that_competes_and_counts(study):
    noted = StudyAttributes.read(study.study)
    version = packages.version_of("automask")
    for name in ("loss.focal", "backbone.timm", "resize.pad", "metric.macro_f1", "reader.table"):
        assert noted.plugins[name] == [f"automask {version}"]
    assert "loss.ldam" not in noted.plugins
    assert noted.packages["automask"] == [version]
    assert noted.packages["torch"] == [packages.version_of("torch")]


def test_a_plugin_that_was_edited_is_told_and_both_are_noted(inside, heard):
    own(inside)
    first = opening.begin(Options(**OPTIONS))
    assert heard.notes == ["runs the plugins of this project, in plugins: mine.py"]
    assert not [text for text in first.notes if "was of" in text]
    own(inside, FOCAL.replace("easy", "easiest"))
    (told,) = (text for text in opening.begin(Options(**OPTIONS)).notes if "was of" in text)
    before, now = StudyAttributes.read(first.study).plugins["loss.focal"]
    assert told.startswith(f"loss.focal is of {now} now and was of {before}: finished trials")
    assert before.startswith("plugins/mine.py ") and now.startswith("plugins/mine.py ")
    assert f"loss.focal of {before}, then of {now}\n" in automask(inside, "status").stdout


def test_a_command_that_nobody_hears_says_on_standard_error_what_it_runs(tmp_path):
    own(tmp_path)
    listed = automask(tmp_path, "plugins", "tta")
    assert listed.stderr == "note: runs the plugins of this project, in plugins: mine.py\n"
    (tmp_path / "plugins" / "mine.py").unlink()
    assert automask(tmp_path, "plugins", "tta").stderr == ""


def test_other_packages_are_told_once_and_those_of_an_earlier_automask_not(study):
    before = StudyAttributes(
        plugins={"loss.focal": ["automask 0.0.1"]}, packages={"torch": ["1.0"]}
    )
    noted, notes = plugin_use.note_use(before, study.space, study.config)
    (note,) = notes
    assert (
        note.startswith("the study goes on with other packages: torch ") and "(1.0 before)" in note
    )
    assert noted.packages["torch"] == ["1.0", packages.version_of("torch")]
    assert len(noted.plugins["loss.focal"]) == 2
    assert plugin_use.note_use(noted, study.space, study.config) == (noted, [])
    assert plugin_use.note_use(StudyAttributes(), study.space, study.config)[1] == []


@pytest.mark.parametrize(
    ("required", "sentence"),
    [
        ("automask-nothing>=0.2", "isn't installed: pip install 'automask-nothing>=0.2'"),
        ("automask>=999", "is needed: pip install --upgrade 'automask>=999'"),
        ("numpy>=1", "numpy is installed and has no plugins of automask"),
        ("two words", "'two words' is no requirement"),
    ],
)
def test_a_search_is_refused_where_a_package_is_missing(project, required, sentence):
    file = project / "automask.toml"
    file.write_text(file.read_text() + f'require_plugins = ["automask", "{required}"]\n')
    with pytest.raises(UserError) as told:
        opening.begin(Options(project=config_file.Project(project), **OPTIONS))
    assert sentence in str(told.value) and "search.require_plugins" in str(told.value)
    assert str(told.value).count("\n") == 1
    assert not (project / "runs" / "main").exists()


def test_an_unknown_plugin_is_told_after_the_package_that_may_have_it(project):
    file = project / "automask.toml"
    text = file.read_text().replace('"macro_f1"', '"mine"')
    file.write_text(text + 'require_plugins = ["automask-nothing"]\n')
    told = automask(project, "search")
    refused(told, "pip install 'automask-nothing'", "unknown metric 'mine'")
    assert told.stderr.index("automask-nothing") < told.stderr.index("unknown metric")


def test_the_key_above_its_section_is_told_where_it_belongs(project):
    file = project / "automask.toml"
    file.write_text('require_plugins = ["automask"]\n' + file.read_text())
    refused(automask(project, "search"), "require_plugins: belongs under [search]")
