"""TODO kept."""

from __future__ import annotations

import math
from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from automask.report.archive import KEPT, correlations, differences


def show_submissions(console: Console) -> None:
    """Print those kept, how far CV and leaderboard agree, and which differs most from the newest."""
    names = KEPT.names()
    if not names:
        console.print("no submission is kept yet: automask submit FILE")
        return
    kept = [KEPT.facts(name) for name in names]
    *before, newest = names
    shares = differences(newest, before)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("name", "date", "metric"):
        table.add_column(column)
    for column in ("CV (nested)", "leaderboard", f"differs from {newest}"):
        table.add_column(column, justify="right")
    for facts in kept:
        date = datetime.fromisoformat(facts["date"]).astimezone()
        share = shares.get(facts["name"])
        table.add_row(
            Text(facts["name"]),
            f"{date:%Y-%m-%d %H:%M}",
            Text(facts["metric"] or ""),
            f"{facts['cv']['nested']['value']:.4f}" if facts["cv"] else "unknown",
            "" if facts["leaderboard"] is None else f"{facts['leaderboard']:g}",
            "" if share is None else f"{share:.1%}",
        )
    console.print(table)
    for metric, (value, pairs) in correlations(kept).items():
        told = f"{value:.2f}" if math.isfinite(value) else "none, all of one side are equal"
        console.print(
            f"CV ({metric}) and leaderboard: Spearman's correlation {told}, of {pairs} pairs",
            markup=False,
        )
    known = {name: share for name, share in shares.items() if share is not None}
    if known:
        most = max(known, key=lambda name: known[name])
        console.print(f"{newest} differs most from {most}: in {known[most]:.1%} of the rows")
