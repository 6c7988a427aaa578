"""`python -m benchmarks.contest`: searches that really train, side by side, for the same seconds.

Ours, random search, TPE with the median pruner and TPE with successive halving search the full space on
two of the shared tasks; see docs/replay.md, where the table goes. Seconds are the processor's, of
everything after the images are decoded. A run is a line of contest.jsonl as soon as it is through, so
that the same command goes on where it stopped; `--task` makes those of one task alone.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import numpy as np
import optuna
from filelock import FileLock
from optuna.pruners import BasePruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from automask.hpo import sampler
from automask.hpo.attributes import StudyAttributes
from automask.hpo.limits import Limits
from automask.hpo.progress import Event
from automask.hpo.proposer import Proposer
from automask.hpo.pruners import TwoStage
from automask.hpo.searcher import Searcher
from automask.hpo.suggester import suggester
from automask.listener import Listener, listening
from automask.machine import setup_process
from automask.space import registry
from automask.space.ranges import Categorical, Int
from automask.space.recipe import Recipe
from automask.space.space import Space
from automask.storage.study_store import StudyStore
from automask.training import flops
from automask.training.task import Task
from automask.training.trial import fit
from benchmarks import subsamples
from benchmarks.replay import figures, tasks
from benchmarks.replay.report import fill

FILE, DOCS = Path(__file__).with_suffix(".jsonl"), Path(__file__).parents[1] / "docs" / "replay.md"
BEGIN, END = "<!-- contest -->", "<!-- end of contest -->"
#: Rows of each task, and folds; sign-digits is all of it.
ROWS, FOLDS = {"sign-digits": 486, "face-mask": 1000}, 3
BUDGETS, SEEDS = (45, 90, 180), 3
TRAINING = {
    "image_size": Categorical(32, 48, 64),
    "epochs": Int(3, 6),
    "warmup_epochs": Int(0, 1),
    "batch_size": Categorical(32, 64),
}


@dataclass(frozen=True)
class Way:
    """How to search: ours, or another sampler and pruner without anything queued."""

    name: str
    ours: bool = False
    sampler: type[BaseSampler] = RandomSampler
    pruner: type[BasePruner] = NopPruner


WAYS = (
    Way("ours", ours=True),
    Way("random search"),
    Way("TPE, MedianPruner", sampler=TPESampler, pruner=MedianPruner),
    Way("TPE, SuccessiveHalving", sampler=TPESampler, pruner=SuccessiveHalvingPruner),
)


class Plain(Proposer):
    """Asks the sampler, and nothing else."""

    def next(self) -> tuple[optuna.Trial, Recipe]:
        trial = self.study.ask()
        recipe = self.space.sample(suggester(trial))
        return self.begin(trial, recipe, []), recipe


@dataclass
class Contestant(Searcher):
    """A search that is given what proposes."""

    proposer: Proposer = field(kw_only=True)

    @property
    def _proposer(self) -> Proposer:
        return self.proposer


@cache
def prepared(name: str, seed: int, folder: Path) -> tuple[Task, Space]:
    """The task with its plain images decoded, and the space."""
    sizes: Any = TRAINING["image_size"]
    largest = max(sizes.choices)
    task = subsamples.task(name, seed, folder, rows=ROWS[name], folds=FOLDS, largest=largest)
    for resize in task.images.resizes:
        for size in sizes.choices:
            task.images.at(resize, size)
    return task, tasks.cheap(task).with_training(**TRAINING)


def run(name: str, seed: int, way: Way, cache_folder: Path) -> dict[str, Any]:
    """A search until the last budget: the seconds at which its trials ended, with the values of the
    complete ones, and what their ensemble is worth at each budget."""
    task, space = prepared(name, seed, cache_folder)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    begin = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        store = StudyStore(Path(folder))
        store.create()
        study, proposer = _study(task, space, seed, way)
        ended: list[tuple[float, str, float | None]] = []

        class Timer(Listener):
            def publish(self, event: Event) -> None:
                if event.what == "end":
                    seconds = time.process_time() - begin
                    ended.append((round(seconds, 2), event.recipe.hash, event.value))
                    recipes[event.recipe.hash] = event.recipe

        recipes: dict[str, Recipe] = {}
        searcher = Contestant(
            study,
            space,
            store,
            Limits(0),
            lambda recipe, report: fit(task, recipe, store.trial(recipe.hash), report),
            seed,
            proposer.cost,
            proposer=proposer,
        )
        with listening(Timer()):
            while time.process_time() - begin < BUDGETS[-1]:
                searcher.limits = Limits(searcher.limits.trials + 1)
                searcher.run()
        blends = [
            _blended(
                task, store, [recipes[h] for s, h, v in ended if v is not None and s <= budget]
            )
            for budget in BUDGETS
        ]
    return {
        "task": name,
        "seed": seed,
        "way": way.name,
        "ended": [(seconds, value) for seconds, _, value in ended],
        "ensembles": blends,
    }


def _study(task: Task, space: Space, seed: int, way: Way) -> tuple[optuna.Study, Proposer]:
    cost = flops.compute_cost(task)
    if not way.ours:
        options: Any = {"sampler": way.sampler(seed=seed), "pruner": way.pruner()}  # type: ignore[call-arg]
        study = optuna.create_study(direction="maximize", **options)
        return study, Plain(study, space, "", None, seed, cost)
    study = optuna.create_study(
        direction="maximize", sampler=sampler.make_sampler("tpe", seed), pruner=TwoStage(FOLDS)
    )
    queued = [space.nearest(recipe.values())[1] for recipe in tasks.queued(task, space)[1:]]
    StudyAttributes(advice={"recipes": queued}).write(study)
    return study, Proposer(study, space, "", None, seed, cost)


def _blended(task: Task, store: StudyStore, recipes: Sequence[Recipe]) -> float | None:
    """The nested score of the mean of the best; None without members."""
    if not recipes:
        return None
    labels, folds = task.data.labels, task.folds
    metric = registry.get("metric", task.metric).function
    tables = np.stack([store.trial(recipe.hash).out_of_fold(folds) for recipe in recipes])
    without = np.array(
        [[metric(labels[folds != k], table[folds != k]) for k in range(FOLDS)] for table in tables]
    )
    return figures.nested(metric, labels, folds, tables, without)


def known() -> list[dict[str, Any]]:
    return [json.loads(line) for line in FILE.read_text().splitlines()] if FILE.exists() else []


def text(runs: Sequence[dict[str, Any]]) -> str:
    """A table a task: what each way has at each budget, the mean over seeds and the standard error."""
    parts = []
    for name in ROWS:
        of = [run for run in runs if run["task"] == name]
        if not of:
            continue
        head = ["way", "seeds", "trials"]
        head += [f"best, {b} s" for b in BUDGETS] + [f"ensemble, {b} s" for b in BUDGETS]
        lines = [head, ["---"] * len(head)]
        for way in WAYS:
            own = [run for run in of if run["way"] == way.name]
            if own:
                trials = np.mean([len(run["ended"]) for run in own])
                best = [[_best(run, budget) for run in own] for budget in BUDGETS]
                blends = [[run["ensembles"][i] or 0.0 for run in own] for i in range(len(BUDGETS))]
                lines.append(
                    [
                        way.name,
                        str(len(own)),
                        f"{trials:.0f}",
                        *map(_told, best),
                        *map(_told, blends),
                    ]
                )
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        parts.append(f"### {name}, {ROWS[name]} rows\n\n{table}\n\n{_sooner(of)}")
    return "\n\n".join(parts)


def _best(run: dict[str, Any], budget: float) -> float:
    """The best value by then, 0 before there is one."""
    return max((v for s, v in run["ended"] if v is not None and s <= budget), default=0.0)


def _told(values: Sequence[float]) -> str:
    error = np.std(values, ddof=1) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return f"{np.mean(values):.3f} ± {error:.3f}"


def _sooner(runs: Sequence[dict[str, Any]]) -> str:
    """When ours has what random search has in the end, by seed."""
    told = []
    for seed in sorted({run["seed"] for run in runs}):
        ways = {run["way"]: run for run in runs if run["seed"] == seed}
        if {"ours", "random search"} <= set(ways):
            target = _best(ways["random search"], BUDGETS[-1])
            there = [s for s, v in ways["ours"]["ended"] if v is not None and v >= target]
            told.append(f"{min(there) / BUDGETS[-1]:.2f}" if there else "not in that time")
    return (
        f"Share of the seconds in which ours has random search's last, by seed: {', '.join(told)}."
    )


def main() -> None:
    parser = argparse.ArgumentParser("benchmarks.contest", description=__doc__)
    parser.add_argument("--task", choices=ROWS, help="one task alone")
    parser.add_argument("--report", action="store_true", help="train nothing")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "contest")
    asked = parser.parse_args()
    setup_process(threads=1)
    for seed in range(0 if asked.report else SEEDS):
        for name in [asked.task] if asked.task else ROWS:
            folder = asked.cache / name
            folder.mkdir(parents=True, exist_ok=True)
            for way in WAYS:
                if any((r["task"], r["seed"], r["way"]) == (name, seed, way.name) for r in known()):
                    continue
                found = run(name, seed, way, folder)
                with FileLock(asked.cache / "lock"), open(FILE, "a") as file:
                    file.write(json.dumps(found) + "\n")
                best = _best(found, BUDGETS[-1])
                print(
                    f"{name} {seed} {way.name}: {best:.4f}, {len(found['ended'])} trials",
                    flush=True,
                )
    fill(DOCS, text(known()), BEGIN, END)


if __name__ == "__main__":
    main()
