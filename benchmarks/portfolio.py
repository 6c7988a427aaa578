"""`python -m benchmarks.portfolio`: which few recipes did best together on recorded tasks.

`record` trains every recipe of a table on every task with each network, on one half of some hundred
rows, and scores it on the other; it goes on where it was. `choose` writes the recipes that a search
begins with, and prints what they gain over the default recipe and over random ones on each task,
chosen without it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import numpy as np

from automask.diagnostics.transfer_matrix import CASES
from automask.errors import TrialError
from automask.machine import setup_process
from automask.space import space_file
from automask.space.ranges import draw
from automask.space.recipe import Choice, Recipe
from automask.space.space import Space
from automask.storage.files import write_json
from automask.study import adaptation
from automask.training.trial import fit_alone
from benchmarks import subsamples

TABLE = Path(__file__).with_suffix(".json")
CHOSEN = Path(__file__).parents[1] / "search_spaces" / "portfolio.json"
TASKS = ("sign-digits", "face-mask", "clothing")
#: Networks by the size in pixels that they are trained at.
NETWORKS = {"tf_efficientnet_lite0": 64, "regnetx_002": 64}
ROWS, DRAWN, SEED = 800, 16, 0
#: Images that a training sees, whatever the task.
SEEN = 6000
#: Recipes of a portfolio.
TOP = 4
#: What a portfolio's recipe says nothing of: the network and its size are the probe's to choose.
LEFT_OUT = ("backbone", "training.image_size", "training.epochs", "training.pretrained")


def space(task: Any) -> Space:
    """The default space for the task, with everything that trains more than heads."""
    chosen, _ = adaptation.for_target(space_file.load("default"), task.data.target)
    freezes = {k: v for k, v in chosen.competitors["freeze"].items() if k != "head_only"}
    heads = {"joint": chosen.competitors["head"]["joint"]}
    competitors = {**chosen.competitors, "freeze": freezes, "head": heads}
    return replace(chosen, competitors=competitors)


def candidates(of: Space) -> list[dict[str, Any]]:
    """The transfer matrix's recipes and drawn ones, as values by name."""
    wishes = [dict(values) for case in CASES for values in case.values]
    recipes = [of.nearest(one)[0] for one in ({}, *wishes)]
    rng = np.random.default_rng(SEED)
    recipes += [of.sample(lambda name, range_: draw(range_, rng)) for _ in range(DRAWN)]
    distinct: dict[str, dict[str, Any]] = {}
    for recipe in recipes:
        values = {
            name: value for name, value in recipe.values().items() if not name.startswith(LEFT_OUT)
        }
        distinct.setdefault(json.dumps(values, sort_keys=True), values)
    return list(distinct.values())


def record(cache: Path) -> None:
    """Train what the table lacks, a line each."""
    table = read()
    for (model, size), name in itertools.product(NETWORKS.items(), TASKS):
        task = subsamples.task(name, SEED, cache, rows=ROWS)
        of = space(task)
        table["candidates"] = table["candidates"] or candidates(of)
        epochs = max(2, round(SEEN / int((task.folds != 0).sum())))
        scores = table["scores"].setdefault(f"{name} {model}", {})
        for index, values in enumerate(table["candidates"]):
            if str(index) in scores:
                continue
            begin = time.process_time()
            try:
                result = fit_alone(task, made(of, values, model, size, epochs), 0)
                score = task.score(task.fold_rows(0)[1], result.validation)
            except TrialError:
                score = 0.0
            scores[str(index)] = [round(score, 4), round(time.process_time() - begin, 1)]
            write_json(TABLE, table)
            print(name, model, index, scores[str(index)], flush=True)


def read() -> dict[str, Any]:
    return json.loads(TABLE.read_text()) if TABLE.exists() else {"candidates": [], "scores": {}}


def whole(table: dict[str, Any]) -> list[str]:
    """The tasks with a network of which every recipe is recorded."""
    count = len(table["candidates"])
    return [name for name, scores in table["scores"].items() if len(scores) == count]


def made(of: Space, values: dict[str, Any], model: str, size: int, epochs: int) -> Recipe:
    """The recipe of these values, with a network and a size that the space need not have."""
    recipe = of.nearest({**values, "backbone": "timm", "training.pretrained": True})[0]
    backbone = Choice("timm", {**recipe["backbone"].params, "model": model})
    training = {**recipe.training, "image_size": size, "epochs": epochs}
    return Recipe({**recipe.choices, "backbone": backbone}, training)


def matrix(table: dict[str, Any], columns: Sequence[str]) -> np.ndarray:
    """`[recipes, tasks]`: scores as a share of the best on each of these tasks."""
    rows = range(len(table["candidates"]))
    scores = np.array([[table["scores"][one][str(row)][0] for one in columns] for row in rows])
    return scores / scores.max(0)


def choose(scores: np.ndarray, top: int = TOP) -> list[int]:
    """The recipes of which each raises the mean over tasks of the best so far the most; of those that
    tie the one with the best mean (Feurer et al., Auto-sklearn 2.0, JMLR 2022)."""
    chosen: list[int] = []
    best = np.zeros(scores.shape[1])
    for _ in range(top):
        gains = np.maximum(best, scores).mean(1)
        gains[chosen] = -1
        chosen.append(int(np.lexsort((-scores.mean(1), -gains))[0]))
        best = np.maximum(best, scores[chosen[-1]])
    return chosen


def report(table: dict[str, Any]) -> list[str]:
    """What a portfolio chosen without a task has there, as a share of the best, a line each."""
    lines = ["| task | first | best of the portfolio | default | mean of as many random ones |"]
    lines += ["| --- | --- | --- | --- | --- |"]
    for name in TASKS:
        columns = [one for one in whole(table) if one.startswith(f"{name} ")]
        others = [one for one in whole(table) if one not in columns]
        chosen = choose(matrix(table, others))
        for column in columns:
            own = matrix(table, [column])[:, 0]
            rng = np.random.default_rng(SEED)
            random = [own[rng.permutation(len(own))[:TOP]].max() for _ in range(2000)]
            values = (own[chosen[0]], own[chosen].max(), own[0], float(np.mean(random)))
            lines.append(f"| {column} | " + " | ".join(f"{value:.3f}" for value in values) + " |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("record", "choose"))
    parser.add_argument("--cache", type=Path, default=Path("build/portfolio"))
    options = parser.parse_args()
    setup_process(1)
    if options.what == "record":
        options.cache.mkdir(parents=True, exist_ok=True)
        record(options.cache)
        return
    table = read()
    chosen = choose(matrix(table, whole(table)))
    write_json(CHOSEN, {"recipes": [table["candidates"][index] for index in chosen]})
    print("\n".join(report(table)))


if __name__ == "__main__":
    main()
