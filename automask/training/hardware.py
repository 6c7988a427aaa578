"""What the machine can do: batches that fit its memory, and the number format of training steps.

Memory is found out by running out of it. A GPU trains in what it multiplies fastest; of a processor
bfloat16 is tried by the clock, since some are slower in it for small models.
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

from automask.storage.json_cache import get, get_or_compute, put

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


class MicroBatch:
    """How many `rows` are computed at once: `most`, or as many as memory holds.

    What it held is kept in `file` by `key`; `halved` says that it was less.
    """

    def __init__(self, file: Path, key: str, most: int) -> None:
        self.file, self.key = file, key
        self.rows = min(most, get(file, key, most))
        self.halved = self.rows < most

    def fit(self, run: Callable[[int], T], rows: int) -> T:
        """`run` of a batch of `rows` by micro-batches of the size that it is given."""
        size = min(self.rows, rows)
        result, fitted = run_halving(run, size)
        if fitted < size:
            self.rows, self.halved = fitted, True
            put(self.file, self.key, fitted)
        return result


WORTHWHILE = 1.05
#: Images in a step that is timed, or fewer where memory doesn't hold so many.
BATCH = 16


def choose_precision(
    network: nn.Module, key: str, size: int, device: torch.device, file: Path
) -> torch.dtype:
    """The quickest format for training steps of this network at `size` pixels.

    A processor's answer is kept in `file` by `key`, so that a study computes alike to its end.
    """
    if device.type == "cuda":
        return gpu_precision(*torch.cuda.get_device_capability(device))
    if device.type != "cpu" or emulated(device):
        return torch.float32
    key = f"{key} {size}px {torch.get_num_threads()} threads"
    quicker = get_or_compute(
        file, key, lambda: run_halving(lambda rows: _quicker(network, size, rows), BATCH)[0]
    )
    return torch.bfloat16 if quicker else torch.float32


def gpu_precision(major: int, minor: int) -> torch.dtype:
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
        return gpu_precision(*torch.cuda.get_device_capability(device)) != torch.bfloat16
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
