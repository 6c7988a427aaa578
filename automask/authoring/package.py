"""The files of an installable package with one plugin: built by pip, tested by pytest and in CI."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import PurePosixPath

from automask.authoring.drafts import Draft
from automask.space.plugin_api import PLUGIN_API

PYPROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "{package}"
version = "0.1.0"
description = "{name}, a {kind} for automask"
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["automask>={automask}"]

[project.optional-dependencies]
dev = ["pytest>=8"]

# By this automask finds the plugins: those that the module registers as it is imported.
[project.entry-points."automask.plugins"]
{module} = "{module}"
"""
README = """\
# {package}

`{name}`, a {kind} for automask.

```
pip install {package}
automask plugins show {kind}.{name}
```

From then on the spaces that ship with automask try it, and a space of your own does where it says
`[{kind}.{name}]`. A project that needs it says so in its automask.toml:

```toml
[search]
require_plugins = ["{package}>=0.1"]
```

To work on it: `pip install --editable '.[dev]'`, then `automask plugins check .` and `pytest`.
"""
NOT_IN_SPACES = """\
From then on `automask plugins {kind}` lists it. A project that needs it says so in its automask.toml:
"""
INIT = """\
\"\"\"Plugins for automask. Each is a function with a decorator of its kind; import them all here.\"\"\"

from {module}.plugins import {name} as {name}

#: What these were written for; an automask that has another says so instead of failing.
PLUGIN_API = {api}
"""
WORKFLOW = """\
name: test
on: [push, pull_request]
jobs:
  test:
    runs-on: ubuntu-latest
    strategy:
      matrix:
        python: ["3.11", "3.13"]
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: ${{{{ matrix.python }}}}
      - run: pip install '.[dev]'
      - run: automask plugins check .
      - run: pytest
"""
IGNORED = "__pycache__/\n*.egg-info/\nbuild/\ndist/\n.venv/\n"


def package_name(name: str) -> str:
    """What pip is to call the package of a plugin."""
    return f"automask-{name.lower().replace('_', '-').strip('-')}"


def package_files(draft: Draft, searched: bool) -> dict[PurePosixPath, str]:
    """The text of each file by its path in the folder; of a `searched` kind a recipe has one."""
    package = package_name(draft.name)
    module = package.replace("-", "_")
    words = {
        "package": package,
        "module": module,
        "kind": draft.kind,
        "name": draft.name,
        "api": PLUGIN_API,
        "automask": version("automask"),
    }
    readme = README
    if not searched:
        begin, end = readme.index("From then on"), readme.index("\n```toml")
        readme = readme[:begin] + NOT_IN_SPACES + readme[end:]
    where = f"automask plugins check plugins/{draft.name}.py"
    texts = {
        "pyproject.toml": PYPROJECT.format(**words),
        "README.md": readme.format(**words),
        ".gitignore": IGNORED,
        ".github/workflows/test.yml": WORKFLOW.format(**words),
        f"src/{module}/__init__.py": INIT.format(**words),
        f"src/{module}/plugins.py": draft.source.replace(where, "automask plugins check ."),
        f"tests/test_{draft.name}.py": draft.package_test(package, module),
    }
    return {PurePosixPath(path): text for path, text in texts.items()}
