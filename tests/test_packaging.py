"""What the package declares is what it imports."""

import ast
import re
import sys
import tomllib
from pathlib import Path

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
    lines = list(project["dependencies"])
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    return {re.match(r"[\w-]+", line)[0] for line in lines}


def test_what_is_imported_is_declared_and_what_is_declared_is_imported():
    optional = (
        declared_packages(
            *(
                "cma",
                "dashboard",
                "dicom",
                "heic",
                "look",
                "lora",
                "onnx",
                "parquet",
                "report",
                "tiff",
            ),
            *("mlflow", "tensorboard", "trackio", "wandb"),
        )
        - declared_packages()
    )
    assert imported_packages() - optional == declared_packages()


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
