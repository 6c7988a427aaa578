"""`python -m benchmarks.replay.pack`: what is recorded so far, a file a task beside this one."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from automask.storage.files import atomic_write
from benchmarks.replay.table import ARRAYS, FOLDER, SCRATCH, TASKS


def pack(name: str, scratch: Path, folder: Path) -> tuple[int, int]:
    """Write the task's table; how many recipes it holds, and how many are wanted."""
    told = json.loads((scratch / name / "task.json").read_text())
    found = [read(file) for file in sorted((scratch / name).glob("*.npz"))]
    whole = [(facts, arrays) for facts, arrays in found if not facts["reason"]]
    # A table without rows has no shapes either.
    if not whole:
        return 0, len(told["recipes"])
    facts = {key: told[key] for key in ("space", "metric", "labels", "folds", "groups")}
    facts |= {"wanted": len(told["recipes"]), "failed": len(found) - len(whole)}
    write(folder / f"{name}.parquet", whole, facts)
    return len(whole), len(told["recipes"])


Recipe = tuple[dict[str, Any], dict[str, np.ndarray]]


def write(file: Path, recipes: Sequence[Recipe], facts: dict[str, Any]) -> None:
    """A table of recipes, each as its facts and arrays, and what holds for all of them."""
    epochs = max(arrays["score"].shape[1] for _, arrays in recipes)
    columns: dict[str, Any] = {
        "recipe": [own["recipe"] for own, _ in recipes],
        "drawn": [own["origin"] == "drawn" for own, _ in recipes],
        "at_once": [own["at_once"] for own, _ in recipes],
        "value": [own["value"] for own, _ in recipes],
    }
    for key in ARRAYS:
        width = None if key == "probability" else epochs
        rows = [_padded(arrays[key], width) for _, arrays in recipes]
        columns[key] = pa.array(rows, pa.list_(pa.from_numpy_dtype(rows[0].dtype)))
    table = pa.table(columns).replace_schema_metadata({"task": json.dumps(facts)})
    with atomic_write(file) as beside:
        parquet.write_table(table, beside, compression="zstd")


def read(file: Path) -> Recipe:
    """A recorded recipe's facts and arrays."""
    with np.load(file) as arrays:
        return json.loads(str(arrays["facts"])), {key: arrays[key] for key in ARRAYS}


def _padded(array: np.ndarray, width: int | None) -> np.ndarray:
    """Flat, with not-a-number up to so many columns."""
    if width is not None:
        array = np.pad(array, ((0, 0), (0, width - array.shape[1])), constant_values=np.nan)
    return array.ravel()


def main() -> None:
    parser = argparse.ArgumentParser("benchmarks.replay.pack", description=__doc__)
    parser.add_argument("--folder", type=Path, default=SCRATCH, help="where recipes were kept")
    asked = parser.parse_args()
    for name in TASKS:
        if (asked.folder / name / "task.json").exists():
            whole, wanted = pack(name, asked.folder, FOLDER)
            size = (FOLDER / f"{name}.parquet").stat().st_size if whole else 0
            print(f"{name}: {whole} of {wanted} recipes, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
