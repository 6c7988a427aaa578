"""Cached features: what a backbone that doesn't train sees, computed once."""

from __future__ import annotations

import functools
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import nn

from automask.space import registry
from automask.space.recipe import Recipe
from automask.storage.arrays import open_array, write_array
from automask.storage.cache import Cache
from automask.storage.files import short_hash
from automask.training.backbone_facts import BackboneFacts, backbone_facts, backbone_key, measure
from automask.training.batches import Inputs
from automask.training.hardware import run_halving
from automask.training.network import BATCH, Network, build_backbone
from automask.training.plan import COPIES
from automask.training.task import Task


class Features:
    """Features `[rows, D]` by the recipe's backbone as every fold finds it.

    The plain ones of all rows are kept on disk for every trial with the same backbone, weights, size
    and way of resizing and preprocessing; augmented copies live as long as this object. Folds share
    them unless a preprocessing was fitted to each.
    """

    def __init__(self, task: Task, recipe: Recipe) -> None:
        self.task, self.recipe = task, recipe
        self.copies: dict[tuple[str, int], np.ndarray] = {}
        self.opened: dict[str, np.ndarray] = {}

    @cached_property
    def backbone(self) -> Network:
        # One of its own: a fold's would have trained by the time that its features are asked for.
        # And its random start must not move the numbers of a training under way.
        with torch.random.fork_rng():
            backbone = build_backbone(self.recipe, self.task.weights, self.task.seed)
        return Network(backbone, nn.Identity()).to(self.task.device).eval()

    @cached_property
    def facts(self) -> BackboneFacts:
        """What else a trial would build the backbone for, only to ask it."""
        facts = backbone_facts(self.task.cache, self.recipe)
        return facts or measure(self.task.cache, self.recipe, self.backbone.backbone)

    def plain(self, fold: int) -> np.ndarray:
        """float32 `[N + M, D]` of the train rows and then the test rows, as that fold sees them."""
        key, room = self.key(fold), self.task.images.room
        file = Cache(self.task.cache).features(key)
        while key not in self.opened:
            if (array := open_array(file, room)) is not None:
                self.opened[key] = array
            else:
                pixels = self.task.pixels(self.recipe, fold)
                shape = (len(pixels), self.facts.D)
                write_array(
                    file, shape, np.float32, functools.partial(self._fill, pixels=pixels), room
                )
        return self.opened[key]

    def table(self, augment: Any, epoch: int, fold: int) -> np.ndarray:
        """float32 `[N or more, D]` to train on in an epoch: plain, or an augmented copy in turn."""
        if augment is None:
            return self.plain(fold)
        index = self.key(fold), epoch % COPIES
        if index not in self.copies:
            pixels = self.task.pixels(self.recipe, fold)
            rows = len(pixels if self.task.lessons else self.task.data.labels)
            out = np.empty((rows, self.facts.D), np.float32)
            self._fill(out, pixels, augment, seed=self.task.seed * COPIES + epoch % COPIES)
            self.copies[index] = out
        return self.copies[index]

    def read(self, rows: np.ndarray) -> np.ndarray:
        """float32 `[n, D]` of some rows as the first fold has them, read where all are kept and else
        computed for now."""
        file, room = Cache(self.task.cache).features(self.key(0)), self.task.images.room
        array = open_array(file, room)
        return self.compute(rows) if array is None else array[rows]

    def compute(self, rows: np.ndarray) -> np.ndarray:
        """The same, computed."""
        out = np.empty((len(rows), self.facts.D), np.float32)
        self._fill(out, self.task.pixels_of(self.recipe, 0, rows))
        return out

    def tables(self, augment: Any, epoch: int, folds: int) -> np.ndarray | ByFold:
        """What `[rows]` gives each fold of rows `[folds, B]` to train on: `[folds, B, D]`."""
        tables = [np.asarray(self.table(augment, epoch, fold)) for fold in range(folds)]
        return tables[0] if len({self.key(fold) for fold in range(folds)}) == 1 else ByFold(tables)

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

    def key(self, fold: int) -> str:
        """Equal where a fold's features are."""
        prepared = self.task.prepared(self.recipe, fold)
        return self.shared_key if prepared is None else f"{self.shared_key}-{prepared.key}"

    @cached_property
    def shared_key(self) -> str:
        """Equal where features are, but for the preprocessing."""
        resize = self.recipe["resize"].name
        facts = (
            backbone_key(self.recipe, self.task.weights, self.task.seed),
            self.task.images.key,
            resize,
            self.task.images.largest,
            registry.get("resize", resize).digest,
        )
        return short_hash(repr(facts))


class ByFold:
    """A table a fold: rows `[folds, B]` are each fold's own, `[folds, B, D]`."""

    def __init__(self, tables: list[np.ndarray]) -> None:
        self.tables = tables

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        return np.stack([table[own] for table, own in zip(self.tables, rows, strict=True)])
