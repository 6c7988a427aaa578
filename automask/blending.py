"""The `ensemble` command: members, weights and scores, and the submission file."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from automask import ensembling, expecting, members, registry, rescoring, submission
from automask.data import Data
from automask.ensembling import Ensemble
from automask.errors import UserError
from automask.scores import ClassScore, by_attribute, by_class
from automask.session import Session

#: Up to this many classes are listed whole; of more, this many of the worst.
MOST_CLASSES, WORST = 30, 15


def run(session: Session, method: str, top: int, output: Path | None, console: Console) -> Ensemble:
    """Blend, print and write; returns the ensemble. Raises `UserError` where nothing is complete."""
    registry.get("ensemble", method)
    found = members.load(session, lambda text: console.print(text, markup=False))
    if not found:
        raise UserError(
            f"study '{session.options.study}' has no complete trial yet: run automask search first"
        )
    data = session.data
    blended = ensembling.fit(
        found, data.labels, session.folds, data.groups, session.metric, method, top
    )
    _show(session, blended, console)
    file = output or Path("submission.csv" if data.test else "out_of_fold.csv")
    if data.test:
        frame = submission.table(data, data.test.ids, blended.test)
        submission.check(frame, data)
        submission.write(frame, file)
        session.store.save_ensemble(file, _facts(session, blended), data.test.ids, blended.test)
        against = " checked against the sample submission" if data.sample is not None else ""
        console.print(f"wrote {file}: {len(frame):,} rows{against}", markup=False)
    else:
        frame = submission.out_of_fold(data, blended.validation)
        submission.write(frame, file)
        console.print(
            f"there is no test table: wrote the out-of-fold predictions to {file}. To predict "
            "later, put the test images in place, run 'automask init DATA --force' and 'automask "
            "ensemble' again: the members' weights are kept, and nothing is trained again",
            markup=False,
            soft_wrap=True,
        )
    return blended


def _facts(session: Session, blended: Ensemble) -> dict[str, Any]:
    """What is kept of the blend, as JSON: scores, and members by trial, recipe and weight."""
    weights = blended.weights
    return {
        "study": session.options.study,
        "metric": session.config.search.metric,
        "method": blended.method,
        "cv": {"nested": asdict(blended.nested), "plain": asdict(blended.plain)},
        "calibration": expecting.calibrate(session.data.labels, blended.validation, session.folds),
        "members": [
            {
                "trial": member.number,
                "recipe": member.recipe.hash,
                "weight": None if weights is None else float(weights[index]),
            }
            for index, member in enumerate(blended.members)
            if weights is None or weights[index]
        ],
    }


def _show(session: Session, blended: Ensemble, console: Console) -> None:
    data, metric = session.data, session.metric
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("weight", justify="right", no_wrap=True)
    table.add_column("trial", justify="right", no_wrap=True)
    table.add_column(session.config.search.metric, justify="right", no_wrap=True)
    table.add_column("recipe")
    weights = blended.weights
    rows = list(enumerate(blended.members))
    if weights is not None:
        rows = sorted((row for row in rows if weights[row[0]]), key=lambda row: -weights[row[0]])
    for index, member in rows:
        table.add_row(
            "" if weights is None else f"{weights[index]:.2f}",
            str(member.number),
            f"{metric(data.labels, member.validation):.4f}",
            Text(member.recipe.describe()),
        )
    console.print(table)
    console.print()
    name = session.config.search.metric
    lines = Table(box=None, pad_edge=False, show_header=False)
    lines.add_column()
    lines.add_column(no_wrap=True)
    lines.add_row(
        f"{blended.method} ensemble, chosen without the rows scored", Text(str(blended.nested))
    )
    lines.add_row(f"{blended.method} ensemble, out of fold", Text(str(blended.plain)))
    lines.add_row("best single trial, out of fold", Text(str(blended.single)))
    if len(data.attributes.names) > 1:
        scores = by_attribute(metric, data.labels, blended.validation, data.attributes, data.groups)
        for attribute, value in scores.items():
            lines.add_row(Text(f"{attribute} alone, out of fold"), Text(str(value)))
    if other := rescoring.on_other_labels(session, blended.validation):
        lines.add_row(*map(Text, other))
    console.print(f"{name} with 95 % intervals:")
    console.print(lines)
    console.print()
    show_classes(data, blended.validation, console)


def show_classes(data: Data, probability: np.ndarray, console: Console) -> None:
    """Print how well each class is found out of fold, and each attribute's values by themselves.

    Of more than `MOST_CLASSES` classes, the `WORST` by F1.
    """
    attributes = data.attributes
    names = [attributes.describe(label) for label in range(len(attributes.classes))]
    found = by_class(data.labels, probability.argmax(1), names)
    tables = [(" × ".join(attributes.names), found)]
    if len(attributes.names) > 1:
        for index, name in enumerate(attributes.names):
            target, said = (
                attributes.classes[data.labels, index],
                attributes.marginal(probability, index).argmax(1),
            )
            tables.append((name, by_class(target, said, attributes.values[index])))
    console.print("class by class, out of fold:")
    for title, rows in tables:
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column(Text(title), min_width=20, ratio=1)
        for column in ("rows", "precision", "recall", "F1"):
            table.add_column(column, justify="right", no_wrap=True)
        shown = rows if len(rows) <= MOST_CLASSES else sorted(rows, key=_f1)[:WORST]
        for row in shown:
            figures = (_figure(value) for value in (row.precision, row.recall, row.f1))
            table.add_row(Text(row.name), f"{row.rows:,}", *figures)
        console.print(table)
        if len(shown) < len(rows):
            console.print(f"the {len(shown)} of {len(rows)} with the lowest F1", markup=False)
        console.print()


def _f1(row: ClassScore) -> float:
    return 0.0 if math.isnan(row.f1) else row.f1


def _figure(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"
