"""A package that is begun by a command builds, installs beside automask's wheel, and is sampled."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from automask import testing
from automask.authoring.drafts import draft
from automask.authoring.package import package_files
from automask.errors import PluginError, UserError
from automask.storage.wheel import write_wheel
from helpers.commands import automask, refused
from helpers.searches import TINY

SPACE = TINY.replace("[loss.cross_entropy]\nweight_power = 0.0\n", "[loss.own_loss]\n")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The package's folder, and one with it and automask as pip installs them from wheels."""
    folder = tmp_path_factory.mktemp("package")
    made = automask(folder, "plugins", "new", "loss", "own_loss", "--package")
    assert made.returncode == 0, made.stderr
    source, site = folder / "automask-own-loss", folder / "site"
    (folder / "wheels").mkdir()
    write_wheel(folder / "wheels")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    local = ["--no-index", "--no-deps"]
    build = ["wheel", *local, "--no-build-isolation", "--wheel-dir", folder / "wheels", source]
    subprocess.run([*pip, *build], check=True)
    wheels = sorted((folder / "wheels").glob("*.whl"))
    assert len(wheels) == 2
    subprocess.run([*pip, "install", *local, "--target", site, *wheels], check=True)
    return source, site


def run(site, folder, *line):
    return subprocess.run(
        [sys.executable, "-m", *line],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "PYTHONPATH": str(site), "COLUMNS": "200"},
    )


def test_its_own_tests_pass(installed):
    source, site = installed
    tests = run(site, source, "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "tests")
    assert tests.returncode == 0, tests.stdout + tests.stderr
    assert "2 passed" in tests.stdout


@pytest.mark.parametrize("what", [".", "automask-own-loss", "automask_own_loss"])
def test_it_is_checked_by_its_name_and_in_its_folder(installed, what):
    source, site = installed
    checked = run(site, source, "automask", "plugins", "check", what)
    assert checked.stdout == "loss own_loss: keeps its contract\n", checked.stderr


def test_a_search_samples_it_and_notes_it(installed, project):
    _, site = installed
    (project / "space.toml").write_text(SPACE)
    config = project / "automask.toml"
    config.write_text(config.read_text() + 'require_plugins = ["automask-own-loss>=0.1"]\n')
    line = ("automask", "search", "--trials", "1", "--space", "space.toml", "--folds", "2")
    searched = run(site, project, *line, "--workers", "1")
    assert searched.returncode == 0, searched.stdout + searched.stderr
    shown = run(site, project, "automask", "plugins", "show", "loss.own_loss").stdout
    assert "automask-own-loss" in shown
    assert "study 'main': in 1 of 1 complete trials, best" in shown
    assert (
        "loss.own_loss of automask-own-loss 0.1.0"
        in run(site, project, "automask", "status").stdout
    )
    # Without the package everything says what is missing.
    refused(automask(project, *line[1:]), "pip install 'automask-own-loss>=0.1'")


def written(folder, kind="metric", name="hit"):
    for path, text in package_files(draft(kind, name), False).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def test_a_package_without_an_entry_point_is_told_what_to_write(tmp_path):
    file = written(tmp_path) / "pyproject.toml"
    file.write_text(file.read_text().partition("[project.entry-points")[0])
    with pytest.raises(PluginError, match=r"no entry point of the group 'automask\.plugins'"):
        testing.check_package(str(tmp_path))
    with pytest.raises(UserError, match=r"no pyproject\.toml in it"):
        testing.check_package(str(tmp_path / "src"))
    with pytest.raises(UserError, match="no such package is installed"):
        testing.check_package("automask-nothing")


def test_an_entry_point_to_no_module_is_told(tmp_path):
    written(tmp_path)
    (tmp_path / "src" / "automask_hit").rename(tmp_path / "src" / "automask_miss")
    with pytest.raises(PluginError, match="names the module 'automask_hit', which isn't in"):
        testing.check_package(str(tmp_path))


@pytest.mark.parametrize(
    ("place", "change", "sentence"),
    [
        ("plugins.py", ("@metric()", "@metric"), "with brackets"),
        ("__init__.py", ("PLUGIN_API = 1", "PLUGIN_API = 99"), "written for plugin API 99"),
    ],
)
def test_its_text_is_read_before_it_runs(tmp_path, place, change, sentence):
    file = Path(written(tmp_path) / "src" / "automask_hit" / place)
    file.write_text(f"raise SystemExit('ran')\n{file.read_text().replace(*change)}")
    with pytest.raises(PluginError, match=sentence):
        testing.check_package(str(tmp_path))
