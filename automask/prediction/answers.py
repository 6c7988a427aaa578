"""Predictions as a table for people and programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from automask.data.pooling import Pooling
from automask.errors import UserError
from automask.listener import note
from automask.prediction.contents import Contents, Rejection
from automask.storage.files import atomic_write, check_place
from automask.target import Multi, Number

#: Between the labels of a row that has several.
SEPARATOR = " "


@dataclass(frozen=True)
class Predictions:
    """What a model says of n images: `values` `[n, C]` or, of several pictures of a thing, `[U, C]` as
    `pooling` has them; not-a-number in rows of which nothing could be `read` `[n]`. `problems` says by
    image why it couldn't be read to its end."""

    values: np.ndarray
    problems: dict[int, str]
    read: np.ndarray
    pooling: Pooling | None = None

    @property
    def reasons(self) -> dict[int, str]:
        """The problems by row of `values`."""
        place = np.arange(len(self.read)) if self.pooling is None else self.pooling.unit_of_row
        reasons: dict[int, list[str]] = {}
        for image in sorted(self.problems):
            reasons.setdefault(int(place[image]), []).append(self.problems[image])
        return {row: "; ".join(lines) for row, lines in reasons.items()}


def table(
    contents: Contents,
    predictions: Predictions,
    names: Sequence[str],
    top: int | None = None,
    probabilities: bool = False,
    reject: float | None = None,
) -> pd.DataFrame:
    """A row an image: `image`, a column an attribute with the answer, and `probability`, that of the
    answer. Of several pictures of a thing a row a thing: `unit` and its number of `images`; `names` are
    of the images, or each one's unit.

    With `top` the so many likeliest classes and their probabilities, with `probabilities` a column a
    class. `reject` leaves the answers of rows blank that aren't sure enough for those answered to be
    right in that share of out-of-fold rows. Rows with an image that can't be read to its end have a
    reason in `error`. Raises `UserError` where the target has no such thing, or where that share isn't
    reached.
    """
    kind, attributes = contents.answers.kind, contents.answers.attributes
    values = predictions.values
    exclusive = kind.exclusive
    if not exclusive and (top is not None or reject is not None):
        raise UserError(f"--top and --reject are for one class a row, and here it's {kind.phrase}")
    if contents.pooled and predictions.pooling is None:
        sentence = "the model was scored on things with all of their pictures"
        hint = "say which belong together with --unit COLUMN (units=)"
        if reject is not None:
            raise UserError(f"--reject: {sentence}: {hint}")
        note(f"{sentence}, and here each picture is answered by itself: {hint}")
    answered = ~np.isnan(values[:, 0])
    columns = _names(predictions, names)
    if reject is not None:
        answered &= values.max(1) >= threshold(contents.rejection, reject)
    for name, texts in _answers(contents, values).items():
        columns[name] = [text if yes else None for text, yes in zip(texts, answered, strict=True)]
    if exclusive:
        columns["probability"] = values.max(1)
        order = np.argsort(-np.nan_to_num(values), axis=1, kind="stable")
        for rank in range(min(top or 0, values.shape[1])):
            labels = [attributes.describe(label) for label in order[:, rank].tolist()]
            readable = ~np.isnan(values[:, 0])
            columns[f"top{rank + 1}"] = [
                text if yes else None for text, yes in zip(labels, readable, strict=True)
            ]
            columns[f"probability{rank + 1}"] = np.take_along_axis(values, order, 1)[:, rank]
    if probabilities and not isinstance(kind, Number):
        for label in range(values.shape[1]):
            columns[f"p({attributes.describe(label)})"] = values[:, label]
    if reasons := predictions.reasons:
        columns["error"] = [reasons.get(row) for row in range(len(values))]
    return pd.DataFrame(columns)


def _names(predictions: Predictions, names: Sequence[str]) -> dict[str, Any]:
    """The columns that say what a row is of."""
    pooling = predictions.pooling
    if pooling is None:
        return {"image": list(names)}
    counts = np.bincount(pooling.unit_of_row[predictions.read], minlength=len(pooling.first))
    return {"unit": [names[row] for row in pooling.first.tolist()], "images": counts}


def threshold(rejection: Rejection | None, share: float) -> float:
    """The least confidence at which so large a share of the out-of-fold rows answered is right."""
    if not 0 < share <= 1:
        raise UserError(f"--reject {share:g}: a share that is right, such as 0.95")
    if rejection is None:
        raise UserError(
            "--reject: this model has no figures of out-of-fold rows to tell it by: export it again"
        )
    reached = [
        c for c, p in zip(rejection.confidence, rejection.precision, strict=True) if p >= share
    ]
    if not reached:
        raise UserError(
            f"--reject {share:g}: out of fold at most {max(rejection.precision):.3f} of the rows "
            "answered were right, at any confidence"
        )
    return min(reached)


def _answers(contents: Contents, values: np.ndarray) -> dict[str, list[Any]]:
    """The answer of each row, a column an attribute."""
    kind, attributes = contents.answers.kind, contents.answers.attributes
    decided = kind.decide(np.nan_to_num(values))
    if isinstance(kind, Number):
        return {attributes.names[0]: decided.tolist()}
    if isinstance(kind, Multi):
        labels = np.array([attributes.describe(i) for i in range(values.shape[1])], object)
        return {attributes.names[0]: [SEPARATOR.join(labels[row > 0]) for row in decided]}
    texts = [attributes.combination(label) for label in range(values.shape[1])]
    return {
        name: [texts[label][index] for label in decided.tolist()]
        for index, name in enumerate(attributes.names)
    }


def write(frame: pd.DataFrame, file: Path) -> None:
    """Write a table as CSV or, by the file's name, parquet; an older one goes once it is whole."""
    check_place(file)
    try:
        with atomic_write(file) as beside:
            if file.suffix.lower() == ".parquet":
                frame.to_parquet(beside, index=False)
            else:
                frame.to_csv(beside, index=False)
    except ImportError as error:
        raise UserError(f"{file}: writing parquet needs: pip install pyarrow") from error
    except OSError as error:
        raise UserError(f"{file}: can't be written: {error.strerror or error}") from error
