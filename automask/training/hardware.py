"""Batches that fit the memory, found by running out of it.

The number format of training steps: by what a GPU has, measured on a processor.

Some processors are slower in bfloat16 for small models.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from automask.storage.json_cache import get_or_compute

T = TypeVar("T")
#: How torch says of a processor, and libraries of a GPU, that there is no memory.
WORDS = ("can't allocate memory", "_STATUS_ALLOC_FAILED", "CUDA error: out of memory")


def out_of_memory(error: BaseException) -> bool:
    """Was it memory that didn't suffice? There isn't an error of its own for all of it."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in WORDS)


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


WORTHWHILE = 1.05
#: Images in a step that is timed, or fewer where memory doesn't hold so many.
BATCH = 16


def choose(
    network: nn.Module, key: str, size: int, device: torch.device, file: Path
) -> torch.dtype:
    """The quickest format for training steps of this network at `size` pixels.

    A processor's answer is kept in `file` by `key`, so that a study computes alike to its end.
    """
    if device.type == "cuda":
        return of_gpu(*torch.cuda.get_device_capability(device))
    if device.type != "cpu" or emulated(device):
        return torch.float32
    key = f"{key} {size}px {torch.get_num_threads()} threads"
    quicker = get_or_compute(
        file, key, lambda: run_halving(lambda rows: _quicker(network, size, rows), BATCH)[0]
    )
    return torch.bfloat16 if quicker else torch.float32


def of_gpu(major: int, minor: int) -> torch.dtype:
    """The format that a GPU of that compute capability multiplies fastest.

    Before 8.0 torch emulates bfloat16, slowly. float16 is fast on 6.0 (P100) and from 7.0 (V100, T4)
    on; the others of generation 6 have it at a 64th of their speed (CUDA C++ Programming Guide,
    arithmetic instructions).
    """
    if major >= 8:
        return torch.bfloat16
    return torch.float16 if major == 7 or (major, minor) == (6, 0) else torch.float32


def emulated(device: torch.device) -> bool:
    """Does it lack bfloat16, in which it then computes far more slowly?"""
    if device.type == "cuda":
        return of_gpu(*torch.cuda.get_device_capability(device)) != torch.bfloat16
    return device.type == "cpu" and not (
        torch.ops.mkldnn._is_mkldnn_bf16_supported()
        and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    )


def _quicker(network: nn.Module, size: int, rows: int) -> bool:
    """Does bfloat16 clearly win? By the quickest of a few steps each, taken in turn."""
    network = copy.deepcopy(network)
    quickest = {False: math.inf, True: math.inf}
    with torch.random.fork_rng():
        images = torch.randint(0, 256, (rows, size, size, 3), dtype=torch.uint8)
        for _ in range(5):
            for bfloat16 in quickest:
                begin = time.perf_counter()
                with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                    network(images).float().square().mean().backward()
                quickest[bfloat16] = min(quickest[bfloat16], time.perf_counter() - begin)
                network.zero_grad()
    return quickest[True] * WORTHWHILE < quickest[False]
