"""The same bytes give the same probabilities as in the study, wherever they are predicted."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression

import automask
from automask.data.synthetic.competition import draw_competition
from automask.plugins import ensembles
from automask.plugins._blends import centred_logs
from helpers.commands import automask as command
from helpers.competition import COLOURS, SPACE, draw
from helpers.models import RECIPES, train_all
from helpers.probabilities import macro_f1, noisy
from helpers.recipes import recipe

METHODS = ("best", "mean", "rank_mean", "hard_vote", "greedy", "stack")


@pytest.mark.parametrize("method", METHODS)
def test_every_method_and_view_predicts_as_the_study_did(trained, tmp_path, method):
    tta = "flip" if method in ("mean", "stack") else "none"
    result = automask.load(trained).ensemble(method=method, tta=tta)
    made = automask.export(tmp_path / "model", trained, method=method, tta=tta)
    assert made.difference < 1e-5 and made.blend.view == result.blend.view
    model = automask.load_model(tmp_path / "model")
    probability = model.probabilities(result.data.test.paths)
    np.testing.assert_allclose(probability, result.blend.test, atol=1e-5)
    assert model.classes == tuple(COLOURS)
    frame = model.predict(result.data.test.paths)
    answers = dict(zip(result.data.test.ids, frame["label"], strict=True))
    assert result.submission.set_index("id")["label"].to_dict() == answers


def draw_folders(folder):
    """Class folders with a test folder."""
    for index in range(24):
        name = list(COLOURS)[index % 3]
        draw(folder / f"train/{name}/a{index}.png", COLOURS[name], index)
        draw(folder / f"test/t{index}.jpg", COLOURS[name], 100 + index, size=(90, 61))
    return folder


def draw_people(folder):
    """The mask competition."""
    draw_competition(folder, train_people=8, test_people=6, size=32)
    return folder


@pytest.mark.parametrize("draw_data", [draw_folders, draw_people])
def test_every_reader_predicts_as_the_study_did(tmp_path, draw_data):
    draw_data(tmp_path / "data")
    automask.init(tmp_path / "data", folder=tmp_path)
    (tmp_path / "space.toml").write_text(SPACE)
    study = train_all(tmp_path, RECIPES[1], recipe(), space="space.toml", folds=2)
    result, made = study.ensemble(method="mean"), study.export(tmp_path / "m", method="mean")
    assert made.difference < 1e-5
    shutil.rmtree(tmp_path / "runs")
    model = automask.load_model(tmp_path / "m")
    np.testing.assert_allclose(
        model.probabilities(result.data.test.paths), result.blend.test, atol=1e-5
    )
    names = result.data.attributes.names
    frame = model.predict(result.data.test.paths)
    assert list(frame.columns) == ["image", *names, "probability"]


def test_arrays_pillows_images_and_paths_are_the_same(exported, trained):
    paths = automask.load(trained).ensemble().data.test.paths[:3]
    model = automask.load_model(exported)
    expected = model.probabilities(paths)
    pictures = [Image.open(path) for path in paths]
    np.testing.assert_allclose(model.probabilities(pictures), expected, atol=1e-7)
    arrays = [np.asarray(picture.convert("RGB")) for picture in pictures]
    np.testing.assert_allclose(model.probabilities(arrays), expected, atol=1e-7)
    np.testing.assert_allclose(model.probabilities(arrays[0]), expected[:1], atol=1e-6)
    grey = np.full((20, 30), 99, np.uint8)
    as_colours = model.probabilities(np.repeat(grey[..., None], 3, 2))
    np.testing.assert_allclose(model.probabilities(grey), as_colours, atol=1e-7)
    with pytest.raises(automask.UserError, match=r"an array \[20, 30, 3\] of float64"):
        model.probabilities(np.zeros((20, 30, 3)))


#: Predicts where what serves searches alone can't be imported.
WITHOUT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent!r}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
import automask
model = automask.load_model({folder!r})
print(model.probabilities({paths!r}).tolist())
"""
ABSENT = ["optuna", "sqlalchemy", "alembic", "cleanlab", "albumentations", "jinja2", "tomli_w"]


def test_a_model_predicts_without_the_study_its_data_and_optuna(model, trained, tmp_path):
    source = automask.load(trained).ensemble().data.test.paths[:4]
    paths = [str(shutil.copy(path, tmp_path)) for path in source]
    program = WITHOUT.format(absent=ABSENT, folder=str(model), paths=paths)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    expected = automask.load_model(model).probabilities(source)
    np.testing.assert_allclose(json.loads(done.stdout), expected, atol=1e-6)


def test_members_share_the_backbone_that_didnt_train(exported):
    contents = json.loads((exported / "model.json").read_text())
    assert len(contents["members"]) == len(RECIPES)
    heads = [member["folds"] for member in contents["members"] if member["trial"] in (1, 2)]
    assert len({fold["trunk"] for folds in heads for fold in folds}) == 1
    # A trunk for both, and one a fold for each of the three others.
    assert len(contents["trunks"]) == 10 == len(list((exported / "weights").glob("backbone-*")))


def test_a_loose_plugin_of_another_project_is_not_the_models(exported, project):
    (project / "plugins").mkdir()
    (project / "plugins/mine.py").write_text(
        '"""Mine."""\nimport numpy as np\nfrom automask import resize\n\n\n@resize()\n'
        'def pad(image, size):\n    """Nothing."""\n'
        "    return np.zeros((size, size, 3), np.uint8)\n"
    )
    image = project / "data/images/t0.png"
    expected = automask.load_model(exported).probabilities(image)
    automask.list_plugins("resize", folder=project)
    np.testing.assert_allclose(
        automask.load_model(exported).probabilities(image), expected, atol=1e-7
    )


@pytest.mark.parametrize("classes", [2, 3])
def test_stacking_by_coefficients_is_scikit_learns(classes):
    target = np.random.default_rng(0).integers(0, classes, 90)
    table = np.stack([noisy(target, classes + 1, 1.0, seed) for seed in (1, 2)])
    blend = ensembles.stack(table, target, macro_f1, np.random.default_rng(0))
    features = centred_logs(table) / blend.scale
    by_sklearn = LogisticRegression(C=0.01, max_iter=50, tol=1e-3).fit(features, target)
    out = blend(table)
    np.testing.assert_allclose(out[:, :classes], by_sklearn.predict_proba(features), atol=1e-12)
    assert (out[:, classes] == 0).all() and blend(table[:, :0]).shape == (0, classes + 1)


def test_a_study_predicts_by_its_name(trained, tmp_path):
    done = command(
        trained.folder, "predict", "main", "data/images/t0.png", "-o", tmp_path / "p.csv"
    )
    assert done.returncode == 0, done.stderr
    frame = pd.read_csv(tmp_path / "p.csv", dtype=str, keep_default_na=False)
    assert list(frame.columns) == ["image", "label", "probability"]
    assert frame.loc[0, "image"] == str(Path("data/images/t0.png"))
