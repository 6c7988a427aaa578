"""The `ensemble` command, and what a blend came to: methods, members and scores, and each class."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automask.cli.options import Disk, Quiet, Storage, Study, Tracker, setting, terminal

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    from automask.api.ensembles import EnsembleResult
    from automask.report.evaluation import ClassTable
    from automask.scoring import ClassScore

#: Up to this many classes are listed whole; of more, this many of the worst.
MOST_CLASSES, WORST = 30, 15
#: Columns for how common a class is.
HEADINGS = {"train": "train", "predicted": "said", "test": "test", "estimated": "EM"}


def ensemble(
    study: Study = "main",
    storage: Storage = None,
    top: Annotated[
        int | None,
        typer.Option(
            min=1, help="How many of the best trials may join; by default those whose weights stay."
        ),
    ] = None,
    method: Annotated[
        str, typer.Option(help="An ensemble plugin, or auto for the best of them.")
    ] = "auto",
    tta: Annotated[
        str, typer.Option(help="A test-time augmentation that competes, or auto for all.")
    ] = "none",
    test_shares: Annotated[
        str | None,
        typer.Option(
            metavar="train|even|estimated|FILE",
            help="How common the classes are in test; a file is a CSV class,share. As in automask.toml "
            "where it isn't given.",
        ),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="The file to write.")] = None,
    device: Annotated[str, setting("DEVICE", "Where new test rows are predicted.")] = "auto",
    disk: Disk = None,
    tracker: Tracker = None,
    quiet: Quiet = False,
) -> None:
    """Blend the best trials and write the submission.

    Nothing is trained again.
    """
    from automask.api import ensembles
    from automask.api.projects import Project
    from automask.cli.notes import printed

    with printed(terminal(quiet=quiet)):
        result = ensembles.ensemble(
            Project(),
            study,
            storage=storage,
            method=method,
            tta=tta,
            top=top,
            test_shares=test_shares,
            device=device,
            disk=disk,
            tracker=tracker or None,
        )
    show_ensemble(result, terminal(quiet=quiet))
    write_ensemble(result, output, terminal())


def write_ensemble(result: EnsembleResult, output: Path | None, console: Console) -> None:
    """Write the predictions and say where."""
    file, frame = result.write(output), result.submission
    if frame is None:
        console.print(
            f"there is no test table: wrote the out-of-fold predictions to {file}. To predict "
            "later, put the test images in place, run 'automask init DATA --force' and 'automask "
            "ensemble' again: the members' weights are kept, and nothing is trained again",
            markup=False,
            soft_wrap=True,
        )
    else:
        against = "" if result.data.sample is None else " checked against the sample submission"
        console.print(f"wrote {file}: {len(frame):,} rows{against}", markup=False)


def show_ensemble(result: EnsembleResult, console: Console) -> None:
    """Print everything, the nested scores first."""
    from rich.table import Table
    from rich.text import Text

    blend = result.blend
    for note in blend.notes:
        console.print(f"note: {note}", markup=False, soft_wrap=True)
    lines = Table(box=None, pad_edge=False, show_header=False)
    lines.add_column()
    lines.add_column(no_wrap=True)
    lines.add_row("chosen without the rows scored", Text(str(result.nested)))
    lines.add_row("out of fold", Text(str(result.plain)))
    lines.add_row("best single trial, out of fold", Text(str(result.single)))
    for attribute, score in result.attributes.items():
        lines.add_row(Text(f"{attribute} alone"), Text(str(score)))
    if other := result.other_labels:
        name = f"out of fold, on the {other.labels} ({other.rows:,} rows differ)"
        lines.add_row(Text(name), Text(str(other.score)))
    view = "" if blend.view == "none" else f" of view '{blend.view}'"
    console.print(
        f"{blend.method} ensemble{view}, {result.metric} with 95 % intervals:", markup=False
    )
    console.print(lines)
    if blend.shares is not None:
        console.print(
            f"test shares: {blend.shares.source}: predictions are corrected for them, and members, "
            "method, decisions and scores go by train rows drawn so that classes are as common",
            markup=False,
            soft_wrap=True,
        )
    console.print()
    _show_methods(result, console)
    _show_members(result, console)
    _show_shift(result, console)
    _show_calibration(result, console)
    show_classes(result.class_tables, console, result.class_shares)


def _show_methods(result: EnsembleResult, console: Console) -> None:
    """What the methods score; nothing where there was but one to choose from."""
    from rich.text import Text

    blend = result.blend
    if len(blend.methods) < 2:
        return
    table = _table("method", f"{result.metric}, nested", "out of fold", "chosen in folds")
    for method, scores in blend.methods.items():
        table.add_row(
            Text(method, "bold" if method == blend.method else ""),
            Text(str(scores.nested)),
            f"{scores.plain.value:.4f}",
            str(blend.chosen.get(method, 0) or ""),
        )
    console.print(table)
    console.print(
        f"{blend.method} has the best nested score; the ensemble's own includes the choosing",
        markup=False,
    )
    if len(blend.views) > 1:
        values = ", ".join(f"{view} {score.value:.4f}" for view, score in blend.views.items())
        console.print(f"views, nested: {values}", markup=False, soft_wrap=True)
    console.print()


def _show_members(result: EnsembleResult, console: Console) -> None:
    from rich.text import Text

    table = _table("weight", "trial", result.metric, "differs", "adds")
    table.columns[0].justify = "right"
    table.add_column("recipe")
    for part in sorted(result.blend.parts, key=lambda part: -(part.weight or 0)):
        table.add_row(
            "" if part.weight is None else f"{part.weight:.2f}",
            str(part.member.number),
            f"{part.score:.4f}",
            f"{part.differs:.1%}",
            f"{part.adds:+.4f}",
            Text(part.member.recipe.describe()),
        )
    console.print(table)
    console.print(
        "differs: rows where its class isn't the blend's; adds: what the out-of-fold score loses "
        f"without it. Two of the members differ in {result.blend.disagreement:.1%} of the rows",
        soft_wrap=True,
    )
    console.print()


def _show_shift(result: EnsembleResult, console: Console) -> None:
    phrase, shift = result.data.target.shift, result.shift
    if not phrase:
        return
    if not shift:
        name = phrase.partition(",")[0]
        console.print(f"{name}: none, as they don't clearly raise the nested score")
        return
    largest = sorted(shift.items(), key=lambda pair: -abs(pair[1]))
    texts = [f"{name} {value:+.1f}" for name, value in largest if value]
    more = f" and {len(texts) - WORST} more" if len(texts) > WORST else ""
    console.print(
        f"{phrase}: {', '.join(texts[:WORST])}{more}",
        markup=False,
        soft_wrap=True,
    )


def _show_calibration(result: EnsembleResult, console: Console) -> None:
    """Calibration, and how common the classes are in test, a line each."""
    if result.calibration is None:
        return
    before, after = (
        f"calibration error {one.expected_error:.3f} and log loss {one.log_loss:.3f}"
        for one in result.calibration
    )
    temperature = result.blend.temperature
    outcome = "not kept" if temperature is None else f"{temperature:.2f}, kept"
    console.print(f"temperature: {outcome}: {before} without, {after} with one", soft_wrap=True)
    if (changed := result.changed_predictions) is not None:
        console.print(
            f"test priors: were the classes as common as the test probabilities say (column EM), "
            f"{changed:,} of {len(result.blend.test):,} predictions would change; none was changed",
            soft_wrap=True,
        )
    console.print()


def _table(*columns: str) -> Table:
    """A table whose first column is text and whose others are numbers."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left", no_wrap=True)
    return table


def show_classes(
    tables: Sequence[ClassTable],
    console: Console,
    shares: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Print how well each class is recognised out of fold, and each attribute's values by themselves.

    Of more than `MOST_CLASSES` classes, the `WORST` by F1. With `shares` `[C]`, how common the classes
    of the first table are.
    """
    console.print("class by class, out of fold:")
    for number, table in enumerate(tables):
        _show_class_table(table, console, (shares or {}) if number == 0 else {})


def _show_class_table(
    classes: ClassTable, console: Console, shares: Mapping[str, np.ndarray]
) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(Text(classes.title), min_width=20, ratio=1)
    for column in ("rows", "precision", "recall", "F1", *(HEADINGS[name] for name in shares)):
        table.add_column(column, justify="right", no_wrap=True)
    rows = list(enumerate(classes.rows))
    if len(rows) > MOST_CLASSES:
        rows = sorted(rows, key=lambda pair: _f1(pair[1]))[:WORST]
    for label, row in rows:
        figures = (_figure(value) for value in (row.precision, row.recall, row.f1))
        common = (f"{values[label]:.1%}" for values in shares.values())
        table.add_row(Text(row.name), f"{row.rows:,}", *figures, *common)
    console.print(table)
    if len(rows) < len(classes.rows):
        console.print(f"the {len(rows)} of {len(classes.rows)} with the lowest F1", markup=False)
    console.print()


def _f1(row: ClassScore) -> float:
    return 0.0 if math.isnan(row.f1) else row.f1


def _figure(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"
