"""Cached features: what a backbone that doesn't train sees, computed once."""

from __future__ import annotations

import functools
import hashlib
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import nn

from automask.space import registry
from automask.space.recipe import Recipe
from automask.storage.arrays import open_array, write_array
from automask.storage.json_cache import get_or_compute
from automask.training.batches import Inputs
from automask.training.hardware import run_halving
from automask.training.network import BATCH, Network, ParameterName, build_backbone, norm_names
from automask.training.task import Task

#: How many augmented views of the train rows stand in for endless ones.
VIEWS = 4
#: What a backbone takes for its own training, and no feature of a resting one depends on.
IN_TRAINING_ALONE = ("drop_rate", "drop_path_rate")


class Features:
    """Features `[rows, D]` by the recipe's backbone as every fold finds it.

    The plain ones of all rows are kept on disk for every trial with the same backbone, weights, size
    and way of resizing and preprocessing; augmented views live as long as this object. Folds share
    them unless a preprocessing was fitted to each.
    """

    def __init__(self, task: Task, recipe: Recipe) -> None:
        self.task, self.recipe = task, recipe
        self.views: dict[tuple[str, int], np.ndarray] = {}
        self.opened: dict[str, np.ndarray] = {}

    @cached_property
    def backbone(self) -> Network:
        # One of its own: a fold's would have trained by the time that its features are asked for.
        # And its random start must not move the numbers of a training under way.
        with torch.random.fork_rng():
            backbone = build_backbone(self.recipe, self.task.weights, self.task.seed)
        return Network(backbone, nn.Identity()).to(self.task.device).eval()

    @property
    def stages(self) -> tuple[tuple[str, ...], ...]:
        """The backbone's parameter names, from the stem up."""
        norms = set(self._known["norms"])
        return tuple(
            tuple(ParameterName(name, name in norms) for name in stage)
            for stage in self._known["stages"]
        )

    @property
    def D(self) -> int:
        return int(self._known["D"])

    @cached_property
    def _known(self) -> dict[str, Any]:
        """What else a trial would build the backbone for, only to ask it."""

        def ask() -> dict[str, Any]:
            asked: Any = self.backbone.backbone
            norms = sorted(norm_names(asked))
            return {"D": asked.D, "stages": asked.stages, "norms": norms}

        return get_or_compute(self.task.cache / "backbones.json", self._backbone_key(), ask)

    def plain(self, fold: int) -> np.ndarray:
        """float32 `[N + M, D]` of the train rows and then the test rows, as that fold sees them."""
        key, room = self._key(fold), self.task.images.room
        file = self.task.cache / f"features-{key}.npy"
        while key not in self.opened:
            if (array := open_array(file, room)) is not None:
                self.opened[key] = array
            else:
                pixels = self.task.pixels(self.recipe, fold)
                shape = (len(pixels), self.D)
                write_array(
                    file, shape, np.float32, functools.partial(self._fill, pixels=pixels), room
                )
        return self.opened[key]

    def view(self, augment: Any, epoch: int, fold: int) -> np.ndarray:
        """float32 `[N or more, D]` to train on in an epoch: plain, or an augmented view in turn."""
        if augment is None:
            return self.plain(fold)
        index = self._key(fold), epoch % VIEWS
        if index not in self.views:
            pixels = self.task.pixels(self.recipe, fold)
            # Of test rows those alone are trained on that have pseudo-labels.
            rows = len(pixels if self.task.pseudo else self.task.data.labels)
            out = np.empty((rows, self.D), np.float32)
            self._fill(out, pixels, augment, seed=self.task.seed * VIEWS + epoch % VIEWS)
            self.views[index] = out
        return self.views[index]

    def of(self, rows: np.ndarray) -> np.ndarray:
        """float32 `[n, D]` of some rows as the first fold has them, read where all are kept and else
        computed for now."""
        file, room = self.task.cache / f"features-{self._key(0)}.npy", self.task.images.room
        kept = open_array(file, room)
        if kept is not None:
            return kept[rows]
        out = np.empty((len(rows), self.D), np.float32)
        self._fill(out, self.task.pixels_of(self.recipe, 0, rows))
        return out

    def together(self, augment: Any, epoch: int, folds: int) -> np.ndarray | ByFold:
        """What `[rows]` gives each fold of rows `[folds, B]` to train on: `[folds, B, D]`."""
        views = [np.asarray(self.view(augment, epoch, fold)) for fold in range(folds)]
        return views[0] if len({self._key(fold) for fold in range(folds)}) == 1 else ByFold(views)

    @torch.inference_mode()
    def _fill(
        self, out: np.ndarray, pixels: np.ndarray, augment: Any = None, seed: int = 0
    ) -> None:
        def fill(size: int) -> None:
            torch.manual_seed(seed)
            inputs = Inputs(pixels, augment, self.task.device, np.random.default_rng(seed))
            parts = np.array_split(np.arange(len(out)), max(1, -(-len(out) // size)))
            batch = inputs(parts[0])
            for rows, following in zip(parts, [*parts[1:], None], strict=True):
                features = self.backbone(batch)
                if following is not None:
                    # Read while a GPU still works on this one.
                    batch = inputs(following)
                out[rows] = features.cpu().numpy()

        with torch.random.fork_rng():
            run_halving(fill, BATCH)

    def _key(self, fold: int) -> str:
        prepared = self.task.prepared(self.recipe, fold)
        return self._shared_key if prepared is None else f"{self._shared_key}-{prepared.key}"

    @cached_property
    def _shared_key(self) -> str:
        facts = (
            self._backbone_key(),
            self.task.images.key,
            self.recipe["resize"].name,
            self.task.images.largest,
            registry.get("resize", self.recipe["resize"].name).digest,
        )
        return _digest(facts)

    def _backbone_key(self) -> str:
        training, backbone = self.recipe.training, self.recipe["backbone"]
        weights = self.task.weights.get(backbone.params.get("model", ""))
        origin: Any = training["pretrained"] or self.task.seed
        if training["pretrained"] and weights is not None:
            origin = weights.digest
        facts = (
            training["image_size"],
            backbone.name,
            sorted((k, v) for k, v in backbone.params.items() if k not in IN_TRAINING_ALONE),
            origin,
            None if weights is None else weights.facts,
            registry.get("backbone", backbone.name).digest,
        )
        return _digest(facts)


class ByFold:
    """A table a fold: rows `[folds, B]` are each fold's own, `[folds, B, D]`."""

    def __init__(self, tables: list[np.ndarray]) -> None:
        self.tables = tables

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        return np.stack([table[own] for table, own in zip(self.tables, rows, strict=True)])


def _digest(facts: Any) -> str:
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
