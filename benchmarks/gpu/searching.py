"""Whole searches on a GPU: two workers beside one, real tasks in a minute, and the tests there."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial

from automask.hpo.attributes import TrialAttributes
from automask.storage.study_store import StudyStore
from benchmarks import searches
from benchmarks.measure import SMALLER, Figure, seconds

#: What five minutes on two cores came to, nested, with the same network.
GOALS = {"sign-digits": 0.95, "clothing": 0.33}


def workers(folder: Path, images: int = 500, size: int = 64, trials: int = 4) -> Iterator[Figure]:
    """Trials an hour, from the first trial's start to the last one's end."""
    space = {"epochs": 40, "batch": 64, "augmentation": "light", "freeze": "full"}
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
    printed: list[str] = []
    wall = seconds(lambda: printed.append(searches.automask(project, "search", *options)))
    print(*printed, file=sys.stderr)
    storage = f"sqlite:///{project}/runs/main/study.db"
    trials = optuna.load_study(study_name="main", storage=storage).trials
    tell(trials)
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


def tell(trials: list[FrozenTrial]) -> None:
    """What each trial was and when, beside the figures."""
    started = [trial.datetime_start for trial in trials if trial.datetime_start]
    for trial in trials:
        noted = TrialAttributes.read(trial)
        if trial.datetime_start and noted.recipe:
            begun = (trial.datetime_start - min(started)).total_seconds()
            facts = f"{noted.recipe['training']['epochs']} epochs, {noted.kind}"
            took = f"{noted.seconds or 0:.1f} s of {noted.predicted or 0:.1f} s"
            scores = f"look {noted.look}, {trial.values or trial.state.name}"
            print(f"{begun:.1f} s: {facts}, {took}, {scores}", file=sys.stderr)


def tests(folder: Path) -> Iterator[Figure]:
    """The tests that need a GPU."""
    command = [sys.executable, "-m", "pytest", "tests/training/test_gpu.py", "-m", "gpu", "-n", "0"]
    done = subprocess.run(command, capture_output=True, text=True)
    print(done.stdout, file=sys.stderr)
    last = done.stdout.splitlines()[-1] if done.stdout else done.stderr[-200:]
    counts = {
        state: int(n) for n, state in re.findall(r"(\d+) (passed|failed|skipped|error)", last)
    }
    passed, every = counts.get("passed", 0), sum(counts.values())
    note = last.strip("= ")
    yield Figure("tests marked gpu that pass", passed, max(1, every), "tests", note=note)
