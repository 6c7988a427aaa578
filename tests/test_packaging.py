"""What the package declares is what it imports, and what is built of it has all that it needs."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from automask.storage.wheel import write_wheel
from helpers.environments import install

ROOT = Path(__file__).parents[1]
#: Modules whose package has another name.
PACKAGES = {
    "mlflow": "mlflow-skinny",
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}


def imported_packages():
    """The installed packages that automask and its plugins import, by the names that pip has."""
    names = set()
    for folder in ("automask", "plugins"):
        for file in (ROOT / folder).rglob("*.py"):
            if file.name.endswith("_test.py"):
                continue  # written for authors, who bring pytest
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    names |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    names.add(node.module.partition(".")[0])
    names -= {"automask", *sys.stdlib_module_names}
    return {PACKAGES.get(name, name).replace("_", "-") for name in names}


def declared_packages(*extras):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [] if extras else list(project["dependencies"])
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    return {re.match(r"[\w-]+", line)[0] for line in lines}


def test_what_is_imported_is_declared_and_what_is_declared_is_imported():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].keys() - {"dev"}
    assert imported_packages() - declared_packages(*extras) == declared_packages()


def test_the_oldest_versions_that_are_tried_are_the_lower_bounds():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    bounds = dict(
        re.match(r"([\w-]+)>=([\d.]+)", line).groups() for line in project["dependencies"]
    )
    lines = (ROOT / "tests/oldest.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert pins.keys() == bounds.keys()
    for name, bound in bounds.items():
        assert f"{pins[name]}.".startswith(f"{bound}."), name


#: The folders that are installed, by their names as packages.
SOURCES = {
    "automask": "automask",
    "plugins": "automask/plugins",
    "search_spaces": "automask/search_spaces",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The wheel and the sdist that `python -m build` makes of nothing but the sources."""
    folder = tmp_path_factory.mktemp("sources")
    for name in SOURCES:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    build = [sys.executable, "-m", "build", "--no-isolation", folder]
    done = subprocess.run(build, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,), (sdist,) = (folder / "dist").glob("*.whl"), (folder / "dist").glob("*.tar.gz")
    return {"wheel": wheel, "sdist": sdist}


def installed_files(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def test_the_wheel_has_every_source_and_its_facts_and_so_has_that_of_a_bundle(built, tmp_path):
    sources = {
        f"{package}/{file.relative_to(ROOT / name).as_posix()}"
        for name, package in SOURCES.items()
        for file in (ROOT / name).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert installed_files(built["wheel"]) == sources
    assert installed_files(write_wheel(tmp_path)) == sources
    assert {
        *("automask/py.typed", "automask/report/templates/report.html"),
        *("automask/search_spaces/default.toml", "automask/search_spaces/portfolio.json"),
    } <= sources
    with zipfile.ZipFile(built["wheel"]) as archive:
        facts = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = archive.read(facts).decode()
        entry_points = archive.read(facts.replace("METADATA", "entry_points.txt")).decode()
        assert facts.replace("METADATA", "licenses/LICENSE") in archive.namelist()
    assert "\nLicense-Expression: Apache-2.0\n" in metadata
    assert "automask = automask.cli:main" in entry_points
    assert "builtin = automask.plugins" in entry_points


def test_the_sdist_has_what_builds_it(built):
    with tarfile.open(built["sdist"]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "plugins/losses.py"} <= names
    assert {"automask/py.typed", "search_spaces/portfolio.json"} <= names


@pytest.mark.parametrize("file", ["wheel", "sdist"])
def test_what_is_built_installs_and_its_command_runs(built, file, tmp_path):
    commands = install(tmp_path / "environment", built[file])

    def output(*line):
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        done = subprocess.run(
            [commands / line[0], *line[1:]],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env={**environment, "COLUMNS": "200"},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    code = "import automask, automask.plugins; print(automask.__file__)"
    assert Path(output("python", "-c", code).strip()).is_relative_to(tmp_path)
    assert "search" in output("automask", "--help")
    assert "focal" in output("automask", "plugins", "loss")


def test_every_extra_is_listed_with_what_it_brings():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    page = (ROOT / "docs/installation.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ([\w, -]+) \|", page, re.MULTILINE)
    listed = {extra: packages.split(", ") for extra, packages in rows}
    assert len(listed) == len(rows)
    assert listed.keys() == project["optional-dependencies"].keys()
    for extra, packages in listed.items():
        assert set(packages) == declared_packages(extra), extra
        assert packages == sorted(packages), extra
