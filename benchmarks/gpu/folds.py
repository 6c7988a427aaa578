"""Features a second, a batch that the memory doesn't hold, and float16 beside bfloat16."""

from __future__ import annotations

import contextlib
import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from automask.hpo.progress import Step
from automask.storage.trial_store import TrialStore
from automask.study import opening
from automask.study.session import Options
from automask.training import hardware
from automask.training.features import Features
from automask.training.fold import FoldTrainer
from automask.training.network import BATCH, build
from automask.training.trial import fit
from benchmarks import searches, tasks
from benchmarks.gpu.training import MODELS
from benchmarks.measure import Figure, in_turn, ratio

#: What `memory` may take of the GPU's.
CAP = 4 * 2**30


def figures(folder: Path) -> Iterator[Figure]:
    yield from features(folder)
    yield from memory(folder)
    yield from float16(folder)


def features(
    folder: Path,
    rows: int = 2_000,
    size: int = 224,
    rounds: int = 5,
    models: Sequence[str] = MODELS,
) -> Iterator[Figure]:
    """Features computed from the memory map, by a forward pass of a batch that lies on the device."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    paths = tasks.draw(folder / "images", rows, 256)
    task = replace(tasks.task(paths, size, folder / "cache"), device=device)
    for model in models:
        recipe = tasks.recipe(model, image_size=size)
        of = Features(task, recipe)
        pixels, out = task.pixels(recipe, 0), np.empty((rows, of.facts.D), np.float32)
        sides = {"automask": lambda of=of, o=out, p=pixels: of._fill(o, p), "bare": bare(of, rows)}
        times = in_turn(sides, rounds)
        speeds = {name: rows / statistics.median(each) for name, each in times.items()}
        note = f"{speeds['automask']:.0f} images/s"
        name = f"{model} {size} px, features over the bare forward pass"
        yield ratio(name, times["bare"], times["automask"], 0.9, note)


def bare(of: Features, rows: int) -> Callable[[], None]:
    size = of.recipe.training["image_size"]
    images = torch.randint(256, (BATCH, size, size, 3), dtype=torch.uint8).to(of.task.device)

    @torch.inference_mode()
    def run() -> None:
        for _ in range(-(-rows // BATCH)):
            found = of.backbone(images)
        found.cpu()

    return run


def memory(folder: Path, batch: int = 512, size: int = 224) -> Iterator[Figure]:
    """A trial whose batch this process has no memory for, while others' is left alone."""
    device = torch.device("cuda")
    total = torch.cuda.get_device_properties(device).total_memory
    torch.cuda.set_per_process_memory_fraction(CAP / total)
    paths = tasks.draw(folder / "images", 2 * batch, 256)
    task = replace(tasks.task(paths, size, folder / "cache", folds=2), device=device)
    recipe = tasks.recipe("resnet50", image_size=size, batch_size=batch, epochs=1)
    steps: list[Step] = []
    fit(task, recipe, TrialStore(folder / "trial"), steps.append)
    torch.cuda.set_per_process_memory_fraction(1.0)
    rows = steps[0].micro_batch
    note = f"batches of {batch} within {CAP / 2**30:.0f} GiB: {rows} rows computed at once"
    finite = all(math.isfinite(step.loss) for step in steps if step.score is None)
    through = float(finite and rows is not None)
    yield Figure("out of memory: the trial ends, with fewer rows at once", through, 1.0, note=note)


def float16(folder: Path, size: int = 96, epochs: int = 6) -> Iterator[Figure]:
    """A fold in float16 with a scaled loss, as older cards train it, by the same in bfloat16."""
    weights = searches.SHARED.parents[1] / "weights"
    project = folder / "float16"
    project.mkdir()
    with contextlib.chdir(project):
        searches.automask(project, "init", str(searches.SHARED))
        task = opening.survey(Options(weights=str(weights))).task()
        recipe = tasks.recipe(
            "tf_efficientnet_lite0",
            pretrained=True,
            image_size=size,
            augmentation="light",
            epochs=epochs,
        )
        scores, notes = {}, []
        for number in (torch.bfloat16, torch.float16):
            with mock.patch.object(hardware, "choose_precision", return_value=number):
                network = build(recipe, task.data.attributes, task.weights, task.seed, 0)
                of = FoldTrainer(task, recipe, Features(task, recipe), 0, network.to(task.device))
            losses = [of.epoch(index) for index in range(epochs)]
            scores[number] = task.score(of.data.scored, of.predict(of.data.scored))
            notes.append(f"{str(number)[6:]} {scores[number]:.3f} (loss {losses[-1]:.3f})")
        notes.append(f"scaled by {of.optimization.scaler.get_scale():.0f} in the end")
    yield Figure(
        "float16 with a scaled loss, score of a fold over bfloat16's",
        scores[torch.float16] / scores[torch.bfloat16],
        0.95,
        note="; ".join(notes),
    )
