"""README and docs hold: their blocks run, their links lead somewhere, what is generated is as it is."""

import os
import re
import shutil
import subprocess
import sys

import albumentations
import pytest

import automask as package
from automask.cli import reference
from automask.data.synthetic import competition
from automask.errors import UserError
from helpers.commands import automask
from helpers.competition import SPACE, draw_table
from helpers.pages import OTHER, PAGES, ROOT, RUN, SMALL, blocks, run_page


def name(page):
    return page.name


BLOCKS = [block for page in PAGES for block in blocks(page)]
#: What begins a line of output that is a command after all.
COMMAND = re.compile(r"^(\$ |(automask|pip|make|git|python|pytest) )", re.MULTILINE)


@pytest.fixture(scope="session")
def searched(tmp_path_factory):
    """A project with a study, a blend, and the files beside it that pages name."""
    folder = tmp_path_factory.mktemp("pages")
    draw_table(folder / "DATA")
    (folder / "space.toml").write_text(SPACE)
    search = ["search", *(part for option in SMALL.items() for part in option)]
    for arguments in (["init", "DATA"], search, ["ensemble"]):
        ended = automask(folder, *arguments)
        assert ended.returncode == 0, ended.stderr
    competition.draw_competition(folder / "demo/data", train_people=30, test_people=6)
    (folder / "demo/space.toml").write_text(SPACE)
    config = folder / "automask.toml"
    config.write_text(config.read_text().replace('space = "default"', 'space = "space.toml"'))
    for name in ("sign-digits", "clothing"):
        (folder / name).symlink_to("DATA")
    for name in ("photos", "elsewhere"):
        (folder / name).mkdir()
    for index in (1, 2):
        shutil.copy(folder / f"DATA/images/t{index}.png", folder / f"photos/{index}.png")
    albumentations.save(albumentations.Compose([albumentations.CLAHE()]), folder / "mine.json")
    for name, first, second in (
        ("mask", "on", "off"),
        ("gender", "female", "male"),
        ("age", 31, 64),
    ):
        (folder / f"elsewhere/{name}.csv").write_text(f"id,{name}\nx,{first}\ny,{second}\n")
    return folder


@pytest.fixture
def stage(searched, tmp_path):
    """A copy of it for a page alone."""
    return shutil.copytree(searched, tmp_path, dirs_exist_ok=True, symlinks=True)


@pytest.mark.docs
@pytest.mark.parametrize("page", [p for p in PAGES if any(b.long for b in blocks(p))], ids=name)
def test_blocks_run_that_take_long(page, stage):
    run_page(page, stage, long=True)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_blocks_run(page, stage):
    if any(not block.reason and block.language in RUN for block in blocks(page)):
        run_page(page, stage)


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_says_what_it_is(block):
    assert block.language in (*RUN, *OTHER), f"{block}: which language is it?"
    if block.language == "text":
        assert not COMMAND.search(block.text), f"{block}: a command in it would not run"


def test_a_false_block_fails(stage):
    """Of each language: what runs unmarked is run."""
    page = stage / "page.md"
    for language, text in (
        ("sh", "automask trials --sort nothing"),
        ("console", "$ automask sho 1"),
        ("python", "import automask\nautomask.serch()"),
        ("python", ">>> 1 + 1\n3"),
        ("toml", "[loss.fokal]"),
        ("toml", "[search]\nfold = 3"),
        ("sh", "curl example.org"),
    ):
        page.write_text(f"```{language}\n{text}\n```\n")
        with pytest.raises((AssertionError, UserError)):
            run_page(page, stage)
        page.write_text(f"<!-- not run: it would fail -->\n```{language}\n{text}\n```\n")
        run_page(page, stage)


def test_the_site_builds_without_a_warning_and_asks_no_other_host(tmp_path):
    pytest.importorskip("mkdocs", reason="mkdocs isn't installed")
    mkdocs = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"]
    built = subprocess.run(
        mkdocs,
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )
    assert built.returncode == 0, built.stderr
    assert "WARNING" not in built.stderr
    pages = {page.stem for page in (ROOT / "docs").glob("*.md")} - {"index"}
    assert {file.parent.name for file in tmp_path.glob("site/*/index.html")} >= pages
    elsewhere = re.compile(r'<(script|link|img)\b[^>]*(src|href)="(https?:)?//')
    for file in tmp_path.glob("site/**/*.html"):
        assert not elsewhere.search(file.read_text("utf-8")), file


def test_the_reference_of_the_commands_is_that_of_the_app():
    text = (ROOT / "docs/commands.md").read_text("utf-8")
    assert reference.page() == text, "run: python -m automask.cli.reference docs/commands.md"


def test_the_reference_of_python_has_every_name():
    text = (ROOT / "docs/python.md").read_text("utf-8")
    given = set(re.findall(r"^::: automask\.(\w+)$", text, re.MULTILINE))
    assert set(package._LAZY) <= given <= set(dir(package))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_to_files_lead_to_them(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8")):
        assert (page.parent / target).is_file(), f"{page.name}: {target}"


def test_the_readme_is_short_and_names_the_command_of_the_tests():
    text = (ROOT / "README.md").read_text("utf-8")
    assert len(text.splitlines()) <= 120
    (command,) = re.findall(r"^make \w+$", (ROOT / ".ci/run").read_text("utf-8"), re.MULTILINE)
    assert f"```sh\n{command}\n```" in text
