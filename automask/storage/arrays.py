"""Numpy arrays in files: written whole or not at all, opened as memory maps."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from automask.storage.disk import DiskBudget


def write_array(
    file: Path, shape: tuple[int, ...], dtype: Any, fill: Callable[[Any], None], room: DiskBudget
) -> None:
    """Make a `.npy` file by `fill(array)`, written beside and then renamed.

    Of several processes that want it one makes it and the others wait. Raises `DiskError` where there
    is no room, and `OSError` where the disk is full, before anything is written.
    """
    facts = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, facts)
    begin, size = header.tell(), math.prod(shape) * np.dtype(dtype).itemsize
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(file.with_name(f"{file.name}.lock")):
        if file.exists():
            return
        with room.write(file, begin + size) as opened:
            opened.write(header.getvalue())
            opened.flush()
            array = np.memmap(opened, dtype, "r+", begin, shape)
            fill(array)
            array.flush()


def open_array(file: Path, room: DiskBudget) -> np.ndarray | None:
    """The array of a `.npy` file as a map, which keeps it from being removed; None if it is gone."""
    with room.read(file) as opened:
        if opened is None:
            return None
        # The map keeps a duplicate of the descriptor, and with it the lock.
        np.lib.format.read_magic(opened)
        shape, _, dtype = np.lib.format.read_array_header_1_0(opened)
        return np.memmap(opened, dtype, "r", opened.tell(), shape)
