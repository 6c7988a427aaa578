"""Cached features: what a backbone that doesn't train sees, computed once."""

from __future__ import annotations

import functools
import hashlib
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import nn

from automask import registry
from automask.images import open_array, write_array
from automask.inputs import Inputs
from automask.memory import fitting
from automask.network import BATCH, Network, build_backbone
from automask.recipe import Recipe
from automask.remembered import recall
from automask.task import Task

#: How many augmented views of the train rows stand in for endless ones.
VIEWS = 4


class Features:
    """Features `[rows, D]` by the recipe's backbone as every fold finds it.

    The plain ones of all rows are kept on disk for every trial with the same backbone, weights, size
    and way of resizing; augmented views live as long as this object.
    """

    def __init__(self, task: Task, recipe: Recipe) -> None:
        self.task, self.recipe = task, recipe
        self.views: dict[int, np.ndarray] = {}
        self.opened: np.ndarray | None = None

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
        return tuple(map(tuple, self._known["stages"]))

    @property
    def D(self) -> int:
        return int(self._known["D"])

    @cached_property
    def _known(self) -> dict[str, Any]:
        """What else a trial would build the backbone for, only to ask it."""

        def ask() -> dict[str, Any]:
            asked: Any = self.backbone.backbone
            return {"D": asked.D, "stages": asked.stages}

        return recall(self.task.cache / "backbones.json", self._backbone_key(), ask)

    def plain(self) -> np.ndarray:
        """float32 `[N + M, D]` of the train rows and then the test rows."""
        file, room = self.task.cache / f"features-{self._key()}.npy", self.task.images.room
        while self.opened is None:
            self.opened = open_array(file, room)
            if self.opened is None:
                pixels = self.task.pixels(self.recipe)
                shape = (len(pixels), self.D)
                write_array(
                    file, shape, np.float32, functools.partial(self._fill, pixels=pixels), room
                )
        return self.opened

    def view(self, augment: Any, epoch: int) -> np.ndarray:
        """float32 `[N or more, D]` to train on in an epoch: plain, or an augmented view in turn."""
        if augment is None:
            return self.plain()
        index = epoch % VIEWS
        if index not in self.views:
            out = np.empty((len(self.task.data.labels), self.D), np.float32)
            pixels = self.task.pixels(self.recipe)
            self._fill(out, pixels, augment, seed=self.task.seed * VIEWS + index)
            self.views[index] = out
        return self.views[index]

    def of(self, rows: np.ndarray) -> np.ndarray:
        """float32 `[n, D]` of some rows, read where all are kept and else computed for now."""
        file, room = self.task.cache / f"features-{self._key()}.npy", self.task.images.room
        kept = open_array(file, room)
        if kept is not None:
            return kept[rows]
        backbone: Any = self.backbone.backbone
        out = np.empty((len(rows), backbone.D), np.float32)
        self._fill(out, self.task.pixels(self.recipe)[rows])
        return out

    @torch.inference_mode()
    def _fill(
        self, out: np.ndarray, pixels: np.ndarray, augment: Any = None, seed: int = 0
    ) -> None:
        def fill(size: int) -> None:
            torch.manual_seed(seed)
            inputs = Inputs(pixels, augment, self.task.device, np.random.default_rng(seed))
            for rows in np.array_split(np.arange(len(out)), max(1, -(-len(out) // size))):
                out[rows] = self.backbone(inputs(rows)).cpu().numpy()

        with torch.random.fork_rng():
            fitting(fill, BATCH)

    def _key(self) -> str:
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
            sorted(backbone.params.items()),
            origin,
            None if weights is None else weights.facts,
            registry.get("backbone", backbone.name).digest,
        )
        return _digest(facts)


def _digest(facts: Any) -> str:
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
