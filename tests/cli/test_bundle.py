"""What a kernel without internet is given, and what it makes of it."""

import csv
import json
import os
import subprocess
import sys
import zipfile

import pytest

from automask.api.bundles import unpack
from automask.errors import UserError
from automask.space.recipe import Choice, Recipe
from automask.storage.wheel import KERNELS_OWN
from helpers.commands import automask, refused
from helpers.models import train_all
from helpers.plugins import FOCAL
from helpers.recipes import recipe

RESIZE = '''"""A resize of one's own."""
from automask import resize


@resize()
def squeezed(image, size):
    """Squeezed."""
    import cv2

    return cv2.resize(image, (size, size))
'''
OFFLINE = {"HF_HUB_OFFLINE": "1", "PIP_NO_INDEX": "1", "NO_ALBUMENTATIONS_UPDATE": "1"}


@pytest.fixture
def bundled(project):
    (project / "plugins").mkdir()
    (project / "plugins/mine.py").write_text(FOCAL)
    config = (project / "automask.toml").read_text()
    (project / "automask.toml").write_text(
        config.replace('space = "default"', 'space = "space.toml"')
    )
    out = automask(project, "bundle", "bundle")
    assert out.returncode == 0, out.stderr
    assert "pip download" in out.stdout
    return project / "bundle"


def code(folder):
    """The notebook's cells but the one that installs."""
    cells = json.loads((folder / "notebook.ipynb").read_text())["cells"]
    sources = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
    return "\n".join(text for text in sources if "--no-index" not in text)


def run(text, folder):
    lines = ["if __name__ == '__main__':", *(f"    {line}" for line in text.splitlines())]
    (folder / "cells.py").write_text("\n".join(lines))
    return subprocess.run(
        [sys.executable, "cells.py"],
        cwd=folder,
        env={**os.environ, **OFFLINE},
        capture_output=True,
        text=True,
    )


def test_the_notebook_searches_from_a_folder_that_is_never_written_to(bundled, project, tmp_path):
    before = {file: file.stat().st_mtime_ns for file in bundled.rglob("*")}
    kernel = tmp_path / "kernel"
    kernel.mkdir()
    text = code(bundled).replace('Path(".")', f"Path({str(bundled)!r})")
    text = text.replace('Path("data")', f"Path({str(project / 'data')!r})")
    text = text.replace('timeout="8h"', "trials=2, workers=1")
    out = run(text, kernel)
    assert out.returncode == 0, out.stderr
    assert len(list(csv.reader((kernel / "submission.csv").open()))) == 10
    assert (kernel / "work/plugins/mine.py").is_file()
    assert {file: file.stat().st_mtime_ns for file in bundled.rglob("*")} == before


@pytest.mark.parametrize("own", [False, True])
def test_the_notebook_predicts_and_runs_plugins_only_where_they_are_trusted(project, tmp_path, own):
    one = recipe()
    if own:
        (project / "plugins").mkdir()
        (project / "plugins/mine.py").write_text(RESIZE)
        one = Recipe({**one.choices, "resize": Choice("squeezed", {})}, one.training)
    train_all(project, one, space="space.toml", folds=2).export(project / "model")
    command = ("bundle", "out", "--model", "model")
    if own:
        refused(automask(project, *command), "mine.py", "--trust-plugins")
        assert not (project / "out").exists()
        command = (*command, "--trust-plugins")
    out = automask(project, *command)
    assert out.returncode == 0, out.stderr
    text = code(project / "out")
    assert ("trust_plugins=True" in text) == own
    kernel = tmp_path / "kernel"
    kernel.mkdir()
    text = text.replace('Path(".")', f"Path({str(project / 'out')!r})")
    done = run(text.replace('Path("images")', f"Path({str(project / 'data/images')!r})"), kernel)
    assert done.returncode == 0, done.stderr
    lines = list(csv.DictReader((kernel / "predictions.csv").open()))
    assert len(lines) == 39 and all(line["label"] for line in lines)


def test_the_wheel_is_automask_whole_and_the_kernels_torch_is_no_requirement(bundled):
    [wheel] = (bundled / "wheels").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert len(names) == len(set(names))
    for name in ("automask/__init__.py", "automask/plugins/losses.py", "automask/py.typed"):
        assert name in names
    for name in ("automask/search_spaces/default.toml", "automask/report/templates/report.html"):
        assert name in names
    pins = dict(
        line.split("==") for line in (bundled / "requirements.txt").read_text().splitlines()
    )
    assert {"timm", "optuna", "numpy", "mako"} <= pins.keys()
    assert not pins.keys() & {*KERNELS_OWN, "automask", "triton"}


def test_what_cannot_be_bundled_is_a_sentence_and_nothing_is_written(project):
    refused(automask(project, "bundle", "out"), "--weights DIR")
    refused(automask(project, "bundle", "out", "--weights", "none"), "no such folder of weights")
    refused(automask(project, "bundle", "data"), "is there already")
    refused(automask(project, "bundle", "out", "--model", "data"), "no exported model")
    assert not [f for f in project.iterdir() if f.name.startswith(("out", ".out"))]


def test_what_is_no_bundle_or_has_no_data_is_a_sentence(bundled, tmp_path):
    with pytest.raises(UserError, match="no such folder of images"):
        unpack(bundled, tmp_path / "work", tmp_path / "nowhere")
    with pytest.raises(UserError, match="no bundle for a search"):
        unpack(tmp_path, tmp_path / "work", tmp_path)
    assert not (tmp_path / "work").exists()
