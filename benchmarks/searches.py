"""Whole searches: what they spend outside training, side by side, and on many images."""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import timm
from safetensors.torch import save_file

from benchmarks import tasks
from benchmarks.measure import SMALLER, Figure, ratio, seconds

SPACE = """
[training]
pretrained = true
image_size = {size}
epochs = {epochs}
warmup_epochs = 0
batch_size = {batch}

[backbone.timm]
model = "{model}"
drop_rate = 0.0
drop_path_rate = 0.0

[augmentation.{augmentation}]

[freeze.{freeze}]

[optimizer.adamw]
lr = {{ low = 1e-3, high = 1e-2 }}
layer_decay = 1.0
"""
SHARED = Path("../shared/data/sign-digits").resolve()


def figures() -> list[Figure]:
    return [outside_training(), two_workers(), anonymous_memory(), ten_times_the_images()]


def project(folder: Path, images: int, side: int, **space: object) -> Path:
    """A folder to search in, with drawn images of ten classes."""
    paths = tasks.draw(folder / "data" / "images", images, side)
    rows = [f"{p.stem},images/{p.name},{i % tasks.CLASSES}" for i, p in enumerate(paths)]
    (folder / "data" / "train.csv").write_text("\n".join(["id,path,label", *rows]) + "\n")
    prepare(folder, "data", **space)
    return folder


def prepare(folder: Path, data: str, **space: object) -> None:
    (folder / "space.toml").write_text(SPACE.format(**space))
    automask(folder, "init", data)
    # Any weights will do, but without some no trial may leave the backbone as it is.
    (folder / "weights").mkdir()
    weights = timm.create_model(str(space["model"])).state_dict()
    save_file(weights, folder / "weights" / f"{space['model']}.safetensors")
    with open(folder / "automask.toml", "a") as file:
        file.write('weights = "weights"\n')


def automask(folder: Path, *arguments: str) -> str:
    """What the command prints."""
    done = subprocess.run(
        [sys.executable, "-m", "automask", *arguments], cwd=folder, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


def search(folder: Path, trials: int, workers: int, study: str = "main", folds: int = 5) -> None:
    options = ("--trials", trials, "--workers", workers, "--study", study, "--folds", folds)
    automask(folder, "search", "--space", "space.toml", *map(str, options))


def outside_training() -> Figure:
    """Seconds a trial that proposing, storing and saving take, in a study that trains only heads."""
    from automask.hpo.limits import Limits
    from automask.hpo.searcher import Searcher
    from automask.storage.project import Project
    from automask.storage.trial_store import TrialStore
    from automask.study import opening
    from automask.study.session import Options
    from automask.training.trial import fit

    trials, inside = 50, 0.0
    plain = {"epochs": 10, "batch": 32, "size": 96, "model": "mobilenetv3_small_050"}
    with tempfile.TemporaryDirectory() as name:
        if SHARED.is_dir():
            prepare(Path(name), str(SHARED), freeze="head_only", augmentation="none", **plain)
            data = "sign-digits"
        else:
            project(Path(name), 486, 100, freeze="head_only", augmentation="none", **plain)
            data = "486 drawn images"
        opened = opening.begin(Options(space="space.toml", project=Project(Path(name))))
        room = opened.room()
        task = opened.task(room)
        assert opened.space is not None

        def train(recipe, report):  # type: ignore[no-untyped-def]
            nonlocal inside
            outside = Clock()

            class Timed(TrialStore):
                save = outside.counting(TrialStore.save)
                load = outside.counting(TrialStore.load)

            begin = time.perf_counter()
            try:
                store = Timed(opened.store.trial(recipe.hash).folder, room)
                return fit(task, recipe, store, outside.counting(report))
            finally:
                inside += time.perf_counter() - begin - outside.seconds

        searcher = Searcher(opened.study, opened.space, opened.store, Limits(trials), train)
        # The first trial fills the caches.
        Searcher(opened.study, opened.space, opened.store, Limits(1), train).run()
        inside = 0.0
        wall = seconds(searcher.run)
    each = (wall - inside) / (trials - 1)
    return Figure(
        "seconds outside training a trial, 50 head-only trials",
        each,
        0.1,
        "s",
        SMALLER,
        note=f"{data}; {wall / (trials - 1):.2f} s a trial in all",
    )


class Clock:
    """Adds up the seconds of the calls that it is told to count."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def counting(self, function):  # type: ignore[no-untyped-def]
        def counted(*arguments, **keywords):  # type: ignore[no-untyped-def]
            begin = time.perf_counter()
            try:
                return function(*arguments, **keywords)
            finally:
                self.seconds += time.perf_counter() - begin

        return counted


def two_workers() -> Figure:
    """Trials an hour, from the first trial's start to the last one's end."""
    import optuna

    space = {"epochs": 1, "batch": 32, "size": 64, "augmentation": "light", "freeze": "full"}
    hours: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as name:
        folder = project(Path(name), 1000, 64, model="mobilenetv3_small_050", **space)
        for turn in range(2):
            for workers in hours:
                study = f"w{workers}-{turn}"
                search(folder, 6, workers, study, folds=3)
                storage = f"sqlite:///{folder}/runs/{study}/study.db"
                trials = optuna.load_study(study_name=study, storage=storage).trials
                begin = min(t.datetime_start for t in trials)
                end = max(t.datetime_complete for t in trials)
                hours[workers].append((end - begin).total_seconds())
    note = f"6 trials: {statistics.median(hours[1]):.0f} s and {statistics.median(hours[2]):.0f} s"
    return ratio("two workers over one with two threads", hours[1], hours[2], 1.5, note)


def anonymous_memory() -> Figure:
    """The largest that a search's own memory grows to, on 100,000 images by on 1,000."""
    peaks = {}
    space = {
        "epochs": 1,
        "batch": 256,
        "size": 32,
        "augmentation": "none",
        "freeze": "head_only",
        "model": "test_resnet",
    }
    for images in (1_000, 100_000):
        with tempfile.TemporaryDirectory() as name:
            folder = project(Path(name), images, 32, **space)
            peaks[images] = peak_memory(folder)
    return Figure(
        "anonymous memory of a search, 100,000 images over 1,000",
        peaks[100_000] / peaks[1_000],
        1.2,
        better=SMALLER,
        note=f"{peaks[100_000] / 2**20:.0f} MiB and {peaks[1_000] / 2**20:.0f} MiB",
    )


def peak_memory(folder: Path) -> int:
    """Bytes of anonymous memory that a search of one trial held at most."""
    command = ["search", "--space", "space.toml", "--trials", "1", "--workers", "1", "--folds", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "automask", *command],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    peak = 0
    while process.poll() is None:
        with contextlib.suppress(OSError, StopIteration):
            lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
            own = next(line for line in lines if line.startswith("RssAnon"))
            peak = max(peak, int(own.split()[1]) * 1024)
        time.sleep(0.02)
    if process.returncode:
        raise RuntimeError(process.stderr.read() if process.stderr else "")
    return peak


def ten_times_the_images() -> Figure:
    space = {"epochs": 2, "batch": 32, "size": 64, "augmentation": "light", "freeze": "full"}
    walls = {}
    for images in (400, 4_000):
        with tempfile.TemporaryDirectory() as name:
            folder = project(Path(name), images, 64, model="mobilenetv3_small_050", **space)
            walls[images] = seconds(lambda folder=folder: search(folder, 2, 2, folds=2))
    return Figure(
        "wall time of a search with ten times the images",
        walls[4_000] / walls[400],
        10.0,
        better=SMALLER,
        note=f"{walls[400]:.0f} s and {walls[4_000]:.0f} s, {os.cpu_count()} cores",
    )
