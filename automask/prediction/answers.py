"""Predictions as a table for people and programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from automask.errors import UserError
from automask.prediction.contents import Contents, Rejection
from automask.storage.files import atomic_write
from automask.target import Multi, Number

#: Between the labels of a row that has several.
SEPARATOR = " "


@dataclass(frozen=True)
class Predictions:
    """What a model says of n images: `values` `[n, C]`, not-a-number in rows that can't be read, whose
    reasons are in `unreadable` by row."""

    values: np.ndarray
    unreadable: dict[int, str]


def table(
    contents: Contents,
    predictions: Predictions,
    names: Sequence[str],
    top: int | None = None,
    probabilities: bool = False,
    reject: float | None = None,
) -> pd.DataFrame:
    """A row an image: `image`, a column an attribute with the answer, and `probability`, that of the
    answer.

    With `top` the so many likeliest classes and their probabilities, with `probabilities` a column a
    class. `reject` leaves the answers of rows blank that aren't sure enough for those answered to be
    right in that share of out-of-fold rows. Rows that can't be read have a reason in `error`.
    Raises `UserError` where the target has no such thing, or where that share isn't reached.
    """
    kind, attributes = contents.answers.kind, contents.answers.attributes
    values = predictions.values
    exclusive = kind.exclusive
    if not exclusive and (top is not None or reject is not None):
        raise UserError(f"--top and --reject are for one class a row, and here it's {kind.phrase}")
    answered = ~np.isnan(values[:, 0])
    columns: dict[str, Any] = {"image": list(names)}
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
    if predictions.unreadable:
        columns["error"] = [predictions.unreadable.get(row) for row in range(len(values))]
    return pd.DataFrame(columns)


def threshold(rejection: Rejection | None, share: float) -> float:
    """The least confidence at which so large a share of the out-of-fold rows answered is right."""
    if not 0 < share <= 1:
        raise UserError(f"--reject {share:g}: a share that is right, such as 0.95")
    if rejection is None:
        raise UserError(
            "--reject: this model has no out-of-fold rows of single pictures to tell it by"
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
    if file.is_dir() or not file.absolute().parent.is_dir():
        raise UserError(f"{file}: can't be written: give a file in a folder that is there")
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
