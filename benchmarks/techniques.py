"""`python -m benchmarks.techniques`: what each technique changes, alone, against the default recipe.

Every run is added to techniques.jsonl at once, so that the same command goes on where it stopped and
a recipe that has changed is measured again; what has changed in another way, such as a plugin's code,
is once its lines are taken out. `--shard 0/2` and `--shard 1/2` side by side share the
work, `--only loss head` measures those kinds alone, `--report` writes docs/techniques.md.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

from filelock import FileLock

from automask.errors import DiskError, TrialError, UserError
from automask.machine import setup_process
from automask.space import registry
from automask.space.kinds import DEFAULTS
from automask.space.recipe import TRAINING, TRAINING_DEFAULTS, Choice, Recipe
from automask.storage.trial_store import TrialStore
from automask.target import SINGLE
from automask.training.trial import fit
from benchmarks.subsamples import SHARED, SOURCES, Source, task

FOLDER = Path(__file__).parent
RESULTS, CACHE = FOLDER / "techniques.jsonl", FOLDER / "cache"
SEEDS = (0, 1, 2)

#: What a technique changes: a kind's plugin with some of its hyperparameters, or the training's own.
Change = Mapping[str, Any]
BASE: Change = {
    "backbone": ("timm", {"model": "mobilenetv3_small_050"}),
    # Few steps want a higher rate than the default's.
    "optimizer": ("adamw", {"lr": 6e-3}),
    "training": {"image_size": 64, "batch_size": 32, "epochs": 6},
}


#: Kinds and plugins that do nothing, or can't be, where a task lacks something: several attributes,
#: the number behind a class.
NEEDS = {
    "head.factored": "attributes",
    "labelling": "numbers",
}


@dataclass(frozen=True)
class Technique:
    """One change to the default recipe; `base` is what the recipe that it is compared with has, too."""

    kind: str
    label: str
    what: str
    change: Change
    base: Change = field(default_factory=dict)
    needs: str | None = None

    def recipes(self) -> tuple[Recipe, Recipe]:
        """What it is compared with, and the technique itself."""
        return recipe(self.base), recipe(self.base, self.change)

    def fits(self, source: Source) -> bool:
        wanted = not source.kinds or self.kind in source.kinds
        return wanted and (self.needs is None or self.needs in source.has)


def recipe(*changes: Change) -> Recipe:
    """The default recipe in these benchmarks' cheap settings, changed."""
    choices = {k: Choice(name, registry.get(k, name).defaults) for k, name in DEFAULTS.items()}
    training = dict(TRAINING_DEFAULTS)
    for change in (BASE, *changes):
        training |= change.get("training", {})
        for kind in change.keys() - {"training"}:
            name, params = change[kind]
            same = choices[kind].name == name
            own = choices[kind].params if same else registry.get(kind, name).defaults
            choices[kind] = Choice(name, {**own, **params})
    return Recipe(choices, training)


#: Hyperparameters of the defaults that are techniques by themselves.
PARAMS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("backbone", "timm", {"model": "regnetx_002"}),
    ("head", "joint", {"dropout": 0.3}),
    ("loss", "cross_entropy", {"weight_power": 0.5}),
    ("loss", "cross_entropy", {"weight_power": 1.0}),
    ("optimizer", "adamw", {"lr": 1e-3}),
    ("optimizer", "adamw", {"lr": 2e-3}),
    ("optimizer", "adamw", {"head_lr_ratio": 10.0}),
    ("optimizer", "adamw", {"layer_decay": 0.75}),
    ("augmentation", "light", {"flip": True}),
    ("labelling", "shifted", {"shift": -0.3}),
    ("labelling", "banded", {"width": 0.3}),
)
#: Those of the training; one that there isn't is left out.
SETTINGS: tuple[tuple[str, Any, str], ...] = (
    ("pretrained", False, "random weights at the start"),
    ("image_size", 96, "more pixels"),
    ("epochs", 3, "half the epochs"),
    ("epochs", 12, "twice the epochs"),
    ("warmup_epochs", 0, "the full learning rate from the first step on"),
    ("warmup_epochs", 2, "two epochs up to the full learning rate"),
    ("batch_size", 16, "twice as many steps, of half the rows"),
    ("batch_size", 64, "half as many steps, of twice the rows"),
    ("accumulation", 2, "a step's gradient in two parts, which batch norm sees one by one"),
    ("ema_decay", 0.9, "the average of the weights over about 10 steps predicts"),
    ("ema_decay", 0.98, "the average of the weights over about 50 steps predicts"),
)
HEAD_ONLY: Change = {"freeze": ("head_only", {})}


def techniques() -> list[Technique]:
    """Every plugin of a searched kind but backbones and the default's, and the settings named above."""
    found = []
    for kind, default in DEFAULTS.items():
        for plugin in registry.plugins(kind).values():
            # No weights of other libraries are here, and random ones learn nothing in so few steps; the
            # tasks ask for single classes.
            if plugin.name == default or kind == "backbone" or not plugin.takes(SINGLE):
                continue
            needs = NEEDS.get(f"{kind}.{plugin.name}", NEEDS.get(kind))
            change = {kind: (plugin.name, {})}
            found.append(Technique(kind, plugin.name, plugin.summary, change, needs=needs))
            if kind == "head":
                label = f"{plugin.name}, only heads train"
                found.append(Technique(kind, label, plugin.summary, change, HEAD_ONLY, needs))
        for of, name, params in PARAMS:
            if of == kind:
                label = ", ".join([name, *(f"{key} {value}" for key, value in params.items())])
                what = registry.get(kind, name).summary
                needs = NEEDS.get(f"{kind}.{name}", NEEDS.get(kind))
                found.append(Technique(kind, label, what, {kind: (name, params)}, needs=needs))
    for key, value, what in SETTINGS:
        if key in TRAINING:
            label = f"{key} {value}".lower()
            found.append(Technique("training", label, what, {"training": {key: value}}))
    return found


@dataclass(frozen=True)
class Job:
    """A run: of a recipe, on a task's subsample and folds of a seed."""

    task: str
    seed: int
    technique: str
    recipe: Recipe

    @property
    def key(self) -> tuple[str, int, str]:
        return self.task, self.seed, self.recipe.hash


def jobs(chosen: list[Technique]) -> list[Job]:
    """Every run that the techniques take, none twice, a task's of a seed one after another."""
    found: dict[tuple[str, int, str], Job] = {}
    for seed in SEEDS:
        for name, source in SOURCES.items():
            for technique in chosen:
                if technique.fits(source):
                    base = f"base of {technique.label}" if technique.base else "default"
                    labels = (base, technique.label)
                    for label, one in zip(labels, technique.recipes(), strict=True):
                        job = Job(name, seed, label, one)
                        found.setdefault(job.key, job)
    return list(found.values())


def run(todo: list[Job], results: Path, measure: Callable[[Job], dict[str, Any]]) -> None:
    """Measure what isn't in `results` yet, and add each to it at once."""
    done = {(r["task"], r["seed"], r["recipe"]) for r in records(results)}
    left = [job for job in todo if job.key not in done]
    for number, job in enumerate(left, start=1):
        facts = {"task": job.task, "seed": job.seed, "technique": job.technique}
        line = json.dumps({**facts, "recipe": job.recipe.hash, **measure(job)})
        with FileLock(results.with_suffix(".lock")), open(results, "a") as file:
            file.write(line + "\n")
        print(f"{number}/{len(left)} {line}", flush=True)


def records(results: Path) -> Iterator[dict[str, Any]]:
    if results.exists():
        yield from map(json.loads, results.read_text().splitlines())


def score(job: Job, cache: Path) -> dict[str, Any]:
    """The out-of-fold score by the way that a search trains, or why there is none."""
    own, value, reason = task(job.task, job.seed, cache), None, ""
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        try:
            value = round(fit(own, job.recipe, TrialStore(Path(folder)), lambda step: None), 5)
        except TrialError as error:
            reason = f"{error.reason}: {error}"
        except DiskError:
            raise
        except UserError as error:
            reason = str(error)
    return {"score": value, "seconds": round(time.perf_counter() - begin, 1), "reason": reason}


def main() -> None:
    parser = argparse.ArgumentParser("benchmarks.techniques", description=__doc__)
    parser.add_argument("--shard", default="0/1", help="which part of the runs, such as 0/2")
    parser.add_argument("--only", nargs="+", choices=[*DEFAULTS, "training"], help="kinds")
    parser.add_argument("--cache", type=Path, default=CACHE, help="decoded images and features")
    parser.add_argument("--report", action="store_true", help="write docs/techniques.md")
    asked = parser.parse_args()
    if asked.report:
        from benchmarks import effects

        docs = FOLDER.parent / "docs"
        effects.write(docs, recipe(), techniques(), SOURCES, records(RESULTS))
        return
    if missing := [folder for folder in ("data", "weights") if not (SHARED / folder).is_dir()]:
        print(f"nothing measured: ../shared/ lacks {' and '.join(missing)}")
        return
    asked.cache.mkdir(parents=True, exist_ok=True)
    setup_process(threads=1)
    part, parts = map(int, asked.shard.split("/"))
    chosen = [t for t in techniques() if not asked.only or t.kind in asked.only]
    run(jobs(chosen)[part::parts], RESULTS, lambda job: score(job, asked.cache))


if __name__ == "__main__":
    main()
