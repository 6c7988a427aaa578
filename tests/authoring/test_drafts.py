"""A plugin that is begun by a command keeps its contract, passes its test, and is what the docs show."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from automask import testing
from automask.authoring.drafts import draft, renewed_page
from automask.errors import UserError
from automask.space import rules
from automask.space.kinds import KINDS
from helpers.commands import automask, refused

PAGE = Path(__file__).parents[2] / "docs" / "plugins.md"
EXAMPLES = PAGE.read_text("utf-8").partition("# One of each kind")[2]
BLOCKS = re.findall(r"```python\n(.*?)```", EXAMPLES, re.DOTALL)


def test_the_docs_have_one_of_every_kind_and_it_is_what_the_command_writes():
    kinds = [re.search(r"^def my_(\w+)\(", block, re.MULTILINE)[1] for block in BLOCKS]
    assert sorted(kinds) == sorted(KINDS)
    text = PAGE.read_text("utf-8")
    assert renewed_page(text) == text, "run: python -m automask.authoring.drafts docs/plugins.md"


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block[3:20])
def test_the_docs_example_keeps_its_contract(block, tmp_path):
    file = tmp_path / f"{re.search(r'def (my_[a-z]+)', block)[1]}.py"
    file.write_text(block)
    before = list(rules.RULES)
    (plugin,) = testing.check_file(file)
    KINDS[plugin.kind].plugins.pop(plugin.name)
    rules.RULES[:] = before


def test_each_kind_begun_passes_the_test_that_is_written_with_it(tmp_path):
    for kind in KINDS:
        made = draft(kind, f"own_{kind}")
        for folder, name, text in (
            ("plugins", f"own_{kind}.py", made.source),
            ("tests", f"test_own_{kind}.py", made.file_test),
        ):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / name).write_text(text)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "tests"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    # Of each one its contract and what it is for; two have two of these.
    assert f"{2 * len(KINDS) + 1} passed" in ran.stdout


def test_texts_are_formatted_as_those_of_the_house():
    ruff = pytest.importorskip("ruff", reason="ruff isn't installed")
    for kind in KINDS:
        made = draft(kind, "mine")
        for text in (
            made.source,
            made.file_test,
            made.package_test("automask-mine", "automask_mine"),
        ):
            line = [
                ruff.find_ruff_bin(),
                "format",
                "--check",
                "--isolated",
                "--line-length=100",
                "-",
            ]
            subprocess.run(line, input=text, text=True, check=True, capture_output=True)


@pytest.mark.parametrize(
    ("kind", "name", "sentence"),
    [
        ("los", "mine", "unknown kind 'los': did you mean 'loss'?"),
        ("loss", "my-loss", "did you mean 'my_loss'?"),
        ("loss", "class", "can't be the name of a function"),
        ("loss", "größe", "can't be the name of a function"),
        ("loss", "../mine", "can't be the name of a function"),
        ("loss", "focal", "a loss 'focal' is there already (built in)"),
        ("loss", "torch", "'torch' means something else in the file already"),
        ("loss", "loss", "'loss' means something else in the file already"),
        ("metric", "print", "'print' means something else"),
    ],
)
def test_a_name_that_cannot_be_is_refused(kind, name, sentence):
    with pytest.raises(UserError, match=re.escape(sentence)):
        draft(kind, name)


def test_the_command_writes_both_files_and_replaces_none(tmp_path):
    made = automask(tmp_path, "plugins", "new", "tta", "mine")
    assert made.returncode == 0, made.stderr
    assert made.stdout.splitlines()[:2] == ["wrote plugins/mine.py", "wrote tests/test_mine.py"]
    checked = automask(tmp_path, "plugins", "check", "plugins/mine.py")
    assert checked.stdout.endswith("tta mine: keeps its contract\n"), checked.stderr
    before = (tmp_path / "plugins" / "mine.py").read_text()
    refused(automask(tmp_path, "plugins", "new", "loss", "mine"), "is there already")
    assert (tmp_path / "plugins" / "mine.py").read_text() == before
    (tmp_path / "plugins" / "__init__.py").touch()
    refused(automask(tmp_path, "plugins", "new", "loss", "other"), "is a package of Python's")
