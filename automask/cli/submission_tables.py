"""Submissions and comparisons as tables in the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

    from automask.api.submissions import ComparisonResult
    from automask.report.archive import Submissions
    from automask.report.comparison import Band, Comparison
    from automask.report.expected_gain import ExpectedGain

FLOWS = 20  # how many flows are printed before the rest is counted


def show_comparison(result: ComparisonResult, console: Console) -> None:
    """Print what differs, how sure a study is of it, and what is to be gained."""
    console.print(f"A  {result.names[0]}\nB  {result.names[1]}", markup=False)
    share = f"{result.differ:,} ({result.differ / result.rows:.1%})"
    console.print(f"{share} of {result.rows:,} rows differ")
    if result.comparison.distances:
        _show_distances(result.comparison, console)
    if result.differ and result.comparison.layout.style != "numbers":
        _show_differences(result.comparison, console)
    if result.source is not None:
        _show_confidence(result.bands, result.source, console)
    if result.gain is not None:
        show_expected_gain(result.gain, console)


def _show_distances(comparison: Comparison, console: Console) -> None:
    """Print how far numbers or probabilities are apart, the farthest columns first."""
    table = _table("column", "mean |A − B|", "largest", "correlation")
    distances = sorted(comparison.distances, key=lambda one: -one.mean)
    for name, mean, largest, correlation in distances[:FLOWS]:
        same = "" if correlation is None else f"{correlation:.4f}"
        table.add_row(Text(name), f"{mean:.4g}", f"{largest:.4g}", same)
    if rest := distances[FLOWS:]:
        table.add_row(f"{len(rest)} others", style="dim")
    _print("by column", table, console)


def _show_differences(comparison: Comparison, console: Console) -> None:
    if len(comparison.layout.attributes) > 1:
        _print("by attribute", _attributes(comparison), console)
    table = _table("class", "A", "B", "both", "only A", "only B")
    for name, a, b, both in comparison.class_counts:
        table.add_row(Text(name), *map(str, (a, b, both, a - both or "", b - both or "")))
    _print("by class", table, console)
    flows = comparison.flows
    table = _table("A → B", "rows")
    for flow in flows[:FLOWS]:
        table.add_row(Text(f"{flow.source} → {flow.target}"), str(flow.rows))
    if rest := flows[FLOWS:]:
        table.add_row(f"{len(rest)} others", str(sum(flow.rows for flow in rest)), style="dim")
    _print("from class to class", table, console)


def _attributes(comparison: Comparison) -> Table:
    table = _table("attribute", "rows", "share")
    table.add_column("most often", justify="left")
    for name, flows in comparison.attribute_flows.items():
        rows = sum(flow.rows for flow in flows)
        often = ", ".join(f"{flow.source} → {flow.target} ({flow.rows})" for flow in flows[:3])
        share = f"{rows / len(comparison.differs):.1%}"
        table.add_row(Text(name), str(rows), share, Text(often))
    return table


def _show_confidence(bands: Sequence[Band], source: str, console: Console) -> None:
    """Print how often the files differ where the study's probabilities are sure or unsure."""
    table = _table("confidence", "rows", "differ", "share")
    for low, high, rows, differ in bands:
        share = f"{differ / rows:.1%}"
        table.add_row(f"{high:.2f} to {low:.2f}", str(rows), str(differ), share)
    _print(f"by confidence of {source}", table, console)


def show_expected_gain(gain: ExpectedGain, console: Console) -> None:
    """Print the expected gain from A to B."""
    console.print()
    console.print(Text(f"expected gain from A to B, an estimate by {gain.source}", "bold"))
    if not gain.effects:
        console.print(
            "none: the ensemble was made by an older automask; run automask ensemble again"
        )
        return
    table = Table(header_style="dim", box=None, pad_edge=False)
    for column in ("if the truth is", "metric", "gain", "95 %"):
        table.add_column(column, justify="left" if column != "gain" else "right", no_wrap=True)
    for truth, effect in gain.effects:
        table.add_row(truth, effect.metric, f"{effect.value:+.4f}", effect.interval)
    console.print(table)
    console.print(gain.caveat, soft_wrap=True, markup=False)


def show_submissions(submissions: Submissions, console: Console) -> None:
    """Print those kept, how far CV and leaderboard agree, and which differs most from the newest."""
    entries = submissions.entries
    if not entries:
        console.print("no submission is kept yet: automask submit FILE")
        return
    newest = entries[-1].name
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("name", "date", "metric"):
        table.add_column(column)
    for column in ("CV (nested)", "leaderboard", f"differs from {newest}"):
        table.add_column(column, justify="right")
    for entry in entries:
        share = submissions.differences.get(entry.name)
        table.add_row(
            Text(entry.name),
            f"{entry.date.astimezone():%Y-%m-%d %H:%M}",
            Text(entry.metric or ""),
            f"{entry.cv.value:.4f}" if entry.cv else "unknown",
            "" if entry.leaderboard is None else f"{entry.leaderboard:g}",
            "" if share is None else f"{share:.1%}",
        )
    console.print(table)
    for metric, (value, pairs) in submissions.correlations.items():
        text = f"{value:.2f}" if math.isfinite(value) else "none, all of one side are equal"
        console.print(
            f"CV ({metric}) and leaderboard: Spearman's correlation {text}, of {pairs} pairs",
            markup=False,
        )
    if submissions.farthest:
        name, share = submissions.farthest
        console.print(f"{newest} differs most from {name}: in {share:.1%} of the rows")


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
