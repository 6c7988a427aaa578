"""`python -m benchmarks.replay`: replay every strategy on the tables here, and tell how they did.

Writes results.json beside this file, docs/replay.md and docs/replay.png. `--seeds 10` is quicker.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

from benchmarks.replay import figures, report
from benchmarks.replay.searching import Run, replay, warm_rows
from benchmarks.replay.strategies import COMPARED, PRUNERS, SAMPLERS
from benchmarks.replay.table import FOLDER, TASKS, Table, load

DOCS = FOLDER.parents[1] / "docs"
#: Recipes, of fewer of which nothing can be said.
LEAST = 20


#: Every strategy once, though it is in several lists.
STRATEGIES = {strategy.name: strategy for strategy in (*COMPARED, *SAMPLERS, *PRUNERS)}


@cache
def tables(folder: Path) -> tuple[Table, ...]:
    """The packed tables that say something."""
    found = []
    for name in TASKS:
        if not (folder / f"{name}.parquet").exists():
            print(f"{name}: nothing is packed yet; run python -m benchmarks.replay.pack")
            continue
        table = load(name, folder)
        if len(table) < table.wanted - table.failed:
            print(f"{name}: {len(table) + table.failed} of {table.wanted} recipes are recorded")
        if len(table) < LEAST:
            print(
                f"{name}: left out, as {len(table)} recipes say nothing; {LEAST} would say a little"
            )
            continue
        found.append(table)
    return tuple(found)


@cache
def portfolio(folder: Path, index: int) -> list[int]:
    """Rows of a table that are nearest to what did well in the others."""
    others = [table for at, table in enumerate(tables(folder)) if at != index]
    return warm_rows(tables(folder)[index], others) if others else []


def searched(folder: Path, index: int, name: str, seed: int) -> Run:
    """What a strategy finds in a table; of more than half of a table anybody finds the best."""
    table, strategy = tables(folder)[index], STRATEGIES[name]
    warm = portfolio(folder, index) if strategy.warm else ()
    return replay(table, strategy, seed, min(figures.TRIALS, len(table) // 2), warm)


def main() -> None:
    parser = argparse.ArgumentParser("benchmarks.replay", description=__doc__)
    parser.add_argument("--seeds", type=int, default=50, help="how often each strategy searches")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the tables are")
    asked = parser.parse_args()
    known, found = tables(asked.folder), []
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for index, table in enumerate(known):
            runs: dict[str, list[Run]] = {}
            for name, strategy in STRATEGIES.items():
                seeds = range(min(asked.seeds, strategy.seeds or asked.seeds))
                one = partial(searched, asked.folder, index, name)
                runs[name] = list(pool.map(one, seeds))
                print(f"{time.strftime('%H:%M:%S')} {table.name}: {name}", flush=True)
            found.append((table, runs))
    if found:
        values = report.results(found)
        (FOLDER / "results.json").write_text(json.dumps(values, indent=1) + "\n")
        report.draw(found, DOCS / "replay.png")
        report.fill(DOCS / "replay.md", report.text(found, asked.seeds))


if __name__ == "__main__":
    main()
