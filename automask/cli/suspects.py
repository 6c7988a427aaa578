"""What the `suspects` command prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

    from automask.diagnostics.suspects import Noise, Suspects

#: So many rows and classes are listed.
ROWS, CLASSES = 20, 15


def show_suspects(suspects: Suspects, console: Console) -> None:
    """Print the most suspect rows, and how many labels are estimated to be wrong, by class."""
    console.print(
        f"{suspects.flagged:,} of {len(suspects.data.labels):,} rows flagged, about "
        f"{suspects.wrong:.0f} labels estimated to be wrong, by confident learning on out-of-fold "
        "probabilities",
        soft_wrap=True,
    )
    if suspects.unjudged:
        console.print(f"{suspects.unjudged:,} rows can't be judged: no other fold has their class")
    table = _table("id", "given", "likely", "p(likely)", "p(given)", "flagged")
    for row in suspects.rows[:ROWS]:
        table.add_row(
            Text(row.id),
            Text(row.given),
            Text(row.likely),
            f"{row.likely_probability:.3f}",
            f"{row.given_probability:.3f}",
            "yes" if row.flagged else "",
        )
    _print("most suspect", table, console)
    for noise in suspects.noise:
        _print_noise(noise, console)


def _print_noise(noise: Noise, console: Console) -> None:
    table = _table("given", "rows", "flagged", "estimated wrong", "most often truly")
    shown = [row for row in noise.classes if row.wrong >= 0.5][:CLASSES]
    for row in shown:
        table.add_row(
            Text(row.name), f"{row.rows:,}", f"{row.flagged:,}", f"{row.wrong:.0f}", Text(row.truth)
        )
    if shown:
        _print(f"{noise.title}: about {noise.wrong:.0f} wrong", table, console)


def _table(*columns: str) -> Table:
    table = Table(header_style="dim", box=None, pad_edge=False)
    for name in columns:
        text = name in ("id", "given", "likely", "most often truly")
        table.add_column(name, justify="left" if text else "right", no_wrap=not text)
    return table


def _print(title: str, table: Table, console: Console) -> None:
    console.print()
    console.print(Text(title, "bold"))
    console.print(table)
