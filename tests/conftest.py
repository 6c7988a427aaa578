"""Small competitions drawn on the spot, and the command line run as a user runs it."""

import functools
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from automask.listener import Listener, listening

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
worker = os.environ.get("PYTEST_XDIST_WORKER", "")
if worker and hasattr(os, "sched_setaffinity"):
    # A core each, also for what they start: threads that outnumber the cores stall each other.
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})
os.environ.setdefault("HF_HUB_OFFLINE", "1")

SPACE = """
[training]
pretrained = false
image_size = 32
epochs = { low = 1, high = 2 }
warmup_epochs = 0
batch_size = 8

[backbone.timm]
model = "test_resnet"
drop_rate = 0.0
drop_path_rate = 0.0

[loss.cross_entropy]

[loss.focal]
gamma = { low = 0.5, high = 2.0 }

[freeze.full]

[freeze.norm_and_head]

[augmentation.none]

[augmentation.light]
"""

COLOURS = {"01": (200, 40, 40), "2": (40, 200, 40), "NA": (40, 40, 200)}


def draw(file, colour, seed, size=(40, 32)):
    rng = np.random.default_rng(seed)
    noise = rng.integers(-35, 35, (size[1], size[0], 3))
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((np.array(colour) + noise).clip(0, 255).astype(np.uint8)).save(file)


def draw_table(folder, rows=30, test=9, group=True):
    """A table task: the label is the image's colour; every two rows are a group."""
    labels = list(COLOURS)
    lines = ["id,path,label" + (",group" if group else "")]
    for index in range(rows):
        label = labels[index // 2 % len(labels)]
        draw(folder / f"images/a{index}.png", COLOURS[label], index)
        lines.append(f"a{index},images/a{index}.png,{label}" + (f",g{index // 2}" if group else ""))
    (folder / "train.csv").write_text("\n".join(lines) + "\n")
    if test:
        ids = [f"t{index}" for index in range(test)]
        for index, name in enumerate(ids):
            draw(folder / f"images/{name}.png", COLOURS[labels[index % 3]], 1000 + index)
        rows_of = [f"{name},images/{name}.png" for name in ids]
        (folder / "test.csv").write_text("id,path\n" + "\n".join(rows_of) + "\n")
        wanted = "\n".join(f"{name},2" for name in reversed(ids))
        (folder / "sample_submission.csv").write_text(f"id,label\n{wanted}\n")
    return folder


def automask(folder, *arguments, **environment):
    """Run the command line in `folder`; the finished process with its output as text.

    It is forked by `starter.py`, or with an environment of its own begun as `python -m automask`.
    """
    arguments = list(map(str, arguments))
    if not environment:
        return begun(os.path.abspath(folder), arguments)
    return subprocess.run(
        [sys.executable, "-m", "automask", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "COLUMNS": "200", **environment},
    )


def begun(folder, arguments):
    asked = json.dumps([folder, arguments]).encode()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        try:
            link = starter()
            socket.send_fds(link, [asked], [out.fileno(), err.fileno()])
            code = int(link.recv(16))
        except BaseException:
            starter.cache_clear()  # its next answer would be that of this command
            raise
        for file in (out, err):
            file.seek(0)
        return subprocess.CompletedProcess(arguments, code, out.read(), err.read())


@functools.cache
def starter():
    """The near end of a link to a process of `starter.py`, which ends with this one."""
    near, far = socket.socketpair()
    near.settimeout(600)
    with far:
        subprocess.Popen(
            [sys.executable, Path(__file__).with_name("starter.py"), str(far.fileno())],
            pass_fds=[far.fileno()],
            env={**os.environ, "COLUMNS": "200"},
        )
    return near


def refused(process, *words):
    """Assert that a command ended as it must for a user's mistake, and said these words."""
    assert process.returncode == 2, process.stdout + process.stderr
    assert "Traceback" not in process.stderr
    for word in words:
        assert word in process.stderr, process.stderr


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
