"""Labels at once against each by itself, and answers with and without thresholds or cut points.

`python -m benchmarks.targets` draws both tasks and trains small networks from random weights: a minute
or two on two cores. Differences come with their standard error by a bootstrap over rows.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageDraw

from automask import scoring
from automask.data import dataset
from automask.data.folds import draw_folds
from automask.data.images import Images
from automask.data.tables import Rows, Tables
from automask.ensembles import decisions
from automask.hpo.progress import Step
from automask.machine import setup_process
from automask.scoring import Metric
from automask.space import registry
from automask.storage.trial_store import TrialStore
from automask.training import trial
from automask.training.task import Task
from benchmarks import tasks

ROWS, SIDE, FOLDS, EPOCHS, MODEL = 500, 48, 2, 12, "test_resnet"
#: How often each label is there: common ones and rare ones.
FREQUENCIES = (0.5, 0.35, 0.2, 0.1)
#: Where grades begin, as APTOS has them: half of the rows in the first, few in the last.
GRADES = (0.5, 0.6, 0.87, 0.93)


def main() -> None:
    setup_process()
    with tempfile.TemporaryDirectory() as folder:
        compare_labels(Path(folder) / "labels")
        compare_grades(Path(folder) / "grades")


def compare_labels(folder: Path) -> None:
    """One network for all labels by sigmoid_bce, and a network a label by cross entropy."""
    rng = np.random.default_rng(0)
    sets = (rng.random((ROWS, len(FREQUENCIES))) < FREQUENCIES).astype(int)
    paths = save(folder / "images", [draw_shapes(rng, row) for row in sets])
    columns = pd.DataFrame(sets.astype(str), columns=[f"label{k}" for k in range(sets.shape[1])])
    together = make_task(folder, paths, columns, "multi", "macro_f1")
    alone = [make_task(folder, paths, columns[[name]], "single", "roc_auc") for name in columns]
    joint, joint_seconds = out_of_fold(together, loss="sigmoid_bce")
    single = [out_of_fold(own, loss="cross_entropy") for own in alone]
    separate = np.stack([table[:, 1] for table, _ in single], axis=1)
    print(f"{ROWS} images of {sets.shape[1]} labels: a network a label, and one for all")
    for name in ("macro_f1", "mean_average_precision", "roc_auc", "log_loss"):
        metric = registry.get("metric", name).function
        print(f"  {name}: {compared(metric, sets, separate, joint)}")
    f1 = registry.get("metric", "macro_f1").function
    tuned = shifted(together, joint, f1)
    print(
        f"  macro_f1 of the one for all, at 0.5 and by thresholds: {compared(f1, sets, joint, tuned)}"
    )
    separate_seconds = sum(seconds for _, seconds in single)
    print(f"  seconds: {separate_seconds:.0f} and {joint_seconds:.0f}", flush=True)


def compare_grades(folder: Path) -> None:
    """Quadratic kappa of each head, by the likeliest grade and by cut points fitted on other folds."""
    rng = np.random.default_rng(1)
    amount = rng.random(ROWS)
    paths = save(folder / "images", [draw_spots(rng, share) for share in amount])
    # Who graded them saw it inexactly.
    grades = np.searchsorted(GRADES, amount + rng.normal(0, 0.05, ROWS))
    task = make_task(
        folder, paths, pd.DataFrame({"grade": grades.astype(str)}), "single", "cohen_kappa"
    )
    kappa = registry.get("metric", "cohen_kappa").function
    print(f"{ROWS} images of {len(GRADES) + 1} grades: by the likeliest grade, and by cut points")
    for head in ("joint", "cumulative", "regression"):
        table, _ = out_of_fold(task, head=head)
        cut = shifted(task, table, kappa)
        print(f"  kappa of {head}: {compared(kappa, task.data.labels, table, cut)}", flush=True)


def compared(metric: Metric, labels: np.ndarray, before: np.ndarray, after: np.ndarray) -> str:
    """Both scores, their ratio, and their difference with its standard error."""
    old, new = metric(labels, before), metric(labels, after)
    gain, error = scoring.difference(metric, labels, before, after, None)
    return f"{old:.3f} and {new:.3f}, ratio {new / old:.2f}, difference {gain:+.3f} ± {error:.3f}"


def shifted(task: Task, table: np.ndarray, metric: Metric) -> np.ndarray:
    """The predictions by whose decision a shift is heeded, each fold's by that of the other folds."""
    out, target = np.empty_like(table), task.data.target
    for fold in range(task.fold_count):
        rows, held = task.fold_rows(fold)
        shift = decisions.fit(target, task.data.labels[rows], table[rows], metric)
        out[held] = decisions.apply(target, table[held], shift)
    return out


def make_task(
    folder: Path, paths: Sequence[Path], columns: pd.DataFrame, kind: str, metric: str
) -> Task:
    rows = Rows([path.stem for path in paths], list(paths), columns)
    data = dataset.prepare(Tables(rows, kind=kind), metric)
    resizes = {plugin.name: plugin.function for plugin in registry.plugins("resize").values()}
    return Task(
        data=data,
        folds=draw_folds(data, "stratified", FOLDS, 0),
        metric=metric,
        seed=0,
        images=Images(list(paths), SIDE, resizes, folder / "cache"),
        cache=folder / "cache",
        weights={},
        device=torch.device("cpu"),
    )


def out_of_fold(task: Task, **plugins: str) -> tuple[np.ndarray, float]:
    """Predictions `[N, C]` of the same network and training, and the seconds that it took."""
    recipe = tasks.recipe(MODEL, image_size=SIDE, epochs=EPOCHS, batch_size=16, **plugins)
    with tempfile.TemporaryDirectory() as folder:
        store, begin = TrialStore(Path(folder)), time.perf_counter()
        trial.fit(task, recipe, store, quiet)
        return store.out_of_fold(task.folds), time.perf_counter() - begin


def quiet(step: Step) -> None:
    pass


def save(folder: Path, images: Sequence[Image.Image]) -> list[Path]:
    folder.mkdir(parents=True)
    paths = [folder / f"{index}.png" for index in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        image.save(path)
    return paths


def grain(rng: np.random.Generator) -> Image.Image:
    pixels = rng.normal(128, 25, (SIDE, SIDE, 3)).clip(0, 255)
    return Image.fromarray(pixels.astype(np.uint8))


def draw_shapes(rng: np.random.Generator, has: np.ndarray) -> Image.Image:
    """A shape for each label that it has, anywhere, large or small, of any colour."""
    image = grain(rng)
    pen = ImageDraw.Draw(image)
    for label in rng.permutation(np.flatnonzero(has)):
        radius = rng.uniform(6, 10)
        x, y = rng.uniform(radius, SIDE - radius, 2)
        box = (x - radius, y - radius, x + radius, y + radius)
        colour = tuple(rng.integers(0, 256, 3).tolist())
        if label == 0:
            pen.ellipse(box, fill=colour)
        elif label == 1:
            pen.rectangle(box, outline=colour, width=3)
        elif label == 2:
            pen.line(box, fill=colour, width=4)
        elif label == 3:
            pen.polygon([(x, box[1]), (box[0], box[3]), (box[2], box[3])], fill=colour)
        elif label == 4:
            for at in np.linspace(box[0], box[2], 4):
                pen.line((at, box[1], at, box[3]), fill=colour)
        else:
            pen.arc(box, 0, 270, fill=colour, width=2)
    return image


def draw_spots(rng: np.random.Generator, share: float) -> Image.Image:
    """More dark spots, the larger the share."""
    image = grain(rng)
    pen = ImageDraw.Draw(image)
    for _ in range(round(1 + 30 * share)):
        radius = rng.uniform(1.5, 3.5)
        x, y = rng.uniform(0, SIDE, 2)
        box = (x - radius, y - radius, x + radius, y + radius)
        pen.ellipse(box, fill=tuple(rng.integers(0, 60, 3).tolist()))
    return image


if __name__ == "__main__":
    main()
