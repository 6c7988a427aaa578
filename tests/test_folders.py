"""Where tests stand: in a folder of the package that they test, and nothing taken from one another."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
ROOT = TESTS.parent
PACKAGES = {
    *(file.parent.name for file in (ROOT / "automask").glob("*/__init__.py")),
    *("plugins", "benchmarks"),
}


def borrowed(text):
    """The test modules, and the fixtures' module, that a module imports from."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [f"{node.module or ''}.{alias.name}" for alias in node.names]
        else:
            continue
        for module in modules:
            if any(part == "conftest" or part.startswith("test_") for part in module.split(".")):
                yield module


def test_each_folder_is_that_of_a_package():
    folders = {file.relative_to(TESTS).parts[0] for file in TESTS.glob("*/**/test_*.py")}
    assert folders <= PACKAGES


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("from test_training import recipe, task", 2),
        ("from .test_training import task", 1),
        ("from tests.hpo import test_searcher", 1),
        ("import conftest", 1),
        ("from helpers.recipes import recipe\nfrom automask import testing", 0),
    ],
)
def test_what_counts_as_borrowed(text, count):
    assert len(list(borrowed(text))) == count


def test_no_module_borrows_from_a_test_module():
    found = {
        str(file.relative_to(TESTS)): modules
        for file in TESTS.rglob("*.py")
        if (modules := list(borrowed(file.read_text("utf-8"))))
    }
    assert not found, "functions go to tests/helpers/, fixtures to a conftest.py"
