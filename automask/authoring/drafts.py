"""The text of a plugin that works and of its test, under the name that its author gives it.

``python -m automask.authoring.drafts docs/plugins.md`` writes the examples on that page anew.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from automask.errors import UserError, did_you_mean
from automask.space import registry
from automask.space.kinds import KINDS

EXAMPLES = "automask.authoring.examples"
#: How the test of a file in ./plugins comes by the plugin.
BESIDE = """\
FILE = Path(__file__).parents[1] / "plugins" / "{name}.py"
PLUGINS = {{plugin.name: plugin for plugin in testing.load_file(FILE)}}
{name} = PLUGINS["{name}"].function


def test_keeps_its_contract_at_every_corner_of_its_ranges():
    for plugin in PLUGINS.values():
        testing.check(plugin)
"""
#: How that of a package does.
INSTALLED = """\
def test_keeps_its_contract_at_every_corner_of_its_ranges():
    assert "{name}" in [plugin.name for plugin in testing.check_package("{package}")]
"""


@dataclass(frozen=True)
class Draft:
    """A plugin of a kind by its name: the `source` of its module."""

    kind: str
    name: str

    @property
    def source(self) -> str:
        return _renamed(_example(self.kind), self.kind, self.name)

    @property
    def file_test(self) -> str:
        """The test of `plugins/NAME.py`, as tests/test_NAME.py."""
        return self._test(BESIDE.format(name=self.name), ["from pathlib import Path"], [])

    def package_test(self, package: str, module: str) -> str:
        """The test of an installed `package`, whose `module` gives the plugin out."""
        head = "\n" + INSTALLED.format(name=self.name, package=package)
        return self._test(head, [], [f"from {module} import {self.name}"])

    def _test(self, head: str, first: list[str], last: list[str]) -> str:
        """The example's test with another `head`, which imports `first` and `last` too."""
        imports, body = _split(_renamed(_example(f"{self.kind}_test"), self.kind, self.name))
        standard = [line for line in imports if line.split()[1] in sys.stdlib_module_names]
        # What automask gives to it besides the plugin, such as UserError.
        public = [line for line in imports if line.startswith("from automask import ")]
        names = [line.partition(" import ")[2] for line in public]
        others = [line for line in imports if "automask" not in line and line not in standard]
        ours = f"from automask import {', '.join([*names, 'testing'])}"
        blocks = [sorted([*standard, *first], key=_import_order), others, [ours, *last]]
        shown = "\n\n".join("\n".join(block) for block in blocks if block)
        title = f'"""What {self.name} promises, and what it is for: pytest runs it."""'
        return f"{title}\n\n{shown}\n\n{head}\n\n{body}"


def draft(kind: str, name: str) -> Draft:
    """A plugin to begin with.

    Raises `UserError` for an unknown kind, or a name that can't be a plugin's or is one already.
    """
    if kind not in KINDS:
        raise UserError(f"unknown kind '{kind}'{did_you_mean(kind, KINDS)}")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or keyword.iskeyword(name):
        near = re.sub(r"\W+", "_", name.strip(), flags=re.ASCII).strip("_")
        usable = near.isidentifier() and near != name and not keyword.iskeyword(near)
        hint = f": did you mean '{near}'?" if usable else ""
        raise UserError(f"'{name}' can't be the name of a function in Python{hint}")
    offered = registry.plugins(kind)
    if name in offered:
        raise UserError(
            f"a {kind} '{name}' is there already ({offered[name].origin}), and this one would stand in "
            "for it; give it another name"
        )
    texts = _example(kind), _example(f"{kind}_test"), BESIDE.format(name=f"my_{kind}")
    others = set().union(*map(_names, texts)) - {f"my_{kind}"}
    if name in {"testing", "Path", *others, *dir(builtins)}:
        raise UserError(f"'{name}' means something else in the file already; give it another name")
    return Draft(kind, name)


def examples() -> Mapping[str, str]:
    """The example of each kind, by the kind."""
    return {kind: Draft(kind, f"my_{kind}").source for kind in KINDS}


def renewed_page(page: str) -> str:
    """The text of docs/plugins.md with its examples as they are to be."""

    def renewed(block: re.Match[str]) -> str:
        kind = re.search(r"def my_(\w+)\(", block[1])
        return f"```python\n{examples()[kind[1]]}```" if kind else block[0]

    return re.sub(r"```python\n(.*?)```", renewed, page, flags=re.DOTALL)


def _example(name: str) -> str:
    return resources.files(EXAMPLES).joinpath(f"{name}.py").read_text("utf-8")


def _renamed(text: str, kind: str, name: str) -> str:
    return re.sub(rf"\bmy_{kind}\b", name, text)


def _names(text: str) -> set[str]:
    """What a text calls by a name of its own."""
    names = set()
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Name(id=name) | ast.arg(arg=name) | ast.FunctionDef(name=name):
                names.add(name)
            case ast.ClassDef(name=name):
                names.add(name)
            case ast.alias(name=name, asname=other):
                names.add(other or name.partition(".")[0])
    return names


def _split(text: str) -> tuple[list[str], str]:
    """The lines that import, and what comes after them."""
    tree, lines = ast.parse(text), text.splitlines()
    first = next(node for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom))
    return [line for line in lines[: first.lineno - 1] if line], "\n".join(
        [*lines[first.lineno - 1 :], ""]
    )


def _import_order(line: str) -> tuple[bool, str]:
    """Plain imports first, each by name, as formatters have them."""
    return line.startswith("from"), line


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(renewed_page(file.read_text("utf-8")), encoding="utf-8")
