"""Plugins as they are begun train, each in the place of its kind's default."""

import math
import shutil

import pytest

from automask.authoring.drafts import draft
from automask.space import registry
from automask.space.kinds import DEFAULTS
from automask.storage.project import Project
from automask.study import opening
from automask.study.plugin_trial import try_plugin
from automask.study.session import Options

#: A labelling needs a target that is a number, which the drawn data have not.
KINDS = [kind for kind in DEFAULTS if kind != "labelling"]


@pytest.fixture(scope="module")
def session(template, tmp_path_factory):
    copy = tmp_path_factory.mktemp("examples")
    project = Project(shutil.copytree(template, copy, dirs_exist_ok=True))
    project.plugins.mkdir()
    for kind in KINDS:
        (project.plugins / f"my_{kind}.py").write_text(draft(kind, f"my_{kind}").source)
    yield opening.survey(Options(space="space.toml", folds=2, project=project))
    # What comes after in this process is of a project without them.
    registry.load(Project(template))


@pytest.mark.parametrize("kind", KINDS)
def test_it_trains_and_the_rest_of_the_recipe_is_the_same(session, kind):
    registry.load(session.options.project)
    trial = try_plugin(session, kind, f"my_{kind}")
    assert trial.recipe[kind].name == f"my_{kind}" and len(trial.scores) == 2
    assert all(math.isfinite(score) for score in trial.scores)
