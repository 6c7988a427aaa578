"""Projects, studies and tasks for a test alone, and the machine that tests share."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

from automask.listener import Listener, listening
from helpers.commands import automask
from helpers.competition import SPACE, draw_table

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
worker = os.environ.get("PYTEST_XDIST_WORKER", "")
if worker and hasattr(os, "sched_setaffinity"):
    # A core each, also for what they start: threads that outnumber the cores stall each other.
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})
os.environ.setdefault("HF_HUB_OFFLINE", "1")
settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """A folder with drawn data in `data/`, `automask.toml` and a tiny space in `space.toml`."""
    folder = tmp_path_factory.mktemp("template")
    draw_table(folder / "data")
    (folder / "space.toml").write_text(SPACE)
    assert automask(folder, "init", "data").returncode == 0
    return folder


class Collector(Listener):
    """Keeps all that work says."""

    def __init__(self):
        self.notes, self.events, self.steps = [], [], []

    def note(self, text):
        self.notes.append(text)

    def publish(self, event):
        self.events.append(event)

    def progress(self, task, done, total):
        self.steps.append((task, done, total))


@pytest.fixture
def heard():
    """What work says during the test: its `notes`, `events`, and `steps` as (task, done, total)."""
    listener = Collector()
    with listening(listener):
        yield listener


@pytest.fixture
def project(template, tmp_path):
    """A copy of it for the test alone."""
    return shutil.copytree(template, tmp_path, dirs_exist_ok=True)


@pytest.fixture
def inside(project, monkeypatch) -> Path:
    """The same, with the test standing in it."""
    monkeypatch.chdir(project)
    return project


@pytest.fixture
def study(inside):
    """A study begun in it, of three folds."""
    from automask.study import opening
    from automask.study.session import Options

    return opening.begin(Options(space="space.toml", folds=3))


@pytest.fixture
def task(inside):
    """What its trials train on."""
    from automask.study import opening
    from automask.study.session import Options

    return opening.begin(Options(space="space.toml", folds=3, threads=1)).task()


@pytest.fixture
def browser(tmp_path):
    """A headless Chromium whose downloads go to `downloads/`."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium isn't installed")
    driver, program = shutil.which("chromedriver"), shutil.which("chromium")
    if driver is None or program is None:
        pytest.skip("no chromium and chromedriver here (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    (tmp_path / "downloads").mkdir()
    options.add_experimental_option(
        "prefs", {"download.default_directory": str(tmp_path / "downloads")}
    )
    opened = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield opened
    opened.quit()
