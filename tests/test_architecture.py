"""The house itself: its packages, the plan of it, its names, and that no module outgrows one job.

The direction of imports is held by `lint-imports`.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
MOST_LINES = 300
PLAN = (ROOT / "docs" / "architecture.md").read_text("utf-8")
PARTICIPLES = {"told", "said", "found", "known", "kept", "wishes"}


def modules() -> list[Path]:
    return sorted(
        file for folder in ("automask", "plugins") for file in (ROOT / folder).rglob("*.py")
    )


def test_every_package_is_in_the_wheel():
    table = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    folders = sorted({file.parent.relative_to(ROOT) for file in modules()})
    names = [".".join(folder.parts) for folder in folders]
    names = [f"automask.{name}" if name.startswith("plugins") else name for name in names]
    assert sorted(table["tool"]["setuptools"]["packages"]) == sorted(
        [*names, "automask.search_spaces"]
    )


def test_no_module_is_long():
    lines = {
        file.relative_to(ROOT): len(file.read_text("utf-8").splitlines()) for file in modules()
    }
    assert {file: count for file, count in lines.items() if count > MOST_LINES} == {}


def test_what_the_plan_names_is_there():
    files = set(re.findall(r"`([\w/]+\.py)`", PLAN))
    # `runs/` is a folder of a user's project.
    folders = set(re.findall(r"`(\w+)/`", PLAN)) - {"runs"}
    rows = re.findall(r"^\| (`.+?) \|", PLAN, re.MULTILINE)
    packages = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert files and folders and packages
    house = ROOT / "automask"
    names = files | folders | {n if (house / n).is_dir() else f"{n}.py" for n in packages}
    assert [n for n in sorted(names) if not any((at / n).exists() for at in (house, ROOT))] == []


def test_every_package_is_in_the_plan():
    folders = {file.parent.name for file in (ROOT / "automask").glob("*/__init__.py")}
    assert folders - set(re.findall(r"`(\w+)`", PLAN)) == set()


def named(tree: ast.AST) -> Iterator[str]:
    """What the code gives a name: variables, arguments, functions, classes, imports."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                yield name
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
            ):
                yield name
            case ast.Attribute(attr=name, ctx=ast.Store()) | ast.alias(asname=str(name)):
                yield name


def test_no_thing_is_named_by_a_participle():
    names = {
        (str(file.relative_to(ROOT)), name)
        for file in modules()
        for name in named(ast.parse(file.read_text("utf-8")))
    }
    assert {(file, name) for file, name in names if name in PARTICIPLES} == set()
