"""`python -m benchmarks.replay`: replay every strategy on the tables here, and tell how they did.

Writes results.json beside this file, docs/replay.md and docs/replay.png. `--seeds 10` is quicker.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.replay import figures, report
from benchmarks.replay.searching import Run, Strategy, replay, warm_rows
from benchmarks.replay.strategies import COMPARED, PRUNERS, SAMPLERS
from benchmarks.replay.table import FOLDER, TASKS, Table, load

DOCS = FOLDER.parents[1] / "docs"
#: Recipes, of fewer of which nothing can be said.
LEAST = 20


def runs(
    table: Table, strategies: Sequence[Strategy], seeds: int, others: Sequence[Table]
) -> dict[str, list[Run]]:
    """What every strategy finds; warm ones know the other tables."""
    found: dict[str, list[Run]] = {}
    portfolio = warm_rows(table, others) if others else []
    for strategy in strategies:
        if strategy.name not in found:
            begin = time.perf_counter()
            # Of more than half of a table anybody finds the best.
            trials = min(figures.TRIALS, len(table) // 2)
            count = min(seeds, strategy.seeds or seeds)
            warm = portfolio if strategy.warm else ()
            found[strategy.name] = [replay(table, strategy, s, trials, warm) for s in range(count)]
            each = (time.perf_counter() - begin) / count
            print(f"{table.name}: {strategy.name}, {each:.2f} s a search", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser("benchmarks.replay", description=__doc__)
    parser.add_argument("--seeds", type=int, default=50, help="how often each strategy searches")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the tables are")
    asked = parser.parse_args()
    tables = []
    for name in TASKS:
        if not (asked.folder / f"{name}.parquet").exists():
            print(f"{name}: nothing is packed yet; run python -m benchmarks.replay.pack")
            continue
        table = load(name, asked.folder)
        if len(table) < table.wanted - table.failed:
            print(f"{name}: {len(table) + table.failed} of {table.wanted} recipes are recorded")
        if len(table) < LEAST:
            print(
                f"{name}: left out, as {len(table)} recipes say nothing; {LEAST} would say a little"
            )
            continue
        tables.append(table)
    found = []
    for table in tables:
        others = [other for other in tables if other is not table]
        found.append((table, runs(table, (*COMPARED, *SAMPLERS, *PRUNERS), asked.seeds, others)))
    if found:
        values = report.results(found)
        (FOLDER / "results.json").write_text(json.dumps(values, indent=1) + "\n")
        report.draw(found, DOCS / "replay.png")
        report.fill(DOCS / "replay.md", report.text(found, asked.seeds))


if __name__ == "__main__":
    main()
