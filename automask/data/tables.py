"""What a reader plugin returns: the rows of train and test, and the submission's layout."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def _no_columns() -> pd.DataFrame:
    # Plugins are listed without pandas.
    import pandas as pd

    return pd.DataFrame()


@dataclass(frozen=True)
class Rows:
    """N images and what is known of each.

    `attributes` has a text column for each target (none for a test table), `groups` joins rows that
    must stay on one side of a split, `extra` keeps the table's other columns as they were read.
    Rows that share one of the `units` are pictures of one thing, which is predicted, scored and answered
    once; `folds` are the user's own, by any names.
    """

    ids: list[str]
    paths: list[Path]
    attributes: pd.DataFrame = field(default_factory=_no_columns)
    groups: list[str] | None = None
    units: list[str] | None = None
    folds: list[str] | None = None
    extra: pd.DataFrame = field(default_factory=_no_columns)

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: Sequence[int]) -> Rows:
        """Some of the rows, in that order."""

        def some(column: list[Any] | None) -> Any:
            return None if column is None else [column[row] for row in rows]

        def part(frame: pd.DataFrame) -> pd.DataFrame:
            return frame.iloc[list(rows)].reset_index(drop=True) if len(frame) else frame

        lists = {name: some(getattr(self, name)) for name in ("groups", "units", "folds")}
        frames = part(self.attributes), part(self.extra)
        return Rows(some(self.ids), some(self.paths), frames[0], **lists, extra=frames[1])


@dataclass(frozen=True)
class Numeric:
    """The numbers behind a target whose classes are bands of them.

    `values` [N] of the train rows, in a unit of their own; `limits` [L], ascending, between the bands,
    a limit itself belonging to the band above it; `bands` [L + 1] the bands' texts, from the lowest.
    """

    values: np.ndarray
    limits: tuple[float, ...]
    bands: tuple[str, ...]

    @property
    def texts(self) -> list[str]:
        """`[N]` the text of each value's band."""
        import numpy as np

        return [self.bands[i] for i in np.searchsorted(self.limits, self.values, side="right")]


@dataclass(frozen=True)
class Form:
    """How a submission says its answers, in the columns of the sample that aren't its id.

    `style` is one of

    - ``labels``: a column an attribute (or one with a code for each combination) has a label's text;
    - ``probabilities``: each of `columns` has the probability of the class or label that it maps to;
      one column is the positive class's. They sum to 1 where they are those of all classes;
    - ``one_hot``: the same columns with 1 for what is answered and 0 elsewhere;
    - ``sets``: one column has the labels of a row joined by `separator`, `empty` where it has none;
    - ``top``: one column has the `most` likeliest classes, the likeliest first, so joined;
    - ``numbers``: one column has a number.
    """

    style: str = "labels"
    columns: Mapping[str, str] = field(default_factory=dict)
    separator: str = " "
    empty: str = ""
    most: int = 1


@dataclass(frozen=True)
class Tables:
    """A data folder as its reader understood it.

    `sample` is the sample submission as text, its columns and rows in its own order; `id_column` is
    its column of ids. `codes` gives, for a sample that wants one number for several attributes, the
    text to write for each combination. `form` is how the sample says its answers.

    `kind` is what a row is asked for: "single" (train's attributes are columns of classes), "multi"
    (they are a column a label, of "0" and "1") or "number" (they are one column of numbers, as text).
    A metric may yet make grades, or numbers, of classes that are numbers. `metric` is the one that
    suits, where it isn't the usual one. `numbers` are those behind train's targets, for targets that
    are bands of a number.

    `arguments` are the reader's hyperparameters that say the same without guessing, for
    ``automask.toml``; `notes` tells what was guessed, a sentence each.
    """

    train: Rows
    test: Rows | None = None
    sample: pd.DataFrame | None = None
    id_column: str = "id"
    codes: Mapping[tuple[str, ...], str] | None = None
    kind: str = "single"
    form: Form = field(default_factory=Form)
    metric: str = ""
    numbers: Mapping[str, Numeric] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def without(self, ids: Collection[str]) -> Tables:
        """The same without those train rows."""
        rows = [row for row, name in enumerate(self.train.ids) if name not in ids]
        numbers = {k: replace(n, values=n.values[rows]) for k, n in self.numbers.items()}
        return replace(self, train=self.train.take(rows), numbers=numbers)
