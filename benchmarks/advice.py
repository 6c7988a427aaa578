"""Does the measured transfer matrix advise well: `python -m benchmarks.advice`.

A few recipes of each family are trained on the shared tasks, and the best of the advised family is
held against the best of all. What is trained is kept in `advice.json` and not trained again.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from automask import scoring
from automask.data import dataset
from automask.data.config import Config, DataSection, SearchSection, read
from automask.data.dataset import Dataset
from automask.data.description import find_reader
from automask.data.folds import draw_folds
from automask.data.images import Images
from automask.diagnostics import advice, linear_probe, transfer_matrix
from automask.machine import setup_process
from automask.space import registry
from automask.space.recipe import Choice, Recipe
from automask.storage.trial_store import TrialStore
from automask.training.pretrained import read_folder
from automask.training.task import Task
from automask.training.trial import fit
from benchmarks import tasks

SHARED = Path("../shared").resolve()
FILE = Path(__file__).parent / "advice.json"
TASKS = ("sign-digits", "face-mask", "clothing")
ROWS, FOLDS, RECIPES, SEED = 800, 3, 3, 0

#: (freeze, pretrained, lowest and highest learning rate) of each family; `partly` draws its freeze.
FAMILIES: dict[str, tuple[tuple[str, ...], bool, float, float]] = {
    "head_only": (("head_only",), True, 1e-3, 1e-2),
    "partly": (("last_stages", "gradual"), True, 3e-4, 5e-3),
    "full": (("full",), True, 3e-4, 5e-3),
    "random": (("full",), False, 1e-3, 1e-2),
}
#: The family that each field of the matrix, (enough, similar), advises.
ADVISED = {
    (True, True): "head_only",
    (True, False): "full",
    (False, True): "partly",
    (False, False): "random",
}
NETWORKS = (("mobilenetv3_small_050", 64), ("mobilenetv3_small_050", 96), ("regnetx_002", 64))


def main() -> None:
    if not (SHARED / "data").is_dir() or not (SHARED / "weights").is_dir():
        print(f"no data or no weights in {SHARED}: nothing to advise on")
        return
    setup_process(1)
    with tempfile.TemporaryDirectory() as cache:
        opened = {name: task(SHARED / "data" / name, Path(cache) / name) for name in TASKS}
        # The families take turns, so that one that is stopped early has as many of each.
        for number in range(RECIPES):
            for name in TASKS:
                for family in FAMILIES:
                    train(opened[name], name, family, number, Path(cache))
        print("| " + " | ".join(HEAD) + " |\n" + "|---" * len(HEAD) + "|")
        for name in TASKS:
            print("| " + " | ".join(row(opened[name], name)) + " |", flush=True)


def task(folder: Path, cache: Path) -> Task:
    """About `ROWS` train rows, whole groups of them, in folds; no test rows."""
    reader, tables = find_reader(folder)
    section = DataSection(path=str(folder), reader=reader, **tables.arguments)
    rows = read(Config(data=section, search=SearchSection())).train
    assert rows.groups is not None
    groups = np.unique(rows.groups, return_inverse=True)[1]
    order = np.random.default_rng(SEED).permutation(groups.max() + 1)
    sizes = np.cumsum(np.bincount(groups)[order])
    chosen = order[: int(np.searchsorted(sizes, ROWS)) + 1]
    kept = np.flatnonzero(np.isin(groups, chosen))
    part = replace(
        rows,
        ids=[rows.ids[i] for i in kept],
        paths=[rows.paths[i] for i in kept],
        attributes=rows.attributes.iloc[kept].reset_index(drop=True),
        groups=[rows.groups[i] for i in kept],
        extra=rows.extra.iloc[kept].reset_index(drop=True),
    )
    data: Dataset = dataset.prepare(replace(tables, train=part, test=None, sample=None))
    resizes = {plugin.name: plugin.function for plugin in registry.plugins("resize").values()}
    return Task(
        data=data,
        folds=draw_folds(data, "stratified", FOLDS, SEED),
        metric="macro_f1",
        seed=SEED,
        images=Images(data.paths, 96, resizes, cache),
        cache=cache,
        weights=read_folder(SHARED / "weights"),
        device=torch.device("cpu"),
    )


def recipe(family: str, number: int) -> Recipe:
    """A family's recipe of that number, with the draws that its fellows of other families have too."""
    freezes, pretrained, low, high = FAMILIES[family]
    rng = np.random.default_rng([SEED, number])
    model, size = NETWORKS[number % len(NETWORKS)]
    drawn: dict[str, Any] = {
        "epochs": int(rng.integers(4, 9)),
        "augmentation": str(rng.choice(["none", "light"])),
        "freeze": freezes[number % len(freezes)],
        "pretrained": pretrained,
        "image_size": size,
        "warmup_epochs": 1,
    }
    plain = tasks.recipe(model, **drawn)
    lr = float(low * (high / low) ** rng.random())
    adamw = Choice("adamw", {**plain["optimizer"].params, "lr": lr})
    return replace(plain, choices={**plain.choices, "optimizer": adamw})


def train(opened: Task, name: str, family: str, number: int, folder: Path) -> None:
    key = f"{name} {family} {number}"
    if key in known():
        return
    chosen, begin = recipe(family, number), time.perf_counter()
    store = TrialStore(folder / key)
    fit(opened, chosen, store, lambda step: None)
    found = scoring.score(
        opened.score, opened.data.labels, store.out_of_fold(opened.folds), opened.data.groups
    )
    entry = {
        "score": round(found.value, 4),
        # The interval spans 1.96 standard errors on either side.
        "error": round((found.high - found.low) / 3.92, 4),
        "recipe": f"{chosen.describe()} lr {chosen['optimizer'].params['lr']:.2g}",
        "seconds": round(time.perf_counter() - begin, 1),
    }
    FILE.write_text(json.dumps({**known(), key: entry}, indent=0) + "\n")
    print(key, *entry.values(), flush=True)


HEAD = (
    "task",
    "enough: gain",
    "similar: lift",
    "advised",
    *FAMILIES,
    "advised within",
    "full within",
)


def row(opened: Task, name: str) -> list[str]:
    """A task's line: the two figures, the best of each family, and whether the advice, and always
    training all, come within a standard error of the best of all."""
    chosen = recipe("full", 1)
    drawn = linear_probe.draw(opened)
    assert not isinstance(drawn, str)
    evidence = advice.measure(drawn, chosen, drawn.features(chosen))
    if isinstance(evidence, str) or evidence.lift is None:
        return [name, str(evidence)]
    case = transfer_matrix.decide(evidence)
    advised = ADVISED[case.enough, bool(case.similar)]
    best = {family: max(of_family(name, family)) for family in FAMILIES}
    top, error, _ = max(best.values())
    return [
        name,
        *(f"{100 * e.value:.1f} ± {100 * e.error:.1f} %" for e in (evidence.gain, evidence.lift)),
        advised,
        *(f"{value:.3f} ± {own:.3f}" for value, own, _ in best.values()),
        *("yes" if best[f][0] >= top - error else "no" for f in (advised, "full")),
    ]


def known() -> dict[str, Any]:
    return json.loads(FILE.read_text()) if FILE.exists() else {}


def of_family(name: str, family: str) -> Iterator[tuple[float, float, str]]:
    """(score, standard error, recipe) of what was trained."""
    for key, entry in known().items():
        if key.startswith(f"{name} {family} "):
            yield entry["score"], entry["error"], entry["recipe"]


if __name__ == "__main__":
    main()
