"""TODO comparing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from automask.report.comparison import FLOWS, Comparison, by_class, by_confidence, flows


def show_comparison(compared: Comparison, names: Sequence[str], console: Console) -> None:
    """Print what differs, as tables."""
    a, b = compared.classes.rows
    differs, count = compared.differs, len(compared.differs)
    console.print(f"A  {names[0]}\nB  {names[1]}", markup=False)
    console.print(f"{_share(differs.sum(), count)} of {count:,} rows differ")
    if not differs.any():
        return
    if len(compared.form.attributes) > 1:
        _print("by attribute", _attributes(compared), console)
    table = _table("class", "A", "B", "both", "only A", "only B")
    for label, (in_a, in_b, both) in enumerate(
        by_class(a, b, len(compared.classes.cells)).tolist()
    ):
        if in_a or in_b:
            only = (in_a - both or "", in_b - both or "")
            table.add_row(Text(compared.describe(label)), *map(str, (in_a, in_b, both, *only)))
    _print("by class", table, console)
    found = flows(a, b)
    table = _table("A → B", "rows")
    for source, target, rows in found[:FLOWS]:
        flow = f"{compared.describe(source)} → {compared.describe(target)}"
        table.add_row(Text(flow), str(rows))
    if rest := found[FLOWS:]:
        table.add_row(f"{len(rest)} others", str(sum(rows for *_, rows in rest)), style="dim")
    _print("from class to class", table, console)


def show_confidence(compared: Comparison, table: np.ndarray, source: str, console: Console) -> None:
    """Print how often the files differ where the study's probabilities `[N, K]` are sure or unsure."""
    shown = _table("confidence", "rows", "differ", "share")
    for low, high, rows, differ in by_confidence(compared.differs, table.max(1)):
        share = f"{differ / rows:.1%}"
        shown.add_row(f"{high:.2f} to {low:.2f}", str(rows), str(differ), share)
    _print(f"by confidence of {source}", shown, console)


def _attributes(compared: Comparison) -> Table:
    a, b = compared.classes.rows
    table = _table("attribute", "rows", "share")
    table.add_column("most often", justify="left")
    for index, name in enumerate(compared.form.attributes):
        values, texts = pd.factorize(compared.parts[:, index])
        found = flows(values[a], values[b])
        rows = sum(count for *_, count in found)
        often = ", ".join(f"{texts[s]} → {texts[t]} ({count})" for s, t, count in found[:3])
        table.add_row(Text(name), str(rows), f"{rows / len(a):.1%}", Text(often))
    return table


def _share(part: int, whole: int) -> str:
    return f"{part:,} ({part / whole:.1%})"


def _table(first: str, *numbers: str) -> Table:
    """A table whose first column is text and whose others are numbers."""
    table = Table(header_style="dim", box=None, pad_edge=False)
    table.add_column(first)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _print(title: str, table: Table, console: Console) -> None:
    console.print()
    console.print(Text(title, "bold"))
    console.print(table)
