"""Submissions in every form: written, checked, voted on, merged and compared."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from automask.data import dataset
from automask.data.csv_file import read_csv
from automask.data.tables import Form, Rows, Tables
from automask.errors import UserError
from automask.report import answers, comparison, submission
from automask.report.layout import layout_of_data
from automask.report.votes import merge, vote

IDS = ["x", "y", "z"]


def rows(ids, attributes=None):
    frame = pd.DataFrame(attributes or {}, dtype=str)
    return Rows(ids=ids, paths=[Path(f"{name}.jpg") for name in ids], attributes=frame)


def data(attributes, sample, form, kind="single", metric="macro_f1"):
    """Train rows with these labels, three test rows, and a sample submission."""
    count = len(next(iter(attributes.values())))
    tables = Tables(
        rows([f"a{index}" for index in range(count)], attributes),
        rows(IDS),
        sample=None if sample is None else pd.DataFrame(sample, dtype=str),
        form=form,
        kind=kind,
    )
    return dataset.prepare(tables, metric)


def breeds(style="probabilities"):
    sample = {"id": ["z", "x", "y"], "pug": "0", "poodle": "0", "boxer": "0"}
    columns = {"pug": "pug", "poodle": "", "boxer": "boxer"}
    return data({"breed": ["pug", "boxer"]}, sample, Form(style, columns))


def leaves(form, sample=None):
    labels = {"rust": ["1", "0", "1"], "scab": ["0", "1", "1"], "complex": ["1", "0", "0"]}
    return data(labels, sample, form, "multi", "roc_auc")


def sets():
    return leaves(Form("sets", {"labels": "labels"}), {"id": IDS, "labels": "rust"})


def weights():
    form = Form("numbers", {"weight": "weight"})
    return data(
        {"weight": ["1", "2", "4"]}, {"id": IDS, "weight": "0"}, form, "number", metric="rmse"
    )


def write(folder, name, **columns):
    pd.DataFrame({"id": IDS, **columns}).to_csv(folder / name, index=False)
    return folder / name


class TestWritten:
    def test_probabilities_in_the_samples_columns_and_order(self):
        # Columns of a prediction are boxer, pug: by their texts.
        one = breeds()
        frame = submission.table(one, IDS, np.array([[0.25, 0.75], [1.0, 0.0], [0.5, 0.5]]))
        assert list(frame) == ["id", "pug", "poodle", "boxer"]
        assert frame["id"].tolist() == ["z", "x", "y"]
        assert frame["pug"].round(9).tolist() == [0.5, 0.75, 0.0]
        shares = frame[["pug", "poodle", "boxer"]]
        assert shares.sum(axis=1).sub(1).abs().max() < 1e-9
        # Log loss of a certain mistake would be infinite.
        assert shares.min(None) > 0 and shares.max(None) < 1
        assert math.isfinite(np.log(shares).min(None))
        submission.check(frame, one)

    def test_the_positive_class_in_one_column(self):
        form = Form("probabilities", {"label": "cat"})
        one = data({"label": ["dog", "cat"]}, {"id": IDS, "label": "0.5"}, form)
        frame = submission.table(one, IDS, np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]]))
        assert frame["label"].tolist() == [0.9, 0.2, 0.5]

    def test_a_one_for_the_answer(self):
        frame = submission.table(breeds("one_hot"), IDS, np.array([[0.2, 0.8], [0.9, 0.1], [1, 0]]))
        assert frame.to_numpy().tolist() == [["z", 0, 0, 1], ["x", 1, 0, 0], ["y", 0, 0, 1]]

    def test_labels_joined_in_one_cell(self):
        frame = submission.table(sets(), IDS, np.array([[0.9, 0.1, 0.8], [0.1, 0.6, 0.2], [0] * 3]))
        assert frame["labels"].tolist() == ["rust complex", "scab", ""]

    def test_a_column_a_label_without_a_sample(self):
        names = ("rust", "scab", "complex")
        one = leaves(Form("one_hot", {name: name for name in names}))
        frame = submission.table(one, IDS, np.array([[0.9, 0.1, 0.8], [0.1, 0.6, 0.2], [0] * 3]))
        assert list(frame) == ["id", *names]
        assert frame[list(names)].to_numpy().tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 0]]

    def test_the_likeliest_classes(self):
        form = Form("top", {"Id": "Id"}, most=2)
        one = data({"Id": ["w1", "w2", "w3"]}, {"id": IDS, "Id": "w1 w2"}, form)
        table = np.array([[0.1, 0.3, 0.6], [0.4, 0.4, 0.2], [1, 0, 0]])
        assert submission.table(one, IDS, table)["Id"].tolist() == ["w3 w2", "w1 w2", "w1 w2"]

    def test_numbers(self):
        frame = submission.table(weights(), IDS, np.array([[1.5], [2.0], [0.1]], np.float32))
        assert frame["weight"].tolist() == [1.5, 2.0, 0.1]

    def test_out_of_fold_rows_of_labels_and_numbers(self):
        table = np.array([[0.9, 0.1, 0.8], [0.1, 0.6, 0.2], [0.7, 0.6, 0.2]])
        frame = submission.out_of_fold(leaves(Form("one_hot")), table)
        assert frame["rust"].tolist() == frame["predicted_rust"].tolist() == [1, 0, 1]
        assert frame["probability_scab"].tolist() == [0.1, 0.6, 0.6]
        frame = submission.out_of_fold(weights(), np.array([[1.0], [2.5], [4.0]]))
        assert frame["predicted_weight"].tolist() == [1.0, 2.5, 4.0]


@pytest.mark.parametrize(
    ("one", "columns", "why"),
    [
        (breeds, {"pug": "1.5", "poodle": "0", "boxer": "0"}, "no probability"),
        (breeds, {"pug": "nan", "poodle": "0", "boxer": "0"}, "no probability"),
        (lambda: breeds("one_hot"), {"pug": "0.5", "poodle": "0", "boxer": "0"}, "neither 0 nor 1"),
        (sets, {"labels": "rust moss"}, "no list of labels"),
        (weights, {"weight": "heavy"}, "no number"),
    ],
)
def test_cells_that_are_no_answer(one, columns, why, tmp_path):
    layout = layout_of_data(one())
    file = write(tmp_path, "a.csv", **columns)
    with pytest.raises(UserError, match=f"lines 2, 3, 4: '.*' is {why}"):
        answers.align_answers(read_csv(file), layout)
    frame = pd.read_csv(file, dtype=str)
    assert any(why in sentence for sentence in submission.mistakes(frame, one()))


def test_equal_numbers_are_equal_labels(tmp_path):
    one = data({"label": ["0", "1"]}, {"id": IDS, "label": "0"}, Form())
    a = write(tmp_path, "a.csv", label=["0", "1", "1"])
    b = write(tmp_path, "b.csv", label=["0.0", "1.0", "0.0"])
    for known in (one, None):
        assert comparison.compare(a, b, known).differs.tolist() == [False, False, True]
    assert vote([b, b, a], None, one).frame["label"].tolist() == ["0", "1", "0"]


class TestVote:
    def test_probabilities_are_averaged(self, tmp_path):
        files = [
            write(tmp_path, "a.csv", pug=[0.9, 0.2, 0.5], poodle=0, boxer=[0.1, 0.8, 0.5]),
            write(tmp_path, "b.csv", pug=[0.7, 0.6, 0.5], poodle=0, boxer=[0.3, 0.4, 0.5]),
        ]
        result = vote(files, [3, 1], breeds())
        # In the sample's order: z, x, y.
        assert result.frame["pug"].tolist() == pytest.approx([0.5, 0.85, 0.3])
        assert (result.method, result.unanimous, result.tied) == ("mean", 2, 0)
        submission.check(result.frame, breeds())
        assert vote(files, None, None).frame["pug"].tolist() == pytest.approx([0.8, 0.4, 0.5])

    def test_numbers_are_averaged(self, tmp_path):
        files = [write(tmp_path, f"{k}.csv", weight=[1, 2 + k, 3.5]) for k in range(2)]
        result = vote(files, None, weights())
        assert result.frame["weight"].tolist() == [1, 2.5, 3.5]
        assert result.unanimous == 2

    def test_labels_are_voted_on_one_by_one(self, tmp_path):
        cells = (["rust scab", "", "rust"], ["scab", "complex", "rust"], ["rust", "scab", "rust"])
        files = [write(tmp_path, f"{k}.csv", labels=texts) for k, texts in enumerate(cells)]
        result = vote(files, None, sets())
        assert result.frame["labels"].tolist() == ["rust scab", "", "rust"]
        assert result.unanimous == 1
        # Of two files the earlier counts where they differ.
        assert vote(files[:2], None, sets()).frame["labels"].tolist() == ["rust scab", "", "rust"]
        assert vote(files[:2], None, sets()).tied == 2

    def test_lists_of_the_likeliest_are_refused(self, tmp_path):
        form = Form("top", {"Id": "Id"}, most=2)
        one = data({"Id": ["w1", "w2", "w3"]}, {"id": IDS, "Id": "w1 w2"}, form)
        file = write(tmp_path, "a.csv", Id=["w1 w2", "w2 w3", "w3"])
        with pytest.raises(UserError, match="list the likeliest classes"):
            vote([file, file], None, one)


def test_columns_of_classes_are_merged(tmp_path):
    a = write(tmp_path, "a.csv", pug=[0.9, 0.2, 0.5], poodle=0)
    b = write(tmp_path, "b.csv", boxer=[0.1, 0.8, 0.5])
    frame = merge([a, b], breeds())
    assert list(frame) == ["id", "pug", "poodle", "boxer"]
    assert frame["boxer"].astype(float).tolist() == [0.5, 0.1, 0.8]
    with pytest.raises(UserError, match="no file answers 'boxer'"):
        merge([a], breeds())


class TestCompare:
    def test_probabilities_by_what_is_likeliest_and_by_distance(self, tmp_path):
        a = write(tmp_path, "a.csv", pug=[0.9, 0.2, 0.5], poodle=0, boxer=[0.1, 0.8, 0.4])
        b = write(tmp_path, "b.csv", pug=[0.7, 0.6, 0.5], poodle=0, boxer=[0.3, 0.4, 0.4])
        for one in (breeds(), None):
            compared = comparison.compare(a, b, one)
            assert compared.differs.sum() == 1
            [flow] = compared.flows
            assert (flow.source, flow.target) == ("boxer", "pug")
            by_name = {distance.column: distance for distance in compared.distances}
            assert by_name["pug"].mean == pytest.approx(0.2)
            assert by_name["pug"].largest == pytest.approx(0.4)

    def test_one_column_by_a_half(self, tmp_path):
        form = Form("probabilities", {"label": "cat"})
        one = data({"label": ["dog", "cat"]}, {"id": IDS, "label": "0.5"}, form)
        a = write(tmp_path, "a.csv", label=[0.9, 0.2, 0.4])
        b = write(tmp_path, "b.csv", label=[0.8, 0.3, 0.6])
        [flow] = comparison.compare(a, b, one).flows
        assert (flow.source, flow.target) == ("dog", "cat")

    def test_labels_by_label(self, tmp_path):
        a = write(tmp_path, "a.csv", labels=["rust scab", "", "rust"])
        b = write(tmp_path, "b.csv", labels=["scab rust", "complex", "scab"])
        compared = comparison.compare(a, b, sets())
        # The order of labels doesn't matter.
        assert compared.differs.tolist() == [False, True, True]
        counts = {n: sum(f.rows for f in f_) for n, f_ in compared.attribute_flows.items()}
        assert counts == {"rust": 1, "scab": 1, "complex": 1}
        assert {flow.source for flow in compared.flows} == {"no label", "rust"}

    def test_numbers_by_distance(self, tmp_path):
        a = write(tmp_path, "a.csv", weight=[1, 2, 3.5])
        b = write(tmp_path, "b.csv", weight=[1.0, 2.5, 3.5])
        for one in (weights(), None):
            compared = comparison.compare(a, b, one)
            assert compared.differs.tolist() == [False, True, False]
            [distance] = compared.distances
            assert distance.mean == pytest.approx(0.5 / 3)
