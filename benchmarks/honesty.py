"""`python -m benchmarks.honesty`: does the score that `automask ensemble` prints hold?

Draws a mask competition for each seed, searches it, blends by every method, and holds the nested score
and the plain out-of-fold one to the score by the hidden answers. Studies lie in a folder and are
resumed; `--report` writes docs/honesty.md and honesty.json from those that are there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import numpy as np
import pandas as pd

from automask.data.dataset import one_hot
from automask.data.synthetic import competition
from automask.ensembles import ensemble, members
from automask.ensembles.ensemble import PLAIN, Member
from automask.report import submission
from automask.space import registry
from automask.storage.disk import TOP
from automask.storage.project import Project
from automask.study.session import Options, Session, open_session

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "honesty.json"
STUDIES, TRAIN_PEOPLE, TEST_PEOPLE, TRIALS, FOLDS = 20, 120, 200, 8, 5
WEIGHTS = FOLDER.parents[1] / "shared" / "weights"
#: Heads on cached features: studies of seconds.
SPACE = """
[training]
image_size = 64
epochs = { low = 10, high = 40 }
batch_size = 32

[backbone.timm]
model = ["mobilenetv3_small_050", "regnetx_002"]
drop_rate = 0.0
drop_path_rate = 0.0

[head.joint]
dropout = { low = 0.0, high = 0.5 }

[head.factored]
dropout = { low = 0.0, high = 0.5 }

[freeze.head_only]

[loss.cross_entropy]
[loss.label_smoothing]
[loss.focal]

[optimizer.adamw]
lr = { low = 1e-3, high = 1e-2 }
layer_decay = 1.0

[augmentation.none]

[sampling.all]
[sampling.class_balanced]
"""
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def main() -> None:
    parser = argparse.ArgumentParser("benchmarks.honesty", description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER / "cache" / "honesty")
    parser.add_argument("--report", action="store_true", help="blend, and write docs/honesty.md")
    asked = parser.parse_args()
    seeds = range(STUDIES)
    if asked.report:
        records = [r for seed in seeds for r in measured(asked.folder / str(seed), seed)]
        RESULTS.write_text(json.dumps(records, indent=1) + "\n")
        write(FOLDER.parent / "docs" / "honesty.md", records)
        return
    if not WEIGHTS.is_dir():
        print("nothing measured: ../shared/weights is not there")
        return
    for seed in seeds:
        search(asked.folder / str(seed), seed)


def search(folder: Path, seed: int) -> None:
    """Draw the competition of a seed and run its study to the end."""
    if not (folder / "data" / "answers.csv").exists():
        competition.draw_competition(
            folder / "data", train_people=TRAIN_PEOPLE, test_people=TEST_PEOPLE, seed=seed
        )
    (folder / "space.toml").write_text(SPACE)
    settings = (
        f"--space space.toml --weights {WEIGHTS} --trials {TRIALS} --folds {FOLDS} --seed {seed} "
        "--workers 1"
    )
    for arguments in ("init data --force", f"search {settings}"):
        command = [sys.executable, "-m", "automask", *arguments.split()]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    print(f"study {seed} is searched", flush=True)


def measured(folder: Path, seed: int) -> list[dict[str, Any]]:
    """A record for each method: what is printed, and what is true."""
    options = Options(project=Project(folder))
    if not options.store.is_begun:
        return []
    session = open_session(options)
    found, true = members.load_members(session), truth(session)
    return [record(session, found, method, true, seed) for method in methods()]


def methods() -> list[str]:
    return ["auto", *registry.plugins("ensemble")]


def truth(session: Session) -> Callable[[np.ndarray], float]:
    """The metric by the hidden answers, of test probabilities `[M, C]`."""
    data = session.data
    assert data.test is not None and data.codes is not None
    folder = session.options.project.folder
    answers = pd.read_csv(folder / "data" / "answers.csv").set_index("ImageID")["ans"]
    target, ids, classes = answers.loc[data.test.ids].to_numpy(), data.test.ids, len(data.codes)

    def score(probability: np.ndarray) -> float:
        said = submission.table(data, ids, probability)["ans"].astype(int).to_numpy()
        return session.metric(target, one_hot(said, classes))

    return score


def record(
    session: Session,
    found: list[Member],
    method: str,
    true: Callable[[np.ndarray], float],
    seed: int,
) -> dict[str, Any]:
    data = session.data
    blended = ensemble.fit(
        {PLAIN: found}, data.labels, session.folds, data.groups, session.metric, method, TOP
    )
    # `[K, T, M, C]`: a fold's networks saw as few rows as those behind the nested score.
    single = np.stack([session.store.trial(m.recipe.hash).test(FOLDS) for m in blended.members], 1)
    told = true(blended.test)
    return {
        "seed": seed,
        "method": method,
        "came to": blended.method,
        "nested": blended.nested.value,
        "low": blended.nested.low,
        "high": blended.nested.high,
        "plain": blended.plain.value,
        "true": told,
        "fold by fold": float(np.mean([true(fold.mean(0)) for fold in single])),
        "members averaged": true(single.mean((0, 1))),
        "biases": blended.shift is not None,
    }


def table(records: list[dict[str, Any]]) -> str:
    """Means over studies with their standard errors, a line a method, as Markdown."""
    lines = [
        "| method | nested | out of fold | true | nested - true | out of fold - true | in interval |",
        "|---|---|---|---|---|---|---|",
    ]
    for method in dict.fromkeys(r["method"] for r in records):
        own = [r for r in records if r["method"] == method]
        nested, plain, true = (
            np.array([r[key] for r in own]) for key in ("nested", "plain", "true")
        )
        inside = sum(r["low"] <= r["true"] <= r["high"] for r in own)
        means = " | ".join(f"{values.mean():.3f}" for values in (nested, plain, true))
        lines.append(
            f"| {method} | {means} | {_mean(nested - true)} | {_mean(plain - true)} "
            f"| {inside} of {len(own)} |"
        )
    return "\n".join(lines)


def averaging(records: list[dict[str, Any]]) -> str:
    """What the mean of the folds' networks gains on test, as a sentence."""
    own = [r for r in records if r["method"] == "mean"]
    gain = np.array([r["members averaged"] - r["fold by fold"] for r in own])
    left = np.array([r["nested"] - r["fold by fold"] for r in own])
    return (
        f"A test row is predicted by the mean of the {FOLDS} folds' networks, a row of train by one "
        f"fold's. On test that mean alone gains {_mean(gain)}: the plain mean of the members scores so "
        "much more than the same mean of each fold's networks by themselves. Held against the latter, "
        f"which saw as few rows, the nested score of `mean` is off by {_mean(left)}."
    )


def _mean(values: np.ndarray) -> str:
    return f"{values.mean():+.3f} ± {values.std(ddof=1) / np.sqrt(len(values)):.3f}"


def write(file: Path, records: list[dict[str, Any]]) -> None:
    """Put the table between the marks of the page, whose other text stays."""
    before, _, rest = file.read_text("utf-8").partition(BEGIN)
    count = len({r["seed"] for r in records})
    told = f"{count} studies.\n\n{table(records)}\n\n{averaging(records)}"
    file.write_text(f"{before}{BEGIN}\n\n{told}\n\n{END}{rest.partition(END)[2]}", "utf-8")


if __name__ == "__main__":
    main()
