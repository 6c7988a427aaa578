"""Decoding and training, timed, and held to what the processor should do."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from automask import machine
from automask.health.check import MEND, NOTE, Check
from automask.listener import progress

#: Images of 640 by 480 pixels a second and core below which a decoder is told of.
SLOW_DECODING = 60
#: What the default space begins with.
MODEL, EDGE, BATCH = "resnet18", 96, 16
SECONDS, ROUNDS = 10.0, 5
#: A backward pass is about two forward ones.
TRAINED = 3
#: The share of the speed of plain matrix products that a training step of that network reaches on a
#: processor that has nothing else to do, and the share of what is expected that is still well.
REACHED, ENOUGH = 0.7, 0.5


def decoding_check() -> Check:
    """How many images of 640 by 480 pixels are decoded a second, by all cores."""
    from PIL import Image

    from automask.data.decoding import decode

    cores, rng = machine.cores(), np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8))
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(cores) as pool:
        file = Path(folder, "image.jpg")
        small.resize((640, 480), Image.Resampling.BICUBIC).save(file, quality=90)
        decode(file, 224)
        begin, count = time.perf_counter(), 0
        while time.perf_counter() - begin < 1:
            count += len(list(pool.map(lambda _: decode(file, 224), range(4 * cores))))
        speed = count / (time.perf_counter() - begin)
    slow = speed < SLOW_DECODING * cores
    return Check(
        "decoding",
        f"{speed:,.0f} images/s of 640 × 480 pixels",
        NOTE if slow else "ok",
        "slow; images are decoded once a study, and cached" if slow else "",
    )


def training_check(device: str = "auto", seconds: float = SECONDS) -> Check:
    """A training of so many seconds against what plain matrix products of the processor promise.

    The products are timed by the processor's clock, so that other work on the machine doesn't lower what
    is expected; the training is timed by the wall's.
    """
    import torch

    place = machine.device(device)
    with machine.restored():
        machine.setup_process()
        step, gflop = _training_step(place)
        step()
        speeds, products, shares = [], [], []
        for done in range(ROUNDS):
            products.append(_product_speed())
            wall, processor, count = _timed(step, seconds / ROUNDS - 0.2)
            speeds.append(count * BATCH / wall)
            shares.append(processor / wall / torch.get_num_threads())
            progress("training for ten seconds", done + 1, ROUNDS)
    speed = statistics.median(speeds)
    expected = REACHED * statistics.median(products) * machine.cores() / (TRAINED * gflop)
    value = f"{MODEL} at {EDGE} pixels: {speed:,.0f} images/s on {place.type}"
    if place.type != "cpu":
        slow = speed < expected
        advice = f"its processor should do {expected:,.0f} images/s: look at what else it does"
        return Check("training", value, *((MEND, advice) if slow else ()))
    value += f", about {expected:,.0f} expected"
    if speed >= ENOUGH * expected:
        return Check("training", value)
    share = statistics.median(shares)
    advice = (
        f"it got {share:.0%} of the cores: end other work, or give the container a larger share"
        if share < ENOUGH
        else "the cores were its own: is torch built for this processor (pip, not a distribution)?"
    )
    return Check("training", value, MEND, advice)


def _training_step(place: Any) -> tuple[Callable[[], None], float]:
    """A step of training on a batch that lies in memory, and GFLOP of one image's forward pass."""
    import timm
    import torch
    from torch import nn
    from torch.utils.flop_counter import FlopCounterMode

    with torch.random.fork_rng():
        network = timm.create_model(MODEL, num_classes=10).to(place)
        network = network.to(memory_format=torch.channels_last)
        images = torch.randn(BATCH, 3, EDGE, EDGE).to(place, memory_format=torch.channels_last)
        labels = torch.randint(0, 10, (BATCH,)).to(place)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network.eval()(images[:1])
    network.train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)

    def step() -> None:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(images), labels)
        loss.backward()
        optimizer.step()
        # Waits for a GPU, which else would only be handed its work.
        loss.item()

    return step, counter.get_total_flops() / 1e9


def _product_speed() -> float:
    """GFLOP a second of one core's own time in products of matrices."""
    import torch

    threads, matrix = torch.get_num_threads(), torch.ones(512, 512)
    torch.set_num_threads(1)
    try:
        _, processor, count = _timed(lambda: matrix @ matrix, 0.2)
    finally:
        torch.set_num_threads(threads)
    return 2 * 512**3 * count / 1e9 / processor


def _timed(work: Callable[[], object], seconds: float) -> tuple[float, float, int]:
    """Seconds on the wall's clock and on the processor's, and how often `work` was done in them."""
    begin, used, count = time.perf_counter(), time.process_time(), 0
    while count == 0 or time.perf_counter() - begin < seconds:
        work()
        count += 1
    return time.perf_counter() - begin, max(time.process_time() - used, 1e-9), count
