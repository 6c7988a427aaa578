"""Two submissions held against each other: which rows differ, in what, from which class to which."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from automask import answers
from automask.answers import Classes, Form
from automask.data.dataset import Dataset
from automask.errors import UserError
from automask.storage.study_store import EnsembleFile

FLOWS = 20  # how many flows are printed before the rest is counted
BANDS = 5


@dataclass(frozen=True)
class Comparison:
    """Files A and B, with their columns in one order of ids, and the class of each row in `classes`."""

    paths: tuple[Path, Path]
    form: Form
    frames: tuple[pd.DataFrame, pd.DataFrame]
    classes: Classes

    @cached_property
    def differs(self) -> np.ndarray:
        """bool `[N]`: do they give the row another class?"""
        return self.classes.rows[0] != self.classes.rows[1]

    def describe(self, label: int) -> str:
        return self.form.describe(self.classes.cells[label])

    @cached_property
    def parts(self) -> np.ndarray:
        """`[K, attributes]`: the value of each attribute of each class, as text."""
        return np.array([self.form.parts(cells) for cells in self.classes.cells], object)


def compare(a: Path, b: Path, data: Dataset | None) -> Comparison:
    """Read both; raises `UserError` where they don't fit each other or the data."""
    form, (first, second) = answers.read([a, b], data)
    classes = answers.classify_answers(form, [first, second])
    return Comparison((a, b), form, (first, second), classes)


def flows(a: np.ndarray, b: np.ndarray) -> list[tuple[int, int, int]]:
    """(class in A, class in B, rows), of all rows that differ, the most first."""
    differs = a != b
    pairs, counts = np.unique(np.stack([a, b])[:, differs], axis=1, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return [(int(pairs[0, i]), int(pairs[1, i]), int(counts[i])) for i in order]


def by_class(a: np.ndarray, b: np.ndarray, classes: int) -> np.ndarray:
    """`[K, 3]` counts of rows: that A gives the class, that B gives it, that both do."""
    return np.stack(
        [np.bincount(rows, minlength=classes) for rows in (a, b, a[a == b])],
        axis=1,
    )


def by_confidence(
    differs: np.ndarray, confidence: np.ndarray
) -> list[tuple[float, float, int, int]]:
    """(lowest, highest confidence, rows, rows that differ) of equally large parts, the surest first."""
    parts = np.array_split(np.argsort(-confidence, kind="stable"), BANDS)
    return [
        (confidence[p].min(), confidence[p].max(), len(p), int(differs[p].sum()))
        for p in parts
        if len(p)
    ]


def probability(
    compared: Comparison,
    ensemble: EnsembleFile,
    adjust: Callable[[np.ndarray], np.ndarray] = lambda table: table,
) -> np.ndarray:
    """A study's test probabilities `[N, K]`, in the order of the comparison's ids and classes.

    `adjust` may change them first, while they are in the order of the study's classes.
    Raises `UserError` where they are of other rows or classes than the data have now.
    """
    ids, table = ensemble.probability()
    form = compared.form
    data = form.data
    rows = pd.Index(ids).get_indexer(form.ids)
    if data is None or (rows < 0).any() or table.shape[1] != len(data.attributes.classes):
        raise UserError(
            f"{ensemble.file}: that ensemble predicted other rows or classes than these"
        )
    table = adjust(table)
    out = np.zeros((len(rows), len(compared.classes.cells)), np.float32)
    index = {tuple(parts): label for label, parts in enumerate(compared.parts.tolist())}
    names = data.attributes.names
    order = [names.index(name) if name in names else 0 for name in form.attributes]
    for label in range(table.shape[1]):
        combination = data.attributes.combination(label)
        out[:, index[tuple(combination[i] for i in order)]] += table[rows, label]
    return out


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
