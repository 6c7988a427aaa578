"""Whether bfloat16 is faster here: measured, since some processors are slower in it for small models."""

from __future__ import annotations

import copy
import json
import math
import time
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

from automask.network import Network
from automask.store import written

WORTHWHILE = 1.05


def choose(network: Network, key: str, size: int, device: torch.device, file: Path) -> bool:
    """True where training steps of this network at `size` pixels are quicker under bfloat16.

    A processor's answer is kept in `file` by `key`, so that a study computes alike to its end; a
    GPU that has bfloat16 always uses it.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    if device.type != "cpu" or not _processor_has_bfloat16():
        return False
    key = f"{key} {size}px {torch.get_num_threads()} threads"
    with FileLock(file.with_name(f"{file.name}.lock")):
        known: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
        if key not in known:
            with torch.random.fork_rng():
                known[key] = _quicker(copy.deepcopy(network), size)
            with written(file) as beside:
                beside.write_text(json.dumps(known, indent=1))
    return known[key]


def _processor_has_bfloat16() -> bool:
    return torch.ops.mkldnn._is_mkldnn_bf16_supported() and (
        torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    )


def _quicker(network: Network, size: int) -> bool:
    """Does bfloat16 clearly win? By the quickest of a few steps each, taken in turn."""
    images = torch.randint(0, 256, (16, size, size, 3), dtype=torch.uint8)
    quickest = {False: math.inf, True: math.inf}
    for _ in range(5):
        for bfloat16 in quickest:
            begin = time.perf_counter()
            with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                network(images).float().square().mean().backward()
            quickest[bfloat16] = min(quickest[bfloat16], time.perf_counter() - begin)
            network.zero_grad()
    return quickest[True] * WORTHWHILE < quickest[False]
