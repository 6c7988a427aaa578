"""The submission file: made in the sample's layout, checked, then written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from automask.data.dataset import Dataset
from automask.errors import UserError
from automask.report import cells
from automask.storage.files import atomic_write, check_place


def answered_rows(data: Dataset, prediction: np.ndarray) -> tuple[list[str], np.ndarray]:
    """The ids that a submission answers, and their predictions among those of the test rows `[M, C]`:
    a row each or, of several pictures of a thing, a row a thing."""
    assert data.test is not None
    if data.test_pooling is None or data.test.units is None:
        return data.test.ids, prediction
    first = data.test_pooling.first
    return [data.test.units[row] for row in first], prediction[first]


def table(data: Dataset, ids: list[str], prediction: np.ndarray) -> pd.DataFrame:
    """What is predicted of each row `[M, C]`, in the columns and the form that the competition wants.

    These are the sample's, in its order; without a sample, the id and the columns of the data's form.
    """
    if data.form.style != "labels":
        return arrange(data, ids, cells.write_cells(data, prediction))
    labels = data.target.decide(prediction)
    names = data.attributes.names
    texts = [data.attributes.combination(label) for label in range(prediction.shape[1])]
    answers = {name: [texts[label][index] for label in labels] for index, name in enumerate(names)}
    return lay_out(data, ids, answers)


def lay_out(
    data: Dataset, ids: list[str], answers: Mapping[str, Sequence[str] | np.ndarray]
) -> pd.DataFrame:
    """The rows as the competition wants them, from the answers of each attribute by name, or of each
    column in any other style than labels.

    Raises `UserError` where the sample asks for other ids, or for a combination that has no code.
    """
    names = data.attributes.names
    if data.form.style == "labels" and data.sample is not None:
        wanted = [column for column in data.sample.columns if column != data.id_column]
        if data.codes is not None:
            combined = list(zip(*(answers[name] for name in names), strict=True))
            if uncoded := sorted(set(combined) - data.codes.keys()):
                raise UserError(f"the competition has no class for {' × '.join(uncoded[0])}")
            answers = {wanted[0]: [data.codes[texts] for texts in combined]}
        elif len(names) == 1:
            answers = {cells.answer_name(data): answers[names[0]]}
    return arrange(data, ids, answers)


def arrange(
    data: Dataset, ids: list[str], answers: Mapping[str, Sequence[str] | np.ndarray]
) -> pd.DataFrame:
    """The rows in the sample's order, with its columns; `UserError` where it asks for other ids."""
    frame = pd.DataFrame({data.id_column: ids, **answers})
    if data.sample is None:
        return frame
    order = pd.Index(frame[data.id_column])
    extra = [c for c in data.sample.columns if c != data.id_column and c not in answers]
    rows = order.get_indexer(pd.Index(data.sample[data.id_column]))
    if (rows < 0).any():
        missing = data.sample[data.id_column][rows < 0].tolist()
        raise UserError(
            f"the sample submission asks for {len(missing)} ids that the test table lacks, such as "
            f"{', '.join(missing[:3])}"
        )
    frame = frame.iloc[rows].reset_index(drop=True)
    # Columns of the sample that no target answers stay as they are.
    table: pd.DataFrame = frame.assign(**data.sample[extra])[list(data.sample.columns)]
    return table


def out_of_fold(data: Dataset, prediction: np.ndarray) -> pd.DataFrame:
    """Each train row with what is true and predicted: attributes and the likeliest class's probability;
    or labels of 0 and 1, each with its probability; or a number."""
    answers = data.target.decide(prediction)
    columns: dict[str, object] = {data.id_column: data.train.ids}
    if data.target.exclusive:
        for index, name in enumerate(data.attributes.names):
            values = np.array(data.attributes.values[index])
            columns[name] = values[data.attributes.classes[data.labels, index]]
            columns[f"predicted_{name}"] = values[data.attributes.classes[answers, index]]
        return pd.DataFrame(columns).assign(probability=prediction.max(1).round(4))
    truth, answers = (table.reshape(len(table), -1) for table in (data.labels, answers))
    for index, name in enumerate(cells.class_names(data)):
        columns[name], columns[f"predicted_{name}"] = truth[:, index], answers[:, index]
        if prediction.shape[1] > 1:
            columns[f"probability_{name}"] = prediction[:, index].round(4)
    return pd.DataFrame(columns)


def check(frame: pd.DataFrame, data: Dataset) -> None:
    """Raise `UserError` with every way in which `frame` isn't what the competition wants."""
    if sentences := mistakes(frame, data):
        raise UserError("the submission wasn't written: " + "; ".join(sentences))


def mistakes(frame: pd.DataFrame, data: Dataset) -> list[str]:
    """Every way in which `frame` isn't what the competition wants, in words."""
    sentences = []
    sample = data.sample
    if sample is not None:
        if list(frame.columns) != list(sample.columns):
            sentences.append(f"columns are {list(frame.columns)}, not {list(sample.columns)}")
        elif len(frame) != len(sample):
            sentences.append(f"{len(frame)} rows, not {len(sample)}")
        elif (differs := (frame[data.id_column] != sample[data.id_column])).any():
            sentences.append(
                f"ids differ from the sample's from row {int(differs.argmax()) + 2} on"
            )
    for name, column in cells.columns_of(data).items():
        texts = list(map(str, frame[name])) if name in frame else []
        read = column.read(texts)
        strange = sorted({text for text, cell in zip(texts, read, strict=True) if cell is None})
        if strange:
            sentences.append(
                f"column {name} has what is {column.phrase} train: {', '.join(strange[:3])}"
                if column.style != "labels"
                else f"column {name} has unknown labels: {', '.join(strange[:3])}"
            )
    return sentences


def write(frame: pd.DataFrame, file: Path) -> None:
    """Write the CSV, replacing an older one only when the new one is whole."""
    put(file, lambda beside: frame.to_csv(beside, index=False))


def put(file: Path, make: Callable[[Path], object]) -> None:
    """Let `make` write a file, which replaces an older one only when it is whole."""
    check_place(file)
    try:
        with atomic_write(file) as beside:
            make(beside)
    except OSError as error:
        raise UserError(f"{file}: can't be written: {error.strerror or error}") from error
