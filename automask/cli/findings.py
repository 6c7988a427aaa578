"""What an audit found, as a user sees it: tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from automask.api.data import how

if TYPE_CHECKING:
    from rich.console import Console

    from automask.api.data import Finding


#: Pairs that a table shows.
SHOWN = 5


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
            texts = [*cells, how(pair), f"{pair['similarity']:.2f}"]
            table.add_row(*(escape(cell) for cell in texts))
        console.print(table)
        if len(finding.pairs) > SHOWN:
            console.print(f"  and {len(finding.pairs) - SHOWN:,} more; --csv FILE writes all")
