"""The house itself: which packages there are, and that no module outgrows one job.

The direction of imports is held by `lint-imports`.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
MOST_LINES = 300


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
