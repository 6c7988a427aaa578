"""The first pass over the images against plain decoding of the same files."""

from __future__ import annotations

import shutil
import statistics
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from automask.machine import cores
from benchmarks import tasks
from benchmarks.measure import Figure, in_turn, ratio


def figures() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        return [
            against_plain_decoding(Path(folder), side, count, size)
            for side, count, size in ((640, 300, 224), (160, 1500, 160), (2000, 40, 224))
        ]


def against_plain_decoding(folder: Path, side: int, count: int, size: int) -> Figure:
    paths = tasks.draw(folder / f"images{side}", count, side)

    def first_pass() -> None:
        shutil.rmtree(folder / "cache", ignore_errors=True)
        tasks.task(paths, size, folder / "cache").images.at("pad", size)

    times = in_turn({"automask": first_pass, "plain": lambda: decode_all(paths)}, 5)
    speed = count / statistics.median(times["automask"])
    return ratio(
        f"first pass over plain decoding, {side} px files to {size} px",
        times["plain"],
        times["automask"],
        0.9,
        f"{speed:.0f} images/s",
    )


def decode_all(paths: list[Path]) -> None:
    def one(path: Path) -> None:
        with Image.open(path) as file:
            np.asarray(file.convert("RGB"))

    with ThreadPoolExecutor(cores()) as pool:
        list(pool.map(one, paths))
