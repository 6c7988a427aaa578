"""An exported folder: whole or not at all, checked, and refused in a sentence where it isn't right."""

import hashlib
import json
import shutil

import numpy as np
import pytest

import automask
from automask import UserError
from automask.ensembles import export as exports
from automask.prediction import states
from automask.prediction.contents import FORMAT
from automask.report import model_card
from automask.space import registry
from automask.space.recipe import Choice, Recipe
from helpers.commands import automask as command
from helpers.commands import refused
from helpers.models import train_all
from helpers.recipes import recipe

PLUGIN = '''"""A resize of one's own, by a helper in a file beside it."""
from automask import resize
from automask.local.helper import squeeze


@resize()
def squeezed(image, size):
    """Squeezed."""
    return squeeze(image, size)
'''
HELPER = '''"""A helper."""
import cv2


def squeeze(image, size):
    return cv2.resize(image, (size, size))
'''


def rewritten(model, change):
    """The model with other contents, whose sum is right."""
    table = json.loads((model / "model.json").read_text())
    change(table)
    (model / "model.json").write_text(json.dumps(table))
    digest = hashlib.sha256((model / "model.json").read_bytes()).hexdigest()
    lines = [line for line in (model / "SHA256SUMS").read_text().splitlines() if "json" not in line]
    (model / "SHA256SUMS").write_text("\n".join([*lines, f"{digest}  model.json"]) + "\n")
    return model


def squeezed_recipe():
    one = recipe()
    return Recipe({**one.choices, "resize": Choice("squeezed", {})}, one.training)


def files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_the_folder_has_a_card_sums_and_exact_versions_and_no_pickle(exported):
    names = files(exported)
    assert {name.rpartition(".")[2] for name in names} == {"SHA256SUMS", "md", "safetensors"} | {
        "json",
        "txt",
    }
    sums = dict(
        line.split("  ")[::-1] for line in (exported / "SHA256SUMS").read_text().splitlines()
    )
    assert sorted([*sums, "SHA256SUMS"]) == names
    for name, digest in sums.items():
        assert hashlib.sha256((exported / name).read_bytes()).hexdigest() == digest
    lines = (exported / "requirements.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert any(line.startswith("torch==") for line in pins) and all("==" in line for line in pins)
    assert not any("optuna" in line for line in pins)
    card = automask.load_model(exported).card
    for words in ("the one to trust", "30 train", "| 01 | 10 |", "trained from random weights"):
        assert words in card
    assert card.index("chosen without the rows scored") < card.index("by which it was chosen")


@pytest.mark.parametrize(
    "name", ["model.json", "MODEL.md", "blend.safetensors", "weights", "SHA256SUMS"]
)
def test_a_changed_byte_and_a_missing_file_are_noticed(model, name):
    file = next((model / name).iterdir()) if name == "weights" else model / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"has changed|is missing"):
        automask.load_model(model)
    file.unlink()
    refused(command(model, "predict", str(model), "x.png"), "x.png: no such file")
    with pytest.raises(UserError, match=r"is missing|it has no model.json"):
        automask.load_model(model)


def test_other_folders_newer_versions_and_strange_contents_are_refused(model, tmp_path, project):
    (tmp_path / "empty").mkdir()
    image = project / "data/images/t0.png"
    refused(command(project, "predict", tmp_path / "empty", image), "no exported model")
    refused(command(project, "predict", "mian", image), "no study 'mian'")
    refused(command(tmp_path / "empty", "predict", "mian", image), "no exported model there")
    newer = rewritten(model, lambda table: table.update(format=FORMAT + 1, automask="9.0"))
    refused(command(project, "predict", newer, image), "automask 9.0", "pip install --upgrade")
    strange = rewritten(model, lambda table: table.update(format=FORMAT, view="flip"))
    refused(command(project, "predict", strange, image), "isn't as automask writes it: view")


def test_a_model_of_the_first_format_is_read(model, project):
    image = project / "data/images/t0.png"
    expected = automask.load_model(model).probabilities(image)

    def change(table):
        table["format"] = 1
        del table["pooled"]

    first = automask.load_model(rewritten(model, change))
    np.testing.assert_allclose(first.probabilities(image), expected, atol=1e-7)


def test_a_plugin_that_is_missing_is_named_with_its_package(model):
    def change(table):
        table["members"][0]["head"] |= {"name": "wide", "origin": "automask-heads"}

    with pytest.raises(UserError, match="head 'wide' of automask-heads"):
        automask.load_model(rewritten(model, change))


@pytest.mark.parametrize(
    "name", ["subprocess:Popen", "automask.plugins:os.system", "automask.plugins._blends:x"]
)
def test_nothing_but_a_plugins_own_class_is_made_of_a_file(name):
    with pytest.raises(UserError, match="isn't of ensemble 'mean'"):
        states.make(name, {"args": ["true"]}, registry.get("ensemble", "mean"))


def test_what_isnt_plain_cant_be_exported():
    with pytest.raises(UserError, match="isn't a dataclass"):
        states.fields_of(np.tanh)


def test_an_export_that_fails_leaves_nothing_and_replaces_nothing(trained, tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").touch()
    refused(command(trained.folder, "export", tmp_path / "mine"), "is there already")
    monkeypatch.setattr(exports, "TOLERANCE", -1)
    with pytest.raises(UserError, match=r"trial . predicts something else"):
        automask.export(tmp_path / "model", trained, method="best")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine"]
    monkeypatch.undo()
    monkeypatch.setattr(model_card, "text", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        automask.export(tmp_path / "model", trained, method="best")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine"]


def test_one_member_or_as_much_as_fits(trained, tmp_path, heard):
    made = automask.export(tmp_path / "one", trained, member=3)
    assert [part.member.number for part in made.blend.parts] == [3]
    contents = json.loads((tmp_path / "one/model.json").read_text())
    assert contents["inputs"][0]["large"] == contents["inputs"][0]["size"] == 40
    small = automask.export(tmp_path / "small", trained, method="mean", size="2MB")
    # Two heads on one backbone, where none of the other three fits.
    assert any("made of 2 trials or fewer of 5" in text for text in heard.notes)
    assert {part.member.number for part in small.blend.parts} <= {1, 2}
    assert small.size < 2e6
    with pytest.raises(UserError, match="the smallest trial takes"):
        automask.export(tmp_path / "none", trained, size="1KB")
    refused(command(trained.folder, "export", tmp_path / "x", "--member", 99), "no complete trial")


def test_trials_without_weights_are_left_out_and_named(trained, tmp_path, heard):
    folder = shutil.copytree(trained.folder, tmp_path / "project")
    study = automask.load(folder)
    stores = [study.folder / "trials" / record.recipe.hash for record in study.records()]
    for store in stores[1:]:
        (store / "fold1.safetensors").unlink()
    made = study.export(tmp_path / "model", method="mean")
    assert [part.member.number for part in made.blend.parts] == [0]
    assert any("trials" in text and "weights weren't kept" in text for text in heard.notes)
    (stores[0] / "fold1.safetensors").unlink()
    with pytest.raises(UserError, match="nothing can be exported"):
        study.export(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_loose_plugins_come_along_and_run_where_they_are_trusted(project, tmp_path):
    (project / "plugins").mkdir()
    (project / "plugins/mine.py").write_text(PLUGIN)
    (project / "plugins/helper.py").write_text(HELPER)
    (project / "plugins/other.py").write_text('"""Not used."""\n')
    study = train_all(project, squeezed_recipe(), space="space.toml", folds=2)
    result, model = study.ensemble(), tmp_path / "model"
    study.export(model)
    assert files(model / "plugins") == ["helper.py", "mine.py"]
    shutil.rmtree(project / "plugins")
    paths = result.data.test.paths
    refused(command(project, "predict", model, paths[0]), "helper.py, mine.py", "--trust-plugins")
    done = command(project, "predict", model, paths[0], "--trust-plugins")
    assert done.returncode == 0, done.stderr
    probability = automask.load_model(model, trust_plugins=True).probabilities(paths)
    np.testing.assert_allclose(probability, result.blend.test, atol=1e-5)
    (model / "plugins/strange.py").write_text("1 / 0\n")
    with pytest.raises(UserError, match=r"strange\.py wasn't exported with it"):
        automask.load_model(model, trust_plugins=True)
