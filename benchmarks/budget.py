"""`python -m benchmarks.budget`: what the same seconds buy, automask beside a plain script.

A grouped quarter of train is set aside as the truth. Each side gets the same folder and the same seconds
of the same machine, its start and its last prediction included, one after the other with nothing beside.
A run is a line of `budget.jsonl` as soon as it is through, so that the same command goes on where it
stopped; `budget.json` has the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import f1_score
from sklearn.model_selection import StratifiedGroupKFold

from automask.storage.files import write_json
from benchmarks.subsamples import SHARED

HERE = Path(__file__).parent
LINES, FIGURES = HERE / "budget.jsonl", HERE / "budget.json"
SIDES = ("automask", "script")
TASKS = ("sign-digits", "face-mask", "clothing")
WEIGHTS = {
    "small": ("regnetx_002", "mobilenetv3_small_050"),
    "lite0": ("tf_efficientnet_lite0",),
}
#: Seconds by the seeds that they are tried with.
BUDGETS = {120: (0,), 300: (0, 1, 2), 900: (0,)}
#: What of a budget is kept for blending and writing the answer: a share of it, and seconds.
RESERVE = 0.06, 12.0
#: A budget is kept where a run ends within so many seconds of it.
LATE = 5.0


def split(name: str, weights: Sequence[str], folder: Path) -> Path:
    """A project's folder with three quarters of train's groups, and the labels of the rest in
    `truth.csv`, which no side reads."""
    source, data = SHARED / "data" / name, folder / "data"
    train = pd.read_csv(source / "train.csv", dtype=str)
    sample = pd.read_csv(source / "sample_submission.csv", dtype=str)
    targets = [column for column in sample.columns if column in train and column != "id"]
    joint = train[targets].agg("|".join, axis=1)
    folds = StratifiedGroupKFold(4, shuffle=True, random_state=0)
    own, held = next(folds.split(train, joint, train["group"]))
    data.mkdir(parents=True)
    train.iloc[own].to_csv(data / "train.csv", index=False)
    truth = train.iloc[held]
    truth.drop(columns=targets).to_csv(data / "test.csv", index=False)
    truth[["id"]].assign(**{t: sample[t].iloc[0] for t in targets}).to_csv(
        data / "sample_submission.csv", index=False
    )
    truth[["id", *targets]].to_csv(folder / "truth.csv", index=False)
    (data / "images").symlink_to((source / "images").resolve())
    (folder / "weights").mkdir()
    for weight in weights:
        for suffix in ("safetensors", "json"):
            file = f"{weight}.{suffix}"
            (folder / "weights" / file).symlink_to((SHARED / "weights" / file).resolve())
    return folder


def score(folder: Path) -> float:
    """Macro-F1 of `submission.csv` over the joint class of the rows set aside; 0 without one."""
    if not (folder / "submission.csv").exists():
        return 0.0
    truth = pd.read_csv(folder / "truth.csv", dtype=str).set_index("id")
    answer = pd.read_csv(folder / "submission.csv", dtype=str).set_index("id").loc[truth.index]
    joint = truth.agg("|".join, axis=1)
    own = answer[truth.columns].agg("|".join, axis=1)
    labels = sorted(set(joint))
    return float(f1_score(joint, own, average="macro", labels=labels, zero_division=0))


def run(command: Sequence[str], folder: Path, seconds: float) -> tuple[int, str]:
    """A command's exit status, and the last of what it said; ended long after its time."""
    environment = os.environ | {"NO_ALBUMENTATIONS_UPDATE": "1", "HF_HUB_OFFLINE": "1"}
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=2 * seconds + 60,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 124, "never ended"
    return done.returncode, (done.stdout + done.stderr)[-2000:]


def automask(folder: Path, seconds: float, seed: int) -> str:
    """Search and blend as a user would: what it printed last."""
    begin = time.time()
    ours = (sys.executable, "-m", "automask")
    run([*ours, "init", "data"], folder, seconds)
    share, least = RESERVE
    left = seconds - (time.time() - begin) - max(share * seconds, least)
    limits = ("--timeout", f"{left:.0f}s", "--trials", "1000", "--seed", str(seed))
    run([*ours, "search", "--weights", "weights", *limits], folder, seconds)
    return run([*ours, "ensemble"], folder, seconds)[1]


def script(folder: Path, seconds: float, model: str) -> str:
    plain = [sys.executable, "-m", "benchmarks.plain_script", ".", model, str(seconds)]
    os.environ["PYTHONPATH"] = str(HERE.parent)
    return run(plain, folder, seconds)[1]


def measure(options: argparse.Namespace) -> None:
    """Run what no line has yet, the sides in turn."""
    done = {tuple(line[key] for key in KEYS) for line in read()}
    for seconds, seeds in BUDGETS.items():
        if options.seconds and seconds not in options.seconds:
            continue
        for weights, name, seed in (
            (w, n, s) for s in seeds for w in WEIGHTS for n in TASKS if w in options.weights
        ):
            for side in SIDES:
                if name in options.tasks and (side, name, weights, seconds, seed) not in done:
                    line = one(options, side, name, weights, seconds, seed)
                    with LINES.open("a") as file:
                        file.write(json.dumps(line) + "\n")
                    print(json.dumps({k: line[k] for k in (*KEYS, "score", "wall")}), flush=True)


KEYS = ("side", "task", "weights", "seconds", "seed")


def one(
    options: argparse.Namespace, side: str, name: str, weights: str, seconds: int, seed: int
) -> dict[str, Any]:
    """One side's run, from nothing to its answer."""
    folder = options.work / f"{side}-{name}-{weights}-{seconds}-{seed}"
    shutil.rmtree(folder, ignore_errors=True)
    split(name, WEIGHTS[weights], folder)
    model, begin = WEIGHTS[weights][0], time.time()
    ours = side == "automask"
    said = automask(folder, seconds, seed) if ours else script(folder, seconds, model)
    wall = time.time() - begin
    facts = dict(zip(KEYS, (side, name, weights, seconds, seed), strict=True))
    line = {**facts, "score": round(score(folder), 4), "wall": round(wall, 1), "said": said}
    shutil.rmtree(folder / "runs" / "cache", ignore_errors=True)
    return line


def read() -> list[dict[str, Any]]:
    return [json.loads(line) for line in LINES.read_text().splitlines()] if LINES.exists() else []


def figures(lines: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The mean score of each side over its seeds, its lead on the best other, and the worst delay."""
    means: dict[tuple[str, ...], float] = {}
    for key in {tuple(line[k] for k in KEYS[:-1]) for line in lines}:
        same = [line["score"] for line in lines if tuple(line[k] for k in KEYS[:-1]) == key]
        means[key] = statistics.fmean(same)
    found: dict[str, dict[str, Any]] = {}
    for (side, name, weights, seconds), mean in sorted(means.items()):
        label = f"{side}, {name}, {weights}, {seconds} s"
        found[label] = {"value": round(mean, 4), "goal": None, "unit": "macro-F1", "better": "high"}
        others = [
            m for (s, *rest), m in means.items() if rest == [name, weights, seconds] and s != side
        ]
        if side == "automask" and others:
            found[f"lead, {name}, {weights}, {seconds} s"] = {
                "value": round(mean - max(others), 4),
                "goal": 0.0,
                "unit": "macro-F1",
                "better": "high",
            }
    ours = [line for line in lines if line["side"] == "automask"]
    if ours:
        late = max(line["wall"] - line["seconds"] for line in ours)
        found["seconds beyond the budget"] = {
            "value": round(float(np.maximum(late, 0)), 1), "goal": LATE, "unit": "s", "better": "low"
        }  # fmt: skip
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, default=Path("build/budget"))
    parser.add_argument("--seconds", type=int, nargs="*", default=[])
    parser.add_argument("--weights", nargs="*", default=list(WEIGHTS))
    parser.add_argument("--tasks", nargs="*", default=list(TASKS))
    options = parser.parse_args()
    options.work = options.work.absolute()
    measure(options)
    write_json(FIGURES, figures(read()))


if __name__ == "__main__":
    main()
