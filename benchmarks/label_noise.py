"""How well planted label noise is found: `python -m benchmarks.label_noise`.

Labels are flipped in copies of real and drawn tasks, out-of-fold probabilities come from logistic
regression on cached features, and what the audit flags is held against what was flipped. What is
measured is kept in `label_noise.jsonl` and not measured again.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from automask.data import dataset
from automask.data.folds import draw_folds
from automask.data.images import Images
from automask.diagnostics import label_errors
from automask.machine import setup_process
from automask.space import registry
from automask.training import pretrained
from automask.training.features import Features
from automask.training.task import Task
from benchmarks import subsamples, tasks

SHARED = Path(__file__).parents[2] / "shared"
CACHE = Path(__file__).parent / "cache" / "label_noise"
FILE = Path(__file__).with_suffix(".jsonl")
MODEL, SIZE, FOLDS, SEEDS, C = "regnetx_002", 96, 5, 10, 0.01
RATES = (0.02, 0.05)
KINDS = ("uniform", "similar")
#: Tasks by name: where the rows are from and, if not all, which targets count.
TASKS: dict[str, tuple[str, list[str] | None]] = {
    "sign-digits": ("sign-digits", None),
    "drawn, mask alone": ("drawn", ["mask"]),
    "drawn, mask × gender × age": ("drawn", None),
}


def read(name: str) -> Task:
    """The task with its folds and its images; no test rows."""
    source, targets = TASKS[name]
    CACHE.mkdir(parents=True, exist_ok=True)
    tables = subsamples.SOURCES[source].read(CACHE)
    train, numbers = tables.train, dict(tables.numbers)
    if targets is not None:
        train = dataclasses.replace(train, attributes=train.attributes[targets])
        numbers = {key: value for key, value in numbers.items() if key in targets}
    data = dataset.prepare(
        dataclasses.replace(tables, train=train, numbers=numbers, test=None, sample=None)
    )
    resizes = {plugin.name: plugin.function for plugin in registry.plugins("resize").values()}
    return Task(
        data=data,
        folds=draw_folds(data, "stratified", FOLDS, 0),
        metric="macro_f1",
        seed=0,
        images=Images(data.paths, SIZE, resizes, CACHE),
        cache=CACHE,
        weights=pretrained.read_folder(SHARED / "weights"),
        device=torch.device("cpu"),
    )


def features(task: Task) -> np.ndarray:
    """`[N, D]`: what the pretrained backbone sees."""
    recipe = tasks.recipe(MODEL, pretrained=True, image_size=SIZE, freeze="head_only")
    return np.asarray(Features(task, recipe).plain(0))


def out_of_fold(
    seen: np.ndarray, labels: np.ndarray, folds: np.ndarray, classes: int
) -> np.ndarray:
    """`[N, C]` probabilities by a regression that was fitted to the other folds."""
    out = np.zeros((len(labels), classes))
    for fold in range(FOLDS):
        rows, held = folds != fold, folds == fold
        regression = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=300))
        regression.fit(seen[rows], labels[rows])
        out[np.ix_(held, regression[-1].classes_)] = regression.predict_proba(seen[held])
    return out


def planted(
    labels: np.ndarray, seen: np.ndarray, kind: str, rate: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Labels with a share `rate` flipped, and which `[N]` are.

    To any other class alike, or (similar) to the class whose features `seen` `[N, D]` are nearest in
    the mean.
    """
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(labels), round(rate * len(labels)), replace=False)
    classes = int(labels.max()) + 1
    noisy = labels.copy()
    if kind == "uniform":
        noisy[rows] = (labels[rows] + rng.integers(1, classes, len(rows))) % classes
    else:
        scaled = StandardScaler().fit_transform(seen)
        means = np.stack([scaled[labels == label].mean(0) for label in range(classes)])
        distances = np.linalg.norm(means[:, None] - means, axis=-1)
        np.fill_diagonal(distances, np.inf)
        noisy[rows] = distances.argmin(1)[labels[rows]]
    return noisy, noisy != labels


def measured(
    audit: label_errors.Audit, flipped: np.ndarray, probability: np.ndarray, labels: np.ndarray
) -> dict[str, float]:
    """Precision and recall of what is flagged, precision among as many as were planted, and the
    estimated number of wrong labels for each planted."""
    others = probability.copy()
    others[np.arange(len(labels)), labels] = 0
    margin = audit.quality - others.max(1)
    hits, count = (audit.flagged & flipped).sum(), int(flipped.sum())
    return {
        "precision": hits / max(1, audit.flagged.sum()),
        "recall": hits / count,
        "at planted": flipped[audit.order[:count]].mean(),
        "by probability": flipped[np.argsort(audit.quality)[:count]].mean(),
        "by margin": flipped[np.argsort(margin)[:count]].mean(),
        "flagged by margin": flipped[np.lexsort((margin, ~audit.flagged))[:count]].mean(),
        "estimated": audit.wrong.sum() / count,
    }


def known() -> dict[str, dict[str, float]]:
    """What was measured, by task, kind, rate and seed."""
    if not FILE.exists():
        return {}
    entries = map(json.loads, FILE.read_text().splitlines())
    return {entry.pop("key"): entry for entry in entries}


def measure(name: str) -> None:
    """Measure what is missing of a task."""
    keys = {
        f"{name} | {kind} | {rate:.0%} | {seed}": (kind, rate, seed)
        for kind in KINDS
        for rate in RATES
        for seed in range(SEEDS)
    }
    missing = {key: found for key, found in keys.items() if key not in known()}
    if not missing:
        return
    task = read(name)
    seen, labels, classes = features(task), task.data.labels, len(task.data.counts)
    clean = out_of_fold(seen, labels, task.folds, classes)
    right = float((clean.argmax(1) == labels).mean())
    for key, (kind, rate, seed) in missing.items():
        noisy, flipped = planted(labels, seen, kind, rate, seed)
        probability = out_of_fold(seen, noisy, task.folds, classes)
        found = measured(
            label_errors.find_label_errors(noisy, probability, task.folds),
            flipped,
            probability,
            noisy,
        )
        entry = {"key": key, "right": right, **found}
        with open(FILE, "a") as file:
            file.write(json.dumps({k: v if k == "key" else round(v, 4) for k, v in entry.items()}))
            file.write("\n")


def table() -> str:
    """What was measured as Markdown: means over seeds and their standard errors."""
    head = (
        *("task", "probe right", "noise", "planted", "flagged: precision", "recall"),
        *("precision at planted", "estimated / planted"),
    )
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    entries = known()
    for name, kind, rate in itertools.product(TASKS, KINDS, RATES):
        part = [e for k, e in entries.items() if k.startswith(f"{name} | {kind} | {rate:.0%} |")]
        cells = [name, f"{part[0]['right']:.2f}", kind, f"{rate:.0%}"]
        for figure in ("precision", "recall", "at planted", "estimated"):
            values = np.array([entry[figure] for entry in part])
            error = values.std(ddof=1) / np.sqrt(len(values))
            cells.append(f"{values.mean():.2f} ± {error:.2f}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    if not (SHARED / "data").is_dir() or not (SHARED / "weights").is_dir():
        print(f"no data or no weights in {SHARED}: nothing to plant noise in")
        return
    setup_process(1)
    for name in TASKS:
        measure(name)
    print(table())


if __name__ == "__main__":
    main()
