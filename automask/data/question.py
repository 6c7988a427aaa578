"""What a sample submission is asked: which of its columns answer, and what they hold beside train's
labels."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from automask.data.csv_file import Csv, quoted, shorten_list
from automask.data.names import all_numbers, match_label, match_names, number_of, positive_of
from automask.errors import UserError

#: What labels in one cell are joined by.
SEPARATORS = (" ", ",", "|", ";")


@dataclass(frozen=True)
class Question:
    """What is known before a form is: the sample, its answer columns, the labels of each of train's
    targets, what a row is asked for (`Tables.kind`), and what the user says of the answers."""

    sample: Csv | None
    columns: Sequence[str]
    labels: Mapping[str, Sequence[str]]
    kind: str
    style: str | None
    positive: str | None
    separator: str

    @property
    def name(self) -> str:
        return self.sample.path.name if self.sample else "the submission"

    @property
    def where(self) -> str:
        return str(self.sample.path) if self.sample else "the submission"

    @property
    def nouns(self) -> tuple[str, str]:
        """What a column of a prediction is of, and many."""
        return ("label", "labels") if self.kind == "multi" else ("class", "classes")

    @property
    def classes(self) -> Sequence[str]:
        """What a prediction has a column of: labels, or the classes of the only target."""
        return list(self.labels) if self.kind == "multi" else next(iter(self.labels.values()))

    def cells(self, columns: Collection[str]) -> list[str]:
        """What the sample holds in these columns, each text once, without blanks about it or empties."""
        sample = self.sample
        texts = [cell.strip() for c in columns for cell in sample[c]] if sample else []
        return [text for text in dict.fromkeys(texts) if text]

    def strange(self, cells: Collection[str]) -> list[str]:
        """Those of the cells that are none of train's labels."""
        return [cell for cell in cells if match_label(cell, self.classes) is None]

    def answer_column(self) -> tuple[str, list[str]]:
        """The one column that answers, and notes; a `UserError` where it can't be told."""
        target = "" if self.kind == "multi" else next(iter(self.labels))
        if self.sample is None:
            return target or "labels", []
        if target in self.columns:
            return target, self.others([target])
        if len(self.columns) != 1:
            raise UserError(self.no_column([target] if target else self.classes))
        [column] = self.columns
        answered = f"the answers of '{target}'" if target else "the labels"
        return column, [f"'{column}' of {self.name} takes {answered}"]

    def no_column(self, missing: Sequence[str]) -> str:
        columns = self.sample.columns if self.sample else {}
        return (
            f"{self.where} has no column for the target {shorten_list(quoted(missing))} (it has "
            f"{shorten_list(quoted(columns))}); rename its column or say target = '...'"
        )

    def others(self, answers: Collection[str], what: str = "target") -> list[str]:
        """A note on the columns that don't answer."""
        rest = [column for column in self.columns if column not in answers]
        return [f"{shorten_list(quoted(rest))} of {self.name} stays as it is: no {what}"] * bool(
            rest
        )

    def compare(self, column: str, strange: Sequence[str]) -> list[str]:
        """A note on answers that train hasn't."""
        if not strange:
            return []
        return [
            f"'{column}' of {self.name} holds {shorten_list(quoted(strange))}, which no row of train "
            "has: train's labels are written (unsure)"
        ]

    def refuse_style(self, *styles: str) -> None:
        """Raise `UserError` where the user asks for another style than these."""
        if self.style is None or self.style in styles:
            return
        kinds = {"multi": "any number of labels a row", "number": "a number a row"}
        raise UserError(
            f"answers = '{self.style}' doesn't fit {kinds.get(self.kind, 'a class a row')} and the "
            f"columns of {self.where}: say {' or '.join(quoted(styles))}"
        )

    def refuse_words(self, columns: Collection[str]) -> None:
        """Raise `UserError` where one of the columns holds what is no number."""
        for column in columns:
            for cell in self.cells([column]):
                if number_of(cell) is None:
                    raise UserError(
                        f"{self.where}: column '{column}' holds '{cell}', where a number is to stand"
                    )

    def refuse_other_labels(
        self, column: str, strange: Sequence[str], labels: Collection[str]
    ) -> None:
        """Raise `UserError`: the sample's answers and train's labels have nothing in common."""
        classes = sorted(labels)
        ways = {"sets" if self.kind == "multi" else "labels": "train's labels"}
        one = self.kind != "multi" and len(self.labels) == 1
        if one and len(classes) == 2 and all_numbers(strange):
            positive, _ = positive_of(classes, column)
            ways["probabilities"] = f"that of '{positive}'"
            ways["one_hot"] = f"1 for '{positive}', 0 for the other"
        lines = ", ".join(f'answers = "{style}" ({what})' for style, what in ways.items())
        alike = [
            f"'{one}' is like '{other}'" for one, other in match_names(strange, classes).items()
        ]
        hint = f" ({shorten_list(alike)})" if alike else ""
        raise UserError(
            f"{self.where}: column '{column}' holds {shorten_list(quoted(strange))}, none of train's "
            f"labels {shorten_list(quoted(classes))}{hint}; make them the same in one of the two, or "
            f"say what is to be written: {lines}"
        )


def separator_of(cells: Sequence[str], labels: Collection[str]) -> str | None:
    """What joins labels in the cells, most of which are train's; None where nothing does.

    >>> separator_of(["w_1 w_2", "w_3"], ["w_1", "w_2", "w_3"])
    ' '
    """
    for separator in SEPARATORS:
        lists = [cell.split(separator) for cell in cells if separator in cell]
        tokens = {token.strip() for parts in lists for token in parts} - {""}
        if tokens and sum(match_label(t, labels) is not None for t in tokens) > len(tokens) / 2:
            return separator + " " * all(f"{separator} " in c for c in cells if separator in c)
    return None
