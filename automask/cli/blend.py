"""What an ensemble came to, printed: methods, members and scores, and each class."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from automask.data.dataset import Dataset
from automask.ensembles import calibration, corrected_scores
from automask.ensembles.blend import blend_facts, candidate_views, changed_predictions, class_shares
from automask.ensembles.ensemble import AUTO, PLAIN, Ensemble, fit
from automask.report import submission
from automask.scoring import ClassScore, by_attribute, by_class
from automask.space import registry
from automask.study.session import Session

#: Up to this many classes are listed whole; of more, this many of the worst.
MOST_CLASSES, WORST = 30, 15
#: Columns for how common a class is.
HEADINGS = {"train": "train", "predicted": "said", "estimated": "EM"}


def show_ensemble(session: Session, blended: Ensemble, console: Console) -> None:
    """Print everything, the nested scores first."""
    data, metric = session.data, session.metric
    name = session.config.search.metric
    for note in blended.notes:
        console.print(f"note: {note}", markup=False, soft_wrap=True)
    lines = Table(box=None, pad_edge=False, show_header=False)
    lines.add_column()
    lines.add_column(no_wrap=True)
    lines.add_row("chosen without the rows scored", Text(str(blended.nested)))
    lines.add_row("out of fold", Text(str(blended.plain)))
    lines.add_row("best single trial, out of fold", Text(str(blended.single)))
    if len(data.attributes.names) > 1:
        scores = by_attribute(metric, data.labels, blended.honest, data.attributes, data.groups)
        for attribute, value in scores.items():
            lines.add_row(Text(f"{attribute} alone"), Text(str(value)))
    if other := corrected_scores.on_other_labels(session, blended.honest):
        lines.add_row(*map(Text, other))
    seen = "" if blended.view == PLAIN else f" of view '{blended.view}'"
    console.print(f"{blended.method} ensemble{seen}, {name} with 95 % intervals:", markup=False)
    console.print(lines)
    console.print()
    _show_methods(blended, name, console)
    _show_members(blended, name, console)
    _show_rest(data, blended, console)
    show_classes(data, blended.honest, console, class_shares(data, blended))


def _show_methods(blended: Ensemble, name: str, console: Console) -> None:
    """What the methods score; nothing where there was but one to choose from."""
    if len(blended.methods) < 2:
        return
    table = _table("method", f"{name}, nested", "out of fold", "chosen in folds")
    for method, scores in blended.methods.items():
        often = blended.chosen.get(method, 0)
        table.add_row(
            Text(method, "bold" if method == blended.method else ""),
            Text(str(scores.nested)),
            f"{scores.plain.value:.4f}",
            str(often or ""),
        )
    console.print(table)
    console.print(
        f"{blended.method} has the best nested score; the ensemble's own includes the choosing",
        markup=False,
    )
    if len(blended.views) > 1:
        found = ", ".join(f"{view} {score.value:.4f}" for view, score in blended.views.items())
        console.print(f"views, nested: {found}", markup=False, soft_wrap=True)
    console.print()


def _show_members(blended: Ensemble, name: str, console: Console) -> None:
    table = _table("weight", "trial", name, "differs", "adds")
    table.columns[0].justify = "right"
    table.add_column("recipe")
    for part in sorted(blended.parts, key=lambda part: -(part.weight or 0)):
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
        f"without it. Two of the members differ in {blended.disagreement:.1%} of the rows",
        soft_wrap=True,
    )
    console.print()


def _show_rest(data: Dataset, blended: Ensemble, console: Console) -> None:
    """Biases, calibration, and how common the classes are in test, a line each."""
    if blended.biases is None:
        console.print("class biases: none, as they don't clearly raise the nested score")
    else:
        largest = sorted(enumerate(blended.biases.tolist()), key=lambda pair: -abs(pair[1]))
        said = [f"{data.attributes.describe(k)} {bias:+.1f}" for k, bias in largest if bias]
        more = f" and {len(said) - WORST} more" if len(said) > WORST else ""
        console.print(
            f"class biases, added to log-probabilities: {', '.join(said[:WORST])}{more}",
            markup=False,
            soft_wrap=True,
        )
    figures = []
    for probability in (blended.honest, blended.calibrated):
        error = calibration.expected_error(calibration.reliability(data.labels, probability))
        loss = -calibration.log_likelihood(data.labels, probability)
        figures.append(f"calibration error {error:.3f} and log loss {loss:.3f}")
    kept = "not kept" if blended.temperature is None else f"{blended.temperature:.2f}, kept"
    console.print(
        f"temperature: {kept}: {figures[0]} without, {figures[1]} with one", soft_wrap=True
    )
    if (changed := changed_predictions(blended, class_shares(data, blended))) is not None:
        console.print(
            f"test priors: were the classes as common as the test probabilities say (column EM), "
            f"{changed:,} of {len(blended.test):,} predictions would change; none was changed",
            soft_wrap=True,
        )
    console.print()


def _table(*columns: str) -> Table:
    """A table whose first column is text and whose others are numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left", no_wrap=True)
    return table


def show_classes(
    data: Dataset,
    probability: np.ndarray,
    console: Console,
    common: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Print how well each class is found out of fold, and each attribute's values by themselves.

    Of more than `MOST_CLASSES` classes, the `WORST` by F1. With `common` `[C]`, how common each is.
    """
    common = common or {}
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
    for number, (title, rows) in enumerate(tables):
        more = common if number == 0 else {}
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column(Text(title), min_width=20, ratio=1)
        for column in ("rows", "precision", "recall", "F1"):
            table.add_column(column, justify="right", no_wrap=True)
        for column in more:
            table.add_column(HEADINGS[column], justify="right", no_wrap=True)
        shares_of = {
            name: [f"{values[k]:.1%}" for values in more.values()] for k, name in enumerate(names)
        }
        shown = rows if len(rows) <= MOST_CLASSES else sorted(rows, key=_f1)[:WORST]
        for row in shown:
            figures = (_figure(value) for value in (row.precision, row.recall, row.f1))
            table.add_row(Text(row.name), f"{row.rows:,}", *figures, *shares_of.get(row.name, ()))
        console.print(table)
        if len(shown) < len(rows):
            console.print(f"the {len(shown)} of {len(rows)} with the lowest F1", markup=False)
        console.print()


def _f1(row: ClassScore) -> float:
    return 0.0 if math.isnan(row.f1) else row.f1


def _figure(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


def run_ensemble(
    session: Session,
    method: str,
    top: int,
    output: Path | None,
    console: Console,
    tta: str = PLAIN,
) -> Ensemble:
    """Blend, print and write; returns the ensemble. Raises `UserError` where nothing is complete.

    `tta` is a view that competes with the plain one, or `auto` for all of them.
    """
    project = session.options.project
    registry.load(project)
    if method != AUTO:
        registry.get("ensemble", method)
    if tta != AUTO:
        registry.get("tta", tta)
    data = session.data
    views = candidate_views(session, tta, top, console)
    blended = fit(views, data.labels, session.folds, data.groups, session.metric, method, top)
    show_ensemble(session, blended, console)
    file = output or (project.submission if data.test else project.out_of_fold)
    if data.test:
        frame = submission.table(data, data.test.ids, blended.test)
        submission.check(frame, data)
        submission.write(frame, file)
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
    ids = data.test.ids if data.test else ()
    session.store.save_ensemble(
        file, blend_facts(session, blended), ids, blended.test, blended.honest
    )
    return blended
