"""Batches that fit the memory, found by running out of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

T = TypeVar("T")


def out_of_memory(error: BaseException) -> bool:
    """Was it memory that didn't suffice? Of a processor's, torch says so by its words alone."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def run_halving(run: Callable[[int], T], size: int) -> tuple[T, int]:
    """`run(size)`, with half the size as often as memory doesn't suffice, and the size that did.

    Raises what `run` raised where not even 1 fits.
    """
    while True:
        try:
            return run(size), size
        except Exception as error:
            if size <= 1 or not out_of_memory(error):
                raise
        # Only here are the error and the tensors that its frames held gone.
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        size = -(-size // 2)
