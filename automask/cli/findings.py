"""What an audit found, as a user sees it: tables, and the pairs in a CSV."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from automask.diagnostics.audit import Finding
from automask.storage.files import atomic_write

if TYPE_CHECKING:
    from rich.console import Console


#: Pairs that a table shows.
SHOWN = 5
#: What the CSV tells of either image.
ROW = ("table", "id", "path", "label")


def show_findings(console: Console, findings: Sequence[Finding]) -> None:
    """Each finding with what to do, and the first of its pairs."""
    from rich.markup import escape
    from rich.table import Table

    if not findings:
        console.print("clean: no copies, no leak of labels and no undeclared group was found")
    for finding in findings:
        console.print(f"[bold]{escape(finding.title)}[/bold]: {escape(finding.sentence)}")
        console.print(f"  {finding.advice}", markup=False)
        if not finding.pairs:
            continue
        table = Table("one", "label", "other", "label", "how", "alike", box=None, pad_edge=False)
        for pair in finding.pairs[:SHOWN]:
            cells = []
            for row in (finding.rows[place] for place in pair["rows"]):
                cells += [f"{row['table']} {row['id']}", row.get("label", "")]
            told = [*cells, _how(pair), f"{pair['similarity']:.2f}"]
            table.add_row(*(escape(cell) for cell in told))
        console.print(table)
        if len(finding.pairs) > SHOWN:
            console.print(f"  and {len(finding.pairs) - SHOWN:,} more; --csv FILE writes all")


def write_pairs(file: Path, findings: Sequence[Finding]) -> int:
    """All pairs of all findings, a row each; how many there are."""
    places = [f"{name}_{which}" for which in ("a", "b") for name in ROW]
    count = 0
    with atomic_write(file) as beside, open(beside, "w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened)
        writer.writerow(["finding", *places, "how", "similarity"])
        for finding in findings:
            for pair in finding.pairs:
                cells = [
                    finding.rows[place].get(name, "") for place in pair["rows"] for name in ROW
                ]
                writer.writerow([finding.kind, *cells, _how(pair), pair["similarity"]])
                count += 1
    return count


def _how(pair: dict[str, object]) -> str:
    return "mirrored" if pair["mirrored"] else "exact" if pair["exact"] else "near"
