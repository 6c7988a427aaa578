"""How a sample submission says its answers: its columns and cells, held against train's labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from automask.data.csv_file import Csv, quoted, shorten_list
from automask.data.names import all_numbers, match_label, match_names, number_of, positive_of
from automask.data.question import Question, separator_of
from automask.data.tables import Form
from automask.errors import UserError, did_you_mean
from automask.target import Number, Target

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

#: How answers can be said, as `answers = "..."` of a reader names it.
STYLES = ("labels", "probabilities", "one_hot", "sets", "top", "numbers")
#: How many of the likeliest classes stand in a list, where no sample says it.
MOST = 5


@dataclass(frozen=True)
class Answers:
    """How answers are given: the form, a metric that suits it ("" for the usual one), what was guessed,
    and the reader's arguments that say the same without guessing."""

    form: Form = field(default_factory=Form)
    metric: str = ""
    notes: Sequence[str] = ()
    arguments: Mapping[str, str] = field(default_factory=dict)


def read_form(
    sample: Csv | None,
    id_column: str,
    labels: pd.DataFrame,
    kind: str = "single",
    *,
    style: str | None = None,
    positive: str | None = None,
    separator: str = " ",
) -> Answers:
    """How the answers of a submission are said, by the sample's columns and cells.

    `labels` has train's texts, a column a target (`Rows.attributes`). `style`, one of `STYLES`, and the
    `positive` class of two say what can't be told or was guessed wrong; `separator` is what joins labels
    in train. Raises `UserError` where the sample asks for what train's labels don't answer, or where it
    can't be told.
    """
    columns = [column for column in sample.columns if column != id_column] if sample else []
    texts = {str(name): labels[name].unique().tolist() for name in labels}
    if style is not None and style not in STYLES:
        raise UserError(f"answers = '{style}'{did_you_mean(style, STYLES)}")
    asked = Question(sample, columns, texts, kind, style, positive, separator)
    if kind == "number":
        return _number(asked)
    if kind != "multi" and len(texts) > 1:
        return _targets(asked)
    pairs = match_names(columns, asked.classes)
    if len(pairs) > 1 and len(pairs) >= len(asked.classes) / 2:
        return _class_columns(asked, pairs)
    if sample is None and (kind == "multi" or style == "probabilities") and style != "sets":
        return _class_columns(asked, {name: name for name in asked.classes})
    column, notes = asked.answer_column()
    answers = (_sets if kind == "multi" else _class)(asked, column)
    return replace(answers, notes=(*(notes if style is None else ()), *answers.notes))


def suit(form: Form, target: Target, metric: Callable[[np.ndarray, np.ndarray], float]) -> Form:
    """The form for what a metric makes of labels: numbers, or probabilities where the metric scores
    these and the sample's columns can hold either."""
    if form.style != "labels":
        return form
    if isinstance(target, Number):
        return Form("numbers")
    if not form.columns or not _reads_probabilities(metric):
        return form
    return replace(form, style="probabilities")


def _reads_probabilities(metric: Callable[[np.ndarray, np.ndarray], float]) -> bool:
    """Whether it sees more of two classes than which one is likelier."""
    import numpy as np

    target, second = np.array([0, 0, 1, 1]), np.array([0.1, 0.6, 0.7, 0.8])
    table = np.stack([1 - second, second], axis=1)
    return bool(metric(target, table) != metric(target, table.round()))


def _number(asked: Question) -> Answers:
    asked.refuse_style("numbers")
    column, notes = asked.answer_column()
    asked.refuse_words([column] * bool(asked.sample))
    return Answers(Form("numbers", {column: column}), notes=notes)


def _targets(asked: Question) -> Answers:
    """Several targets: a column each, with its labels."""
    asked.refuse_style("labels")
    if asked.sample is None:
        return Answers()
    if missing := [name for name in asked.labels if name not in asked.columns]:
        raise UserError(asked.no_column(missing))
    notes = asked.others(asked.labels)
    for name, labels in asked.labels.items():
        cells = asked.cells([name])
        strange = [cell for cell in cells if match_label(cell, labels) is None]
        if cells and len(strange) == len(cells) and asked.style is None:
            asked.refuse_other_labels(name, strange, labels)
        notes += asked.compare(name, strange)
    return Answers(notes=notes, arguments={"answers": "labels"} if asked.style else {})


def _class_columns(asked: Question, pairs: Mapping[str, str]) -> Answers:
    """A column a class or label, by what it stands for."""
    asked.refuse_style("probabilities", "one_hot")
    one, many = asked.nouns
    if missing := [name for name in asked.classes if name not in pairs.values()]:
        raise UserError(
            f"{asked.where} has columns for {len(pairs)} {many} of train but none for "
            f"{shorten_list(quoted(missing))}; add it, or take what is so labelled out of train"
        )
    asked.refuse_words(pairs)
    alike = [f"'{name}' is '{label}'" for name, label in pairs.items() if name != label]
    notes = [f"columns of {asked.name} by likeness: {shorten_list(alike)}"] * bool(alike)
    rest = [column for column in asked.columns if column not in pairs]
    unlearnt = [column for column in rest if all_numbers(asked.cells([column]))]
    if unlearnt:
        notes.append(
            f"{shorten_list(quoted(unlearnt))} of {asked.name} is no {one} of train: answered by 0"
        )
    notes += asked.others({*pairs, *unlearnt}, one)
    style = asked.style or ("probabilities" if asked.sample else "one_hot")
    if asked.style is None and asked.sample:
        whole = {number_of(cell) for cell in asked.cells(pairs)} <= {0, 1}
        unsure = ' (unsure, it holds 0 and 1: answers = "one_hot" writes these)' if whole else ""
        notes.append(f"answers are probabilities, in a column a {one}, as in {asked.name}{unsure}")
    columns = {name: pairs.get(name, "") for name in asked.columns if name in {*pairs, *unlearnt}}
    form = Form(style, columns or dict(pairs))
    metric = "" if style != "probabilities" else "roc_auc" if asked.kind == "multi" else "log_loss"
    words = {"answers": style} if asked.style or asked.sample else {}
    return Answers(form, metric, notes if asked.style is None else (), words)


def _class(asked: Question, column: str) -> Answers:
    """One target, and one column of answers."""
    asked.refuse_style("labels", "probabilities", "one_hot", "top")
    classes, cells = asked.classes, asked.cells([column])
    strange = asked.strange(cells)
    if asked.style == "labels":
        return Answers(arguments={"answers": "labels"})
    if asked.style == "top" or (asked.style is None and separator_of(strange, classes)):
        return _top(asked, column, cells)
    points = any("." in cell and cell not in classes for cell in cells)
    if asked.style or (points and len(classes) == 2 and all_numbers(cells)):
        return _positive_class(asked, column)
    if cells and len(strange) == len(cells):
        asked.refuse_other_labels(column, strange, classes)
    notes = asked.compare(column, strange)
    if len(classes) != 2 or not all_numbers(classes):
        return Answers(notes=notes)
    # What zeros and ones of a sample can't tell, a metric may.
    positive, _ = _positive(asked, column)
    if asked.sample:
        notes.append(
            f"answers are labels, as in {asked.name}; for a competition that scores probabilities, "
            'as by ROC AUC or log loss, say answers = "probabilities"'
        )
    return Answers(Form(columns={column: positive}), notes=notes)


def _positive_class(asked: Question, column: str) -> Answers:
    """One column for one of two classes."""
    style = asked.style or "probabilities"
    if len(asked.classes) != 2:
        raise UserError(
            f"answers = '{style}': {len(asked.classes)} classes take a column each, and "
            f"{asked.where} has '{column}'; with two classes it would be that of one"
        )
    positive, note = _positive(asked, column)
    notes = [note] if note else []
    if asked.style is None:
        notes.insert(0, f"answers are probabilities: '{column}' of {asked.name} holds no labels")
    metric = "roc_auc" if style == "probabilities" else ""
    words = {"answers": style, "positive": positive}
    return Answers(Form(style, {column: positive}), metric, notes, words)


def _positive(asked: Question, column: str) -> tuple[str, str]:
    """The class whose probability the column has, and a note where it was guessed."""
    classes = asked.classes
    if asked.positive is not None:
        named = match_label(asked.positive, classes)
        if named is None:
            raise UserError(
                f"positive = '{asked.positive}': train has {shorten_list(quoted(sorted(classes)))}"
            )
        return named, ""
    positive, why = positive_of(classes, column)
    [other] = [name for name in classes if name != positive]
    return positive, (
        f"'{column}' is for '{positive}', {why or 'unsure: nothing tells'}; positive = '{other}' "
        "turns it round"
    )


def _top(asked: Question, column: str, cells: Sequence[str]) -> Answers:
    """One column of the likeliest classes, joined."""
    separator = separator_of(cells, asked.classes) or " "
    if broken := [name for name in asked.classes if separator in name]:
        raise UserError(
            f"{asked.where}: a list joined by '{separator}' can't hold '{broken[0]}', which has that "
            "in its name; name the class otherwise in train"
        )
    most = max((len(cell.split(separator)) for cell in cells), default=1)
    form = Form("top", {column: column}, separator, most=most if most > 1 else MOST)
    notes = [f"answers are the {form.most} likeliest classes, as in '{column}' of {asked.name}"]
    metric = "map_3" if form.most == 3 else "map_5"
    return Answers(form, metric, () if asked.style else notes, {"answers": "top"})


def _sets(asked: Question, column: str) -> Answers:
    """One column of labels, joined."""
    asked.refuse_style("sets", "top")
    cells, labels = asked.cells([column]), asked.classes
    if asked.style == "top":
        return _top(asked, column, cells)
    separator = separator_of(cells, labels) or asked.separator
    tokens = dict.fromkeys(token.strip() for cell in cells for token in cell.split(separator))
    strange = asked.strange(list(tokens))
    if strange and len(strange) == len(tokens) and asked.style is None:
        asked.refuse_other_labels(column, strange, labels)
    notes = [f"answers are labels joined by '{separator}', as in '{column}' of {asked.name}"]
    notes += asked.compare(column, strange)
    form = Form("sets", {column: column}, separator)
    return Answers(form, "", () if asked.style else notes, {"answers": "sets"})
