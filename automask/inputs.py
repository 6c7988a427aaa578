"""Pixels on their way into the network: gathered, moved to the device, augmented."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from automask.epochs import read_rows

#: Pinned buffers in turn: one is filled while another is on its way to the GPU.
BUFFERS = 3


class Inputs:
    """Batches `[B, S, S, 3]` of a uint8 table of pixels, on the device, by row numbers.

    `augment` is an augmentation plugin's transform or None. What works on one image runs on the
    processor, what works on batches on the device. All of it happens when a batch is asked for: beside
    a processor that trains there is no idle time to prepare the next one in, and a GPU still works on
    the last.
    """

    def __init__(
        self, pixels: np.ndarray, augment: Any, device: torch.device, rng: np.random.Generator
    ) -> None:
        self.pixels, self.augment, self.device, self.rng = pixels, augment, device, rng
        self.by_image = hasattr(augment, "set_random_seed")
        self.ring = _Ring(device) if device.type == "cuda" else None

    def __call__(
        self,
        rows: np.ndarray,
        partners: np.ndarray | None = None,
        weights: np.ndarray | None = None,
    ) -> Tensor:
        pixels = read_rows(self.pixels, rows, partners, weights)
        if self.by_image:
            self.augment.set_random_seed(int(self.rng.integers(2**31)))
            pixels = np.stack([self.augment(image=image)["image"] for image in pixels])
        images = torch.from_numpy(pixels)
        images = images.to(self.device) if self.ring is None else self.ring(images)
        if self.augment is not None and not self.by_image:
            images = self.augment(images.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return images


class _Ring:
    """Pinned buffers through which batches reach a GPU without anybody waiting for the copy."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.turn = device, 0
        self.buffers: list[Tensor | None] = [None] * BUFFERS
        self.copied = [torch.cuda.Event() for _ in range(BUFFERS)]

    def __call__(self, batch: Tensor) -> Tensor:
        self.turn = (self.turn + 1) % BUFFERS
        self.copied[self.turn].synchronize()
        buffer = self.buffers[self.turn]
        if buffer is None or buffer.numel() < batch.numel():
            buffer = self.buffers[self.turn] = torch.empty(
                batch.numel(), dtype=batch.dtype
            ).pin_memory()
        part = buffer[: batch.numel()].view(batch.shape).copy_(batch)
        there = part.to(self.device, non_blocking=True)
        self.copied[self.turn].record()
        return there
