"""A study whose trials are of every sort, trained once, and the model of its blend."""

import shutil

import pytest

import automask
from automask.storage.project import Project
from helpers.models import RECIPES, train_all


@pytest.fixture(scope="session")
def trained(template, tmp_path_factory):
    """A project with that study, not to be changed."""
    folder = tmp_path_factory.mktemp("trained") / "project"
    shutil.copytree(template, folder)
    train_all(folder, *RECIPES, space="space.toml", folds=3)
    return Project(folder)


@pytest.fixture(scope="session")
def exported(trained, tmp_path_factory):
    """A model of all of its trials, not to be changed."""
    folder = tmp_path_factory.mktemp("exported") / "model"
    automask.export(folder, trained, method="mean")
    return folder


@pytest.fixture
def model(exported, tmp_path):
    """A copy of it for the test alone."""
    return shutil.copytree(exported, tmp_path / "model")
