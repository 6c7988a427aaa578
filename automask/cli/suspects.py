"""The `suspects` command: which train rows a study takes for wrongly labelled."""

from __future__ import annotations

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from automask.data.dataset import Dataset
from automask.diagnostics import label_errors
from automask.diagnostics.label_errors import Audit
from automask.ensembles.members import CLASSES, ROWS


def show_suspects(
    data: Dataset, probability: np.ndarray, folds: np.ndarray, console: Console
) -> None:
    """Print the most suspect rows, and how many labels are estimated to be wrong, by class."""
    audit, attributes = (
        label_errors.find_label_errors(data.labels, probability, folds),
        data.attributes,
    )
    flagged = int(audit.flagged.sum())
    console.print(
        f"{flagged:,} of {len(data.labels):,} labels flagged, about {audit.wrong.sum():.0f} estimated "
        "to be wrong, by confident learning on out-of-fold probabilities",
        soft_wrap=True,
    )
    if unjudged := int((~audit.judged).sum()):
        console.print(f"{unjudged:,} rows can't be judged: no other fold has their class")
    table = _suspects_table("id", "given", "likely", "p(likely)", "p(given)", "flagged")
    for row in audit.order[:ROWS].tolist():
        table.add_row(
            Text(data.train.ids[row]),
            Text(attributes.describe(data.labels[row])),
            Text(attributes.describe(audit.likely[row])),
            f"{audit.confidence[row]:.3f}",
            f"{audit.quality[row]:.3f}",
            "yes" if audit.flagged[row] else "",
        )
    _print_suspects("most suspect", table, console)
    names = [attributes.describe(label) for label in range(len(attributes.classes))]
    _print_classes(" × ".join(attributes.names), names, data.labels, audit, console)
    if len(attributes.names) > 1:
        for index, (name, own) in enumerate(
            label_errors.by_attribute(data, probability, folds).items()
        ):
            given = attributes.classes[data.labels, index]
            _print_classes(name, attributes.values[index], given, own, console)


def _print_classes(
    title: str,
    names: list[str] | tuple[str, ...],
    given: np.ndarray,
    audit: Audit,
    console: Console,
) -> None:
    table = _suspects_table("given", "rows", "flagged", "estimated wrong", "most often truly")
    rows = np.bincount(given, minlength=len(names))
    flagged = np.bincount(given[audit.flagged], minlength=len(names))
    order = np.argsort(-audit.wrong, kind="stable")
    shown = [label for label in order.tolist() if audit.wrong[label] >= 0.5][:CLASSES]
    for label in shown:
        others = np.where(np.arange(len(names)) == label, 0, audit.joint[label])
        table.add_row(
            Text(names[label]),
            f"{rows[label]:,}",
            f"{flagged[label]:,}",
            f"{audit.wrong[label]:.0f}",
            Text(names[int(others.argmax())]),
        )
    if shown:
        _print_suspects(f"{title}: about {audit.wrong.sum():.0f} wrong", table, console)


def _suspects_table(*columns: str) -> Table:
    table = Table(header_style="dim", box=None, pad_edge=False)
    for name in columns:
        text = name in ("id", "given", "likely", "most often truly")
        table.add_column(name, justify="left" if text else "right", no_wrap=not text)
    return table


def _print_suspects(title: str, table: Table, console: Console) -> None:
    console.print()
    console.print(Text(title, "bold"))
    console.print(table)
