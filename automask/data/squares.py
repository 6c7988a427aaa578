"""Images as rows of a table that is kept nowhere: they are decoded when they are read."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import numpy as np

from automask.machine import cores, one_thread_an_image


class Squares:
    """uint8 `[N, size, size, 3]` of which `read(i)` makes row i; several threads read several rows.

    It is asked for rows as an array is, by a number, a slice or an array of numbers.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, count: int, size: int, read: Callable[[int], np.ndarray]) -> None:
        self.shape, self.read = (count, size, size, 3), read

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape))

    def __getitem__(self, rows: Any) -> np.ndarray:
        numbers = np.arange(len(self))[rows]
        flat = numbers.reshape(-1).tolist()
        out = np.empty((len(flat), *self.shape[1:]), np.uint8)

        def fill(place: int) -> None:
            out[place] = self.read(flat[place])

        with one_thread_an_image():
            list(self._pool.map(fill, range(len(flat))))
        return out.reshape(*numbers.shape, *self.shape[1:])

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(cores())
