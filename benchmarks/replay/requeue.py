"""`python -m benchmarks.replay.requeue`: put what a search tries first today into the packed tables.

The recipes drawn for a table stay; what was queued before gives way. New ones that the table holds
already aren't trained again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pyarrow.parquet as parquet

from automask.machine import setup_process
from benchmarks.replay import pack, record, tasks
from benchmarks.replay.table import ARRAYS, FOLDER, SCRATCH, TASKS, Table, load


def held(table: Table, row: int) -> pack.Recipe:
    """A row of the table as it was recorded."""
    facts = {
        "recipe": table.recipes[row].to_json(),
        "origin": "drawn" if table.drawn[row] else "queue",
        "at_once": bool(table.at_once[row]),
        "value": float(table.value[row]),
    }
    return facts, {key: getattr(table, key)[row] for key in ARRAYS}


def requeue(name: str, scratch: Path, folder: Path) -> list[str]:
    """Record the task's queue into its table; a line a recipe."""
    file = folder / f"{name}.parquet"
    table, facts = load(name, folder), json.loads(parquet.read_schema(file).metadata[b"task"])
    task = record.prepared(name, scratch)
    queued, known = [], {recipe.hash: row for row, recipe in enumerate(table.recipes)}
    told = []
    for recipe in tasks.queued(task, table.space):
        beside = scratch / name / f"queue-{recipe.hash}.npz"
        if recipe.hash in known and not table.drawn[known[recipe.hash]]:
            queued.append(held(table, known[recipe.hash]))
        else:
            if not beside.exists():
                record.save(task, recipe, "queue", beside)
            queued.append(pack.read(beside))
        told.append(f"{name}: {queued[-1][0]['value']:.4f} {recipe.describe()}")
    drawn = [held(table, row) for row in range(len(table)) if table.drawn[row]]
    facts["wanted"] += len(queued) + len(drawn) - len(table)
    pack.write(file, [*(one for one in queued if not one[0].get("reason")), *drawn], facts)
    return told


def main() -> None:
    parser = argparse.ArgumentParser("benchmarks.replay.requeue", description=__doc__)
    parser.add_argument("--folder", type=Path, default=SCRATCH, help="where recipes are kept")
    asked = parser.parse_args()
    setup_process(threads=1)
    for name in TASKS:
        print("\n".join(requeue(name, asked.folder, FOLDER)), flush=True)


if __name__ == "__main__":
    main()
