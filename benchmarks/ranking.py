"""Does the probe's ranking of networks hold: `python -m benchmarks.ranking [TASK ...]`.

Both shared networks at four sizes, ranked by the probe and then trained: the head only, half of the
stages (the first recipe of the advice where it is to train some), and all. What is trained is kept in
`ranking.json` and not trained again; `--report` writes its part of docs/advice.md.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

from filelock import FileLock
from scipy.stats import spearmanr

from automask import scoring
from automask.diagnostics import linear_probe
from automask.diagnostics.model_ranking import candidates, rank
from automask.machine import setup_process
from automask.space import registry, space_file
from automask.space.ranges import Categorical, Int
from automask.space.recipe import Recipe
from automask.space.space import Space
from automask.storage.trial_store import TrialStore
from automask.study import adaptation
from automask.training.task import Task
from automask.training.trial import fit
from benchmarks import subsamples

FILE = Path(__file__).parent / "ranking.json"
DOCS = Path(__file__).parents[1] / "docs" / "advice.md"
BEGIN, END = "<!-- ranking: begin -->", "<!-- ranking: end -->"
ROWS = {"sign-digits": 486, "face-mask": 600, "clothing": 600}
FOLDS, SEED, SIZES = 3, 0, (32, 48, 64, 96)
#: What each candidate is trained as: the default recipe but for this.
KINDS: dict[str, dict[str, Any]] = {
    "head only": {"training.epochs": 20, "freeze": "head_only", "augmentation": "none"},
    "all": {"training.epochs": 4},
    "some": {
        "training.epochs": 4,
        "freeze": "last_stages",
        "freeze.last_stages.share": 0.5,
        "optimizer.adamw.lr": 1e-3,
    },
}
BATCH = 64


def main() -> None:
    parser = argparse.ArgumentParser("benchmarks.ranking", description=__doc__)
    parser.add_argument("tasks", nargs="*", default=list(ROWS))
    parser.add_argument("--report", action="store_true", help="train nothing")
    asked = parser.parse_args()
    if not asked.report:
        setup_process(1)
        for name in asked.tasks:
            with tempfile.TemporaryDirectory() as cache:
                measure(name, Path(cache))
    before, _, rest = DOCS.read_text("utf-8").partition(BEGIN)
    table = "\n".join(report())
    DOCS.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{rest.partition(END)[2]}", "utf-8")


def measure(name: str, cache: Path) -> None:
    """The probe's scores of all candidates, then what each comes to when it trains."""
    task = subsamples.task(name, SEED, cache, rows=ROWS[name], folds=FOLDS, largest=max(SIZES))
    chosen = searched(task)
    among = candidates(chosen)
    sample = linear_probe.draw(task)
    assert not isinstance(sample, str)
    for one in among:
        if f"{name} {one} probe" not in known():
            begin = time.process_time()
            found = rank(sample, among, [one])
            keep(f"{name} {one} probe", found.scores[one], 0.0, time.process_time() - begin)
    for one in among:
        for kind, wishes in KINDS.items():
            train(task, f"{name} {one} {kind}", chosen.nearest({**wishes, **one.values})[0], cache)


def searched(task: Task) -> Space:
    """The default space with the shared weights, at these sizes and epochs."""
    chosen, _ = adaptation.for_target(space_file.load("default"), task.data.target)
    chosen, _ = adaptation.drop_unavailable(chosen, dict(task.weights), {})
    chosen, _ = adaptation.adapt(chosen, task.data, dict(task.weights), task.device.type)
    return chosen.with_training(
        image_size=Categorical(*SIZES), epochs=Int(4, 20), batch_size=Categorical(BATCH)
    )


def train(task: Task, key: str, recipe: Recipe, folder: Path) -> None:
    if key in known():
        return
    begin, store = time.process_time(), TrialStore(folder / key)
    fit(task, recipe, store, lambda step: None)
    seconds = time.process_time() - begin
    table = store.out_of_fold(task.folds)
    metric = registry.get("metric", task.metric).function
    found = scoring.score(metric, task.data.labels, table, task.data.groups)
    # The interval spans 1.96 standard errors on either side.
    keep(key, found.value, (found.high - found.low) / 3.92, seconds)


def keep(key: str, score: float, error: float, seconds: float) -> None:
    entry = {"score": round(score, 4), "error": round(error, 4), "seconds": round(seconds, 1)}
    with FileLock(f"{FILE}.lock"):
        FILE.write_text(json.dumps({**known(), key: entry}, indent=0) + "\n")
    print(key, *entry.values(), flush=True)


def known() -> dict[str, Any]:
    return json.loads(FILE.read_text()) if FILE.exists() else {}


def report() -> Iterator[str]:
    """A line for each task and kind of which all candidates were trained: do they come in the order of
    the probe?"""
    yield "| task | trained | rank correlation | best | the probe's | probes | trainings |"
    yield "|---|---|---|---|---|---|---|"
    for name, kind in itertools.product(ROWS, KINDS):
        probes = of_kind(name, "probe")
        both = {one: entry for one, entry in of_kind(name, kind).items() if one in probes}
        if len(both) < len(probes):
            continue
        told = {one: probes[one]["score"] for one in both}
        score = {one: entry["score"] for one, entry in both.items()}
        best, chosen = max(score, key=score.__getitem__), max(told, key=told.__getitem__)
        rho = spearmanr(list(told.values()), list(score.values())).statistic
        seconds = [sum(e["seconds"] for e in of.values()) for of in (both, probes)]
        cells = (
            name,
            kind,
            f"{rho:.2f}",
            f"{best}: {score[best]:.3f} ± {both[best]['error']:.3f}",
            f"{chosen}: {score[chosen]:.3f}",
            f"{seconds[1]:.0f} s",
            f"{seconds[0]:.0f} s",
        )
        yield f"| {' | '.join(cells)} |"


def of_kind(name: str, kind: str) -> dict[str, Any]:
    """What was measured of a task in one way, by candidate."""
    return {
        key.removeprefix(f"{name} ").removesuffix(f" {kind}"): entry
        for key, entry in known().items()
        if key.startswith(f"{name} ") and key.endswith(f" px {kind}")
    }


if __name__ == "__main__":
    main()
