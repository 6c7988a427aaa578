"""What is noted of studies and trials: by name and type, as earlier versions kept it."""

import ast
from pathlib import Path

import optuna
import pytest
from pydantic import ValidationError

import automask
from automask.hpo.attributes import StudyAttributes, TrialAttributes, recipe_of

MODULES = sorted(Path(automask.__file__).parent.rglob("*.py"))
#: What only one module may name.
INTERNALS = {
    "_trial_id",
    "_study_id",
    "_storage",
    "_get_trials",
    "_rng",
    "_random_sampler",
    "_backend",
    "_suggest",
    "system_attrs",
}


@pytest.fixture
def study():
    return optuna.create_study()


def names(file):
    """Every attribute, keyword and imported module that a file has."""
    for node in ast.walk(ast.parse(file.read_text())):
        match node:
            case ast.Attribute(attr=name) | ast.keyword(arg=str(name)):
                yield name
            case ast.ImportFrom(module=str(module)):
                yield from (part for part in [module] if module.startswith("optuna"))


@pytest.mark.parametrize("file", MODULES, ids=lambda file: file.name)
def test_nothing_else_goes_to_optunas_attributes_or_private_parts(file):
    found = set(names(file))
    if file.name != "attributes.py":
        assert not found & {"user_attrs", "set_user_attr"}
    if file.name != "optuna_internals.py":
        assert not found & INTERNALS
        assert not [name for name in found if name.startswith("optuna.") and "._" in name]


def test_both_searches_would_see_a_breach(tmp_path):
    code = "from optuna.storages._rdb import models\nf(user_attrs={})\ntrial._trial_id\n"
    (tmp_path / "a.py").write_text(code)
    assert set(names(tmp_path / "a.py")) == {"optuna.storages._rdb", "user_attrs", "_trial_id"}


def test_attributes_are_stored_as_before(study):
    trial = study.ask()
    TrialAttributes(seconds=3.5, predicted=None, micro_batch=4).write(trial)
    assert trial.user_attrs == {"seconds": 3.5, "predicted": None, "micro_batch": 4}
    warm = {"studies": ["old"], "recipes": [{"a": 1}]}
    StudyAttributes(
        warm_start=warm, weights_folder=None, models_asked=[("timm", "a")], largest=64
    ).write(study)
    assert study.user_attrs == {
        "warm start": warm,
        "weights folder": None,
        "models asked": [("timm", "a")],
        "largest": 64,
    }
    read = StudyAttributes.read(study)
    assert read.queue("warm_start") == [{"a": 1}]
    assert read.queue("advice") == []
    assert read.largest == 64


def test_the_advice_is_written_last(study):
    StudyAttributes(advice={"recipes": []}, probe={"recipes": []}, passes={}).write(study)
    assert list(study.user_attrs)[-1] == "advice"


def test_a_record_that_was_read_writes_the_same_again(study):
    trial = study.ask()
    TrialAttributes(hash="a", outside=True).write(trial)
    assert TrialAttributes.read(trial).stored() == {"hash": "a", "outside": True}


@pytest.mark.parametrize("wrong", [{"second": 1.0}, {"seconds": "long"}, {"recipe": [1]}])
def test_a_mistyped_attribute_is_an_error(wrong):
    with pytest.raises(ValidationError):
        TrialAttributes(**wrong)
    with pytest.raises(AttributeError):
        _ = TrialAttributes().second


def test_what_a_newer_version_noted_is_passed_over(study):
    study.set_user_attr("newer", 1)
    StudyAttributes(largest=8).write(study)
    read = StudyAttributes.read(study)
    assert read.stored() == {"largest": 8}
    assert study.user_attrs["newer"] == 1


def test_a_trial_that_nobody_took_up_has_no_recipe(study):
    with pytest.raises(ValueError, match="trial 0 has no recipe"):
        recipe_of(study.ask())
