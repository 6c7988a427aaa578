"""Whole searches on a GPU: two workers beside one, real tasks in a minute, and the tests there."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import optuna

from automask.storage.study_store import StudyStore
from benchmarks import searches
from benchmarks.measure import SMALLER, Figure, seconds

#: What five minutes on two cores came to, nested, with the same network.
GOALS = {"sign-digits": 0.95, "clothing": 0.33}


def workers(folder: Path, images: int = 500, size: int = 64, trials: int = 4) -> Iterator[Figure]:
    """Trials an hour, from the first trial's start to the last one's end."""
    space = {"epochs": 6, "batch": 64, "augmentation": "light", "freeze": "full"}
    (folder / "workers").mkdir()
    project = searches.project(
        folder / "workers", images, size, model="resnet18", size=size, **space
    )
    hours = {}
    for count in (1, 2):
        searches.search(project, trials, count, f"w{count}", folds=3)
        storage = f"sqlite:///{project}/runs/w{count}/study.db"
        ended = optuna.load_study(study_name=f"w{count}", storage=storage).trials
        begin = min(trial.datetime_start for trial in ended)
        hours[count] = (max(t.datetime_complete for t in ended) - begin).total_seconds()
    note = f"{trials} trials of resnet18 at {size} px: {hours[1]:.0f} s and {hours[2]:.0f} s"
    yield Figure("two workers on one GPU over one", hours[1] / hours[2], 1.0, note=note)


def minute(
    name: str, folder: Path, limit: int = 60, data: Path = searches.SHARED.parent
) -> Iterator[Figure]:
    """The default space for a minute, with `tf_efficientnet_lite0`'s ImageNet weights."""
    project, weights = folder / name, folder / "weights"
    project.mkdir()
    weights.mkdir(exist_ok=True)
    for file in (data.parent / "weights").glob("tf_efficientnet_lite0.*"):
        with contextlib.suppress(FileExistsError):
            (weights / file.name).symlink_to(file.resolve())
    searches.automask(project, "init", str(data / name))
    options = ("--weights", str(weights), "--timeout", f"{limit}s")
    wall = seconds(lambda: searches.automask(project, "search", *options))
    storage = f"sqlite:///{project}/runs/main/study.db"
    trials = optuna.load_study(study_name="main", storage=storage).trials
    states = [trial.state.name.lower() for trial in trials]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    yield Figure(
        f"{name}, seconds of a search of {limit} s", wall, limit + 5, "s", SMALLER, note=counts
    )
    blending = seconds(lambda: searches.automask(project, "ensemble"))
    [made] = StudyStore(project / "runs" / "main").ensembles()
    nested = made.facts()["cv"]["nested"]
    note = f"{nested['low']:.3f} to {nested['high']:.3f}; blended in {blending:.0f} s"
    yield Figure(f"{name}, nested score after {limit} s", nested["value"], GOALS[name], note=note)


def tests(folder: Path) -> Iterator[Figure]:
    """The tests that need a GPU."""
    command = [sys.executable, "-m", "pytest", "tests/test_gpu.py", "-m", "gpu", "-n", "0"]
    done = subprocess.run(command, capture_output=True, text=True)
    print(done.stdout, file=sys.stderr)
    last = done.stdout.splitlines()[-1] if done.stdout else done.stderr[-200:]
    passed = re.search(r"(\d+) passed", last)
    value = float(passed[1]) if passed and not done.returncode else 0.0
    yield Figure("tests marked gpu that pass", value, 13.0, "tests", note=last.strip("= "))
