"""The same bytes give the same probabilities as in the study, wherever they are predicted."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression

import automask
from automask.data.synthetic.competition import draw_competition
from automask.plugins import ensembles
from automask.plugins._blends import centred_logs
from automask.training import hardware
from helpers import targets
from helpers.commands import automask as command
from helpers.commands import refused
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


def test_torn_test_images_are_predicted_as_the_study_did(project, heard):
    for name, kept in (("t1", 0.7), ("t3", 0.4)):
        file = project / f"data/images/{name}.png"
        noise = np.random.default_rng(0).integers(0, 255, (70, 50, 3)).astype(np.uint8)
        Image.fromarray(noise).save(file)
        content = file.read_bytes()
        file.write_bytes(content[: int(len(content) * kept)])
    study = train_all(project, recipe(), recipe(image_size=24), space="space.toml", folds=2)
    result = study.ensemble(method="mean")
    study.export(project / "model", method="mean")
    model = automask.load_model(project / "model")
    paths = result.data.test.paths
    heard.notes.clear()
    predictions = model.predictions(paths)
    np.testing.assert_allclose(predictions.values, result.blend.test, atol=1e-5)
    assert any("2 of 9 images can't be read to the end" in text for text in heard.notes)
    frame = model.predict(paths)
    torn = frame["error"].notna()
    assert [path.stem for path, is_torn in zip(paths, torn, strict=True) if is_torn] == ["t1", "t3"]
    assert frame["label"].notna().all()
    with pytest.raises(automask.UserError, match=r"t1\.png"):
        model.predict(paths, on_bad_image="stop")
    with pytest.raises(automask.UserError, match=r"t1\.png"):
        model.probabilities(paths)


def test_a_network_that_trained_in_bfloat16_predicts_the_same(project, monkeypatch):
    """Whatever it trained in, a study predicts in float32."""
    precisions = []

    def quicker(*_):
        precisions.append(torch.bfloat16)
        return True

    monkeypatch.setattr(hardware, "_quicker", quicker)
    study = train_all(project, recipe(), space="space.toml", folds=2)
    assert precisions
    result, made = study.ensemble(), study.export(project / "model")
    assert made.difference < 1e-5
    table = automask.load_model(project / "model").probabilities(result.data.test.paths)
    np.testing.assert_allclose(table, result.blend.test, atol=1e-5)


def test_several_pictures_of_a_thing_are_answered_as_in_the_study(tmp_path, heard):
    labels = np.arange(40) % 2
    levels = 90 + 70 * labels[:, None].repeat(3, 1)
    targets.draw(tmp_path, {"is_bright": labels}, levels, pictures=2)
    study, result = targets.search(tmp_path, 'unit = "thing"', "accuracy")
    study.export(tmp_path / "model")
    model = automask.load_model(tmp_path / "model")
    test = result.data.test
    table = model.probabilities(test.paths, units=test.units)
    np.testing.assert_allclose(table, result.blend.test[::2], atol=1e-5)
    # Pictures come in any order, and things are told in that of their first ones.
    order = np.random.default_rng(0).permutation(len(test.paths))
    frame = model.predict(
        [test.paths[i] for i in order], units=[test.units[i] for i in order], probabilities=True
    )
    assert frame["unit"].tolist() == list(dict.fromkeys(test.units[i] for i in order))
    assert (frame["images"] == 2).all()
    places = [test.units[::2].index(unit) for unit in frame["unit"]]
    np.testing.assert_allclose(frame["p(1)"], table[places, 1], atol=1e-6)
    # How sure things were, and not their pictures.
    assert len(model.contents.rejection.confidence) <= 32
    reached = max(model.contents.rejection.precision)
    assert "unit" in model.predict(test.paths, units=test.units, reject=reached)
    with pytest.raises(automask.UserError, match="--unit COLUMN"):
        model.predict(test.paths, reject=0.5)
    heard.notes.clear()
    assert len(model.predict(test.paths)) == 16
    assert any("each picture is answered by itself" in text for text in heard.notes)
    with pytest.raises(automask.UserError, match="3 units of 16 images"):
        model.predict(test.paths, units=["a", "b", "c"])


def test_things_are_named_by_a_column(tmp_path):
    labels = np.arange(40) % 2
    targets.draw(
        tmp_path, {"is_bright": labels}, 60 + 130 * labels[:, None].repeat(3, 1), pictures=2
    )
    study, _ = targets.search(tmp_path, 'unit = "thing"', "accuracy", epochs=1)
    study.export(tmp_path / "model")
    drawn = pd.read_csv(tmp_path / "data/drawn.csv", dtype=str)
    new = drawn[drawn["part"] == "test"][["id", "thing"]]
    (tmp_path / "data" / new["id"].iloc[1]).write_text("no image")
    new.to_csv(tmp_path / "data/new.csv", index=False)
    new.assign(thing=new["thing"].where(new.index != new.index[3])).to_csv(
        tmp_path / "data/gap.csv", index=False
    )
    new.assign(thing=new["thing"].where(new.index != new.index[3])).to_parquet(
        tmp_path / "data/gap.parquet"
    )
    run = ("predict", tmp_path / "model")
    done = command(tmp_path, *run, "data/new.csv", "--unit", "thing", "-o", "out.csv")
    assert done.returncode == 0, done.stderr
    assert "8 rows, 8 of them answered" in done.stderr
    frame = pd.read_csv(tmp_path / "out.csv", dtype=str)
    assert frame["unit"].tolist() == [f"t{row}" for row in range(32, 40)]
    assert frame["images"].tolist() == ["1"] + ["2"] * 7
    assert "can't be read" in frame["error"][0] and frame["error"][1:].isna().all()
    refused(command(tmp_path, *run, "data/new.csv", "--unit", "thin"), "did you mean 'thing'")
    refused(command(tmp_path, *run, "data", "--unit", "thing"), "data is no table")
    for name in ("gap.csv", "gap.parquet"):
        refused(command(tmp_path, *run, f"data/{name}", "--unit", "thing"), "row 5", "which thing")


def test_a_model_of_single_pictures_answers_no_things(exported, trained):
    paths = automask.load(trained).ensemble().data.test.paths[:2]
    with pytest.raises(automask.UserError, match="scored on single pictures"):
        automask.load_model(exported).predict(paths, units=["a", "a"])


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
def test_stacking_by_coefficients_is_near_scikit_learns(classes):
    target = np.random.default_rng(0).integers(0, classes, 90)
    table = np.stack([noisy(target, classes + 1, 1.0, seed) for seed in (1, 2)])
    blend = ensembles.stack(table, target, macro_f1, np.random.default_rng(0))
    features = centred_logs(table) / blend.scale
    by_sklearn = LogisticRegression(C=0.01, max_iter=1000, tol=1e-8).fit(features, target)
    out = blend(table)
    np.testing.assert_allclose(out[:, :classes], by_sklearn.predict_proba(features), atol=0.01)
    assert (out[:, classes] == 0).all() and blend(table[:, :0]).shape == (0, classes + 1)


def test_a_study_predicts_by_its_name(trained, tmp_path):
    done = command(
        trained.folder, "predict", "main", "data/images/t0.png", "-o", tmp_path / "p.csv"
    )
    assert done.returncode == 0, done.stderr
    frame = pd.read_csv(tmp_path / "p.csv", dtype=str, keep_default_na=False)
    assert list(frame.columns) == ["image", "label", "probability"]
    assert frame.loc[0, "image"] == str(Path("data/images/t0.png"))
