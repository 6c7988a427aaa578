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
from automask.network import Network, build_backbone
from automask.recipe import Recipe
from automask.task import Task

#: How many augmented views of the train rows stand in for endless ones.
VIEWS = 4

BATCH = 128


def is_image_transform(transform: object) -> bool:
    """Is it an albumentations transform, which takes one image, rather than one of batches?"""
    return hasattr(transform, "set_random_seed")


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
        return self.backbone.backbone.stages  # type: ignore[return-value]

    @property
    def D(self) -> int:
        return int(self.backbone.backbone.D)  # type: ignore[arg-type]

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

    @torch.inference_mode()
    def _fill(
        self, out: np.ndarray, pixels: np.ndarray, augment: Any = None, seed: int = 0
    ) -> None:
        by_image = is_image_transform(augment)
        if by_image:
            augment.set_random_seed(seed)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            for begin in range(0, len(out), BATCH):
                part = pixels[begin : min(begin + BATCH, len(out))]
                if by_image:
                    part = np.stack([augment(image=image)["image"] for image in part])
                images = torch.from_numpy(np.array(part)).to(self.task.device)
                if augment is not None and not by_image:
                    images = augment(images.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
                out[begin : begin + len(part)] = self.backbone(images).cpu().numpy()

    def _key(self) -> str:
        training, backbone = self.recipe.training, self.recipe["backbone"]
        weights = self.task.weights.get(backbone.params.get("model", ""))
        origin: Any = training["pretrained"] or self.task.seed
        if training["pretrained"] and weights is not None:
            origin = weights.digest
        facts = (
            self.task.images.key,
            self.recipe["resize"].name,
            training["image_size"],
            backbone.name,
            sorted(backbone.params.items()),
            origin,
            None if weights is None else weights.facts,
            self.task.images.largest,
            registry.get("resize", self.recipe["resize"].name).digest,
            registry.get("backbone", backbone.name).digest,
        )
        return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
