"""`python -m benchmarks.portfolio`: which few recipes did best together on recorded tasks.

`record` trains every recipe of a table on every task with each network, on one half of some hundred
rows, and scores it on the other; it goes on where it was. `choose` writes the recipes that a search begins
with, and prints what they gain over the default recipe and over random ones on each task, chosen
without it.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import numpy as np

from automask.errors import TrialError
from automask.machine import setup_process
from automask.space import space_file
from automask.space.ranges import draw
from automask.space.recipe import Recipe
from automask.space.space import Space
from automask.storage.files import atomic_write
from automask.training.trial import fit_alone
from benchmarks import subsamples

TABLE = Path(__file__).with_suffix(".json")
CHOSEN = Path(__file__).parents[1] / "automask" / "diagnostics" / "portfolio.json"
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
    from automask.study import adaptation

    chosen, _ = adaptation.for_target(space_file.load("default"), task.data.target)
    freezes = {k: v for k, v in chosen.competitors["freeze"].items() if k != "head_only"}
    heads = {"joint": chosen.competitors["head"]["joint"]}
    from dataclasses import replace

    competitors = {**chosen.competitors, "freeze": freezes, "head": heads}
    return replace(chosen, competitors=competitors)


def candidates(of: Space) -> list[dict[str, Any]]:
    """The transfer matrix's recipes and drawn ones, as values by name."""
    from automask.diagnostics.transfer_matrix import CASES

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
    table = json.loads(TABLE.read_text()) if TABLE.exists() else {"candidates": [], "scores": {}}
    for name in TASKS:
        task = subsamples.task(name, SEED, cache, rows=ROWS)
        of = space(task)
        if not table["candidates"]:
            table["candidates"] = candidates(of)
        rows = int((task.folds != 0).sum())
        for model, size in NETWORKS.items():
            if model not in task.weights:
                continue
            scores = table["scores"].setdefault(f"{name} {model}", {})
            for index, values in enumerate(table["candidates"]):
                if str(index) in scores:
                    continue
                wish = {
                    **values,
                    "backbone": "timm",
                    "backbone.timm.model": model,
                    "training.image_size": size,
                    "training.pretrained": True,
                }
                recipe = made(of, wish, max(2, round(SEEN / rows)))
                begin = time.process_time()
                try:
                    result = fit_alone(task, recipe, 0)
                    score = task.score(task.fold_rows(0)[1], result.validation)
                except TrialError:
                    score = float("nan")
                scores[str(index)] = [round(score, 4), round(time.process_time() - begin, 1)]
                with atomic_write(TABLE) as beside:
                    beside.write_text(json.dumps(table, indent=1) + "\n")
                print(name, model, index, scores[str(index)], flush=True)


def made(of: Space, wish: dict[str, Any], epochs: int) -> Recipe:
    """The recipe of these values, its network and size not held to the space's."""
    recipe = of.nearest(wish)[0]
    from automask.space.recipe import Choice

    backbone = {**recipe["backbone"].params, "model": wish["backbone.timm.model"]}
    choices = {**recipe.choices, "backbone": Choice("timm", backbone)}
    training = {**recipe.training, "image_size": wish["training.image_size"], "epochs": epochs}
    return Recipe(choices, training)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("record", "choose"))
    parser.add_argument("--cache", type=Path, default=Path("build/portfolio"))
    options = parser.parse_args()
    setup_process(1)
    options.cache.mkdir(parents=True, exist_ok=True)
    if options.what == "record":
        record(options.cache)


if __name__ == "__main__":
    main()
