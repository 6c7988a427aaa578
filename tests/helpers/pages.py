"""The blocks of README and docs, and the way a test runs them: in a small project, by a tiny space.

A block of these languages always runs, unless a line before it says why not: `<!-- not run: why -->`, or
that it takes long: `<!-- long: why -->` has it run by `make docs` alone.
`sh` has a command a line, `console` commands after `$ ` with what they printed, `python` is a script, or
a session after `>>> `; `toml` is a project's configuration or a space. `<!-- file: NAME -->` has a block
written to that file first, and nothing run. `text` is output.
"""

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import tomli_w

from helpers.commands import automask, script

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
RUN = ("sh", "console", "python", "toml")
OTHER = ("text", "dockerfile")
BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>not run|long|file): (?P<value>[^\n]+) -->\n+)?"
    r"^```(?P<language>[^\n]*)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
#: A search of a page at the size of a test, whatever the page says.
SMALL = {"--trials": "3", "--space": "space.toml", "--folds": "3", "--workers": "1"}
#: Options that a small search does without.
LEFT_OUT = ("--timeout", "--weights", "--seed")
#: What a block may run beside automask.
PROGRAMS = ("mkdir", "cp", "mv", "cat", "head", sys.executable)
#: A test of a page begins no workers and leaves nothing.
PYTEST = ("-p", "no:xdist", "-p", "no:cacheprovider")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page, from the line `line` on."""

    page: Path
    line: int
    language: str
    text: str
    reason: str = ""
    long: str = ""
    file: str = ""

    def __str__(self):
        return f"{os.path.relpath(self.page, ROOT)}:{self.line}"

    @property
    def commands(self):
        """The lines that a shell would run."""
        lines = self.text.replace("\\\n", " ").splitlines()
        if self.language == "console":
            lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        return [line for line in lines if shlex.split(line, comments=True)]


def blocks(page):
    """The blocks of a page in their order."""
    text = page.read_text("utf-8")
    for found in BLOCK.finditer(text):
        marked = {found["mark"]: found["value"]}
        yield Block(
            page,
            text[: found.start("language")].count("\n") + 1,
            found["language"],
            found["text"],
            marked.get("not run", ""),
            marked.get("long", ""),
            marked.get("file", ""),
        )


def run_page(page, folder, long=False):
    """Run a page's blocks one after another in `folder`; each that fails is an AssertionError."""
    place, session = folder, ""
    for block in blocks(page):
        if block.reason or (block.long and not long):
            continue
        if block.file:
            (folder / block.file).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.file).write_text(block.text)
        elif block.language in ("sh", "console"):
            place = run_commands(block, folder, place)
        elif ">>> " in block.text:
            session += block.text + "\n"
            run_session(block, session, place)
        elif block.language == "python":
            run_script(block, place)
        elif block.language == "toml":
            check_toml(block, folder)


def run_commands(block, folder, place):
    """Run a block's commands from the folder `place` on; the folder where they end."""
    for line in block.commands:
        for command in line.split("&&"):
            name, *arguments = shlex.split(command, comments=True)
            if name == "cd":
                place = (place / arguments[0]).resolve()
                assert place.is_relative_to(folder.resolve()), f"{block}: {command}"
            else:
                ended = run_command(block, name, arguments, place)
                assert ended.returncode == 0, f"{block}: {command}\n{ended.stdout}{ended.stderr}"
    return place


def run_command(block, name, arguments, place):
    if name == "automask":
        return automask(place, *small(arguments))
    if name == "pytest":
        name, arguments = sys.executable, ["-m", "pytest", *PYTEST, *arguments]
    assert name in PROGRAMS, f"{block}: {name} isn't run in tests: say why in a line before it"
    return subprocess.run([name, *arguments], cwd=place, capture_output=True, text=True)


def small(arguments):
    """A command's arguments, a search's at the size of a test."""
    if arguments[0] == "init":
        return [*arguments, "--force"]  # the project is there already
    if arguments[0] != "search":
        return arguments
    words, others = iter(arguments), []
    for word in words:
        if word in SMALL or word in LEFT_OUT:
            next(words)
        else:
            others.append(word)
    return [*others, *(part for option in SMALL.items() for part in option)]


def run_script(block, place):
    """Run a block as a program of its own, its searches at the size of a test."""
    small = 'trials=3, space="space.toml", folds=3, workers=1'
    run_file(block, re.sub(r'trials=\d+, timeout="\w+"', small, block.text), place)


def run_session(block, session, place):
    """Hold all that the page's sessions typed so far to what they show."""
    (place / "session.txt").write_text(session)
    test = "doctest.testfile('session.txt', module_relative=False).failed"
    run_file(block, f"import doctest, sys\nsys.exit({test})\n", place)


def run_file(block, code, place):
    (place / "block.py").write_text(code)
    ended = script(place, "block.py")
    assert ended.returncode == 0, f"{block}\n{ended.stdout}{ended.stderr}"


def check_toml(block, folder):
    """Read a block as a project's configuration, or as a space."""
    from automask.data import config
    from automask.space import space_file
    from automask.storage.project import Project

    beside = folder / "beside"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    for file in folder.glob("*.json"):
        shutil.copy(file, beside)
    table = tomllib.loads(block.text)
    if {"data", "search"} & table.keys():
        # A page may show a part of the file.
        table["data"] = {"path": "DATA", "reader": "table", **table.get("data", {})}
        (beside / "automask.toml").write_text(tomli_w.dumps(table))
        config.load(Project(beside))
    else:
        (beside / "own.toml").write_text(block.text)
        with contextlib.chdir(beside):
            space_file.load("own.toml")
