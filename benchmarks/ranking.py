"""Does the probe's ranking of networks hold: `python -m benchmarks.ranking [TASK ...]`.

Both shared networks at four sizes, ranked by the probe and then trained: the head only, and all. What is
trained is kept in `ranking.json` and not trained again; `--report` writes its part of docs/advice.md.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

from filelock import FileLock

from automask import adapting, advising, matrix, scores, space
from automask import sample as samples
from automask.machine import settle
from automask.ranges import Categorical
from automask.ranking import Candidate, candidates, rank
from automask.recipe import Recipe
from automask.space import Space
from automask.store import TrialStore
from automask.task import Task
from automask.training import fit
from benchmarks import subsamples

FILE = Path(__file__).parent / "ranking.json"
DOCS = Path(__file__).parents[1] / "docs" / "advice.md"
BEGIN, END = "<!-- ranking: begin -->", "<!-- ranking: end -->"
ROWS = {"sign-digits": 486, "face-mask": 600, "clothing": 600}
FOLDS, SEED, SIZES = 3, 0, (32, 48, 64, 96)
EPOCHS = {"head only": 20, "all": 6}


def main() -> None:
    parser = argparse.ArgumentParser("benchmarks.ranking", description=__doc__)
    parser.add_argument("tasks", nargs="*", default=list(ROWS))
    parser.add_argument("--report", action="store_true", help="train nothing")
    asked = parser.parse_args()
    if not asked.report:
        settle(1)
        for name in asked.tasks:
            with tempfile.TemporaryDirectory() as cache:
                measure(name, Path(cache))


def measure(name: str, cache: Path) -> None:
    """The probe's scores of all candidates, then what each comes to when it trains."""
    task = subsamples.task(name, SEED, cache, rows=ROWS[name], folds=FOLDS, largest=max(SIZES))
    chosen = searched(task)
    among = candidates(chosen)
    sample = samples.draw(task)
    assert not isinstance(sample, str)
    for one in among:
        if f"{name} {one} probe" not in known():
            begin = time.process_time()
            found = rank(sample, among, [one])
            keep(f"{name} {one} probe", found.scores[one], 0.0, time.process_time() - begin)
    for one in among:
        for kind, epochs in EPOCHS.items():
            wishes: dict[str, Any] = {**one.wishes, "training.epochs": epochs}
            if kind == "head only":
                wishes |= {"freeze": "head_only", "augmentation": "none"}
            train(task, f"{name} {one} {kind}", chosen.preferring(wishes)[0], cache)
    # What the advice would begin with, with the network of the default recipe and with the best.
    recipe = advising.probed(chosen, task.weights)
    evidence = advising.measure(sample, recipe, sample.features(recipe))
    assert not isinstance(evidence, str)
    best = max(among, key=lambda one: known()[f"{name} {one} probe"]["score"])
    for one in dict.fromkeys((Candidate.of(chosen.default()[0]), best)):
        for index, wishes in enumerate(matrix.decide(evidence).wishes):
            advised = chosen.preferring({**wishes, **one.wishes, "training.epochs": EPOCHS["all"]})
            train(task, f"{name} {one} advised {index}", advised[0], cache)


def searched(task: Task) -> Space:
    """The default space with the shared weights, at these sizes and epochs."""
    chosen, _ = adapting.available(space.load("default"), dict(task.weights), {})
    chosen, _ = adapting.adapted(chosen, task.data, dict(task.weights))
    epochs = Categorical(*EPOCHS.values())
    return chosen.with_training(image_size=Categorical(*SIZES), epochs=epochs)


def train(task: Task, key: str, recipe: Recipe, folder: Path) -> None:
    if key in known():
        return
    begin, store = time.process_time(), TrialStore(folder / key)
    fit(task, recipe, store, lambda step: None)
    seconds = time.process_time() - begin
    table = store.out_of_fold(task.folds)
    found = scores.score(task.score, task.data.labels, table, task.data.groups)
    # The interval spans 1.96 standard errors on either side.
    keep(key, found.value, (found.high - found.low) / 3.92, seconds)


def keep(key: str, score: float, error: float, seconds: float) -> None:
    entry = {"score": round(score, 4), "error": round(error, 4), "seconds": round(seconds, 1)}
    with FileLock(f"{FILE}.lock"):
        FILE.write_text(json.dumps({**known(), key: entry}, indent=0) + "\n")
    print(key, *entry.values(), flush=True)


def known() -> dict[str, Any]:
    return json.loads(FILE.read_text()) if FILE.exists() else {}


if __name__ == "__main__":
    main()
