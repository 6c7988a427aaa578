"""TODO expecting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from automask.report import comparison
from automask.report.comparison import Comparison
from automask.report.expected_gain import denoise, effects
from automask.storage.study_store import EnsembleFile


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
