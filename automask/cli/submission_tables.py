"""Submissions and comparisons as tables in the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from automask.report import comparison
from automask.report.archive import correlations, differences
from automask.report.comparison import FLOWS, Comparison, by_class, by_confidence, flows
from automask.report.expected_gain import denoise, effects
from automask.storage.study_store import EnsembleFile
from automask.storage.submission_store import SubmissionStore


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


def show_expected_gain(
    compared: Comparison, ensemble: EnsembleFile, source: str, console: Console
) -> list[str]:
    """Print the expected gain from A to B; returns the same as sentences, none where nothing differs."""
    if not compared.differs.any():
        return []
    facts: Mapping[str, Any] | None = ensemble.facts().get("noise")
    console.print()
    console.print(Text(f"expected gain from A to B, an estimate by {source}", "bold"))
    if facts is None:
        console.print(
            "none: the ensemble was made by an older automask; run automask ensemble again"
        )
        return []
    plain = comparison.probability(compared, ensemble)
    tables = {"labels as in train": plain}
    if pairs := facts["pairs"]:
        name = f"{facts['wrong']:.1%} wrong labels put right"
        tables[name] = comparison.probability(
            compared, ensemble, lambda table: denoise(table, pairs)
        )
    a, b = compared.classes.rows
    shown = Table(header_style="dim", box=None, pad_edge=False)
    for column in ("if the truth is", "metric", "gain", "95 %"):
        shown.add_column(column, justify="left" if column != "gain" else "right", no_wrap=True)
    sentences = []
    for name, table in tables.items():
        for effect in effects(a, b, table):
            interval = f"{effect.low:+.4f} to {effect.high:+.4f}"
            shown.add_row(name, effect.metric, f"{effect.value:+.4f}", interval)
            sentences.append(
                f"Expected gain of B in {effect.metric}, {name}: {effect.value:+.4f} ({interval})"
            )
    console.print(shown)
    said = plain.argmax(1)[compared.differs]
    shares = [(said == rows[compared.differs]).mean() for rows in (a, b)]
    caveat = (
        f"where they differ, {source} itself says what A says in {shares[0]:.0%} and what B says in "
        f"{shares[1]:.0%} of the rows: an estimate by the one that made a file is in its favour"
    )
    console.print(caveat, soft_wrap=True, markup=False)
    return [*sentences, caveat[0].upper() + caveat[1:] + "."]


def show_submissions(store: SubmissionStore, console: Console) -> None:
    """Print those kept, how far CV and leaderboard agree, and which differs most from the newest."""
    names = store.names()
    if not names:
        console.print("no submission is kept yet: automask submit FILE")
        return
    kept = [store.facts(name) for name in names]
    *before, newest = names
    shares = differences(store, newest, before)
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
