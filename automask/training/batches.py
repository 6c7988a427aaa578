"""The batches of an epoch: rows as a sampling draws them, their pixels on the way into the network.

Pixels are gathered, moved to the device and augmented there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from automask.space.protocols import ImageTransform
from automask.space.recipe import Recipe
from automask.training.task import call_plugin


class Table(Protocol):
    """Rows by their numbers: an array, or one a fold."""

    def __getitem__(self, rows: np.ndarray) -> np.ndarray: ...


class EpochRows(NamedTuple):
    """Rows in order; with `partners`, row i is the point at `weights[i]` on the way to its partner."""

    rows: np.ndarray
    partners: np.ndarray | None = None
    weights: np.ndarray | None = None

    def at(self, places: np.ndarray | int) -> EpochRows:
        """Those at some places of the order."""
        if self.partners is None or self.weights is None:
            return EpochRows(self.rows[places])
        return EpochRows(self.rows[places], self.partners[places], self.weights[places])

    def renumber(self, table: np.ndarray) -> EpochRows:
        """The same by row numbers of a larger table, `table[i]` being that of row i."""
        partners = None if self.partners is None else table[self.partners]
        return EpochRows(table[self.rows], partners, self.weights)


def draw_epoch(
    recipe: Recipe,
    labels: np.ndarray,
    features: Callable[[], np.ndarray],
    rng: np.random.Generator,
) -> EpochRows:
    """An epoch of a training part by the recipe's sampling."""
    drawn = call_plugin(recipe, "sampling", labels, features, rng)
    return EpochRows(*drawn) if isinstance(drawn, tuple) else EpochRows(np.asarray(drawn))


def stack_epochs(folds: Sequence[EpochRows]) -> EpochRows:
    """Several folds' rows `[steps, B]` as one, `[steps, folds, B]`."""
    if all(fold.partners is None for fold in folds):
        return EpochRows(np.stack([fold.rows for fold in folds], axis=1))
    whole = [
        fold
        if fold.partners is not None
        else EpochRows(fold.rows, fold.rows, np.zeros(fold.rows.shape))
        for fold in folds
    ]
    return EpochRows(*(np.stack(parts, axis=1) for parts in zip(*whole, strict=True)))


def read_rows(
    table: Table,
    rows: np.ndarray,
    partners: np.ndarray | None = None,
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """Rows of pixels or features in the table's type, blended with their partners by weight."""
    values = table[rows]
    if partners is None or weights is None:
        return values
    own = values.astype(np.float32)
    wide = weights.astype(np.float32).reshape(*weights.shape, *[1] * (own.ndim - weights.ndim))
    blended = own + wide * (table[partners] - own)
    return blended if values.dtype.kind == "f" else np.rint(blended).astype(values.dtype)


#: Of a GPU's free memory, what a table of pixels may take, and its rows that go there at once.
SHARE, ROWS = 1 / 8, 128


class Inputs:
    """Batches `[B, S, S, 3]` of a uint8 table of pixels, on the device, by row numbers.

    `augment` is an augmentation plugin's transform or None. What works on one image runs on the
    processor, what works on batches on the device. All of it happens when a batch is asked for: beside
    a processor that trains there is no idle time to prepare the next one in, and a GPU still works on
    the last. `table` are the same pixels on the device, if they are there.
    """

    def __init__(
        self,
        pixels: np.ndarray,
        augment: Any,
        device: torch.device,
        rng: np.random.Generator,
        table: Tensor | None = None,
    ) -> None:
        self.pixels, self.augment, self.device, self.rng = pixels, augment, device, rng
        self.by_image = isinstance(augment, ImageTransform)
        self.table = table

    def __call__(
        self,
        rows: np.ndarray,
        partners: np.ndarray | None = None,
        weights: np.ndarray | None = None,
    ) -> Tensor:
        if self.table is None or self.by_image or partners is not None:
            images = to_device(self._read(rows, partners, weights), self.device)
        else:
            images = self.table[to_device(rows, self.device)]
        if self.augment is not None and not self.by_image:
            images = self.augment(images.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return images

    def _read(
        self, rows: np.ndarray, partners: np.ndarray | None, weights: np.ndarray | None
    ) -> np.ndarray:
        pixels = read_rows(self.pixels, rows, partners, weights)
        if not self.by_image:
            return pixels
        self.augment.set_random_seed(int(self.rng.integers(2**31)))
        return np.stack([self.augment(image=image)["image"] for image in pixels])


def resident(pixels: np.ndarray, device: torch.device) -> Tensor | None:
    """The table in the memory of a GPU that has plenty, else None.

    Every epoch would gather it anew, on a processor that hardly finds the time to start a small
    network's kernels.
    """
    if device.type != "cuda" or pixels.nbytes > SHARE * torch.cuda.mem_get_info(device)[0]:
        return None
    table = torch.empty(pixels.shape, dtype=torch.uint8, device=device)
    for begin in range(0, len(pixels), ROWS):
        part = np.array(pixels[begin : begin + ROWS])
        table[begin : begin + ROWS] = to_device(part, device)
    return table


def to_device(values: np.ndarray | Tensor, device: torch.device) -> Tensor:
    """The values there; to a GPU through pinned memory, so that nobody waits for its work."""
    tensor = torch.as_tensor(values)
    if device.type == "cuda" and not tensor.is_cuda:
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
