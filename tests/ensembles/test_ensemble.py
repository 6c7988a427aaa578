"""Blends, their honest scores, and the submission file."""

import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from automask import scoring
from automask.cli.ensemble import show_classes
from automask.data import dataset
from automask.data.tables import Rows
from automask.ensembles import ensemble
from automask.ensembles.ensemble import Member
from automask.errors import UserError
from automask.report import evaluation, submission
from automask.space import registry
from helpers.competition import tables
from helpers.probabilities import macro_f1, noisy


@pytest.fixture
def crowd():
    rng = np.random.default_rng(0)
    target = rng.integers(0, 4, 300)
    members = [
        Member(
            k,
            None,
            noisy(target, 4, 1.0 + 0.1 * k, k),
            lambda k=k: noisy(target[:50], 4, 1.0, 50 + k),
        )
        for k in range(8)
    ]
    return target, members, np.arange(300) % 5


def fit(crowd, method, top=8):
    target, members, folds = crowd
    return ensemble.fit({"none": members}, target, folds, None, macro_f1, method, top)


def test_greedy_beats_its_best_member_on_data_where_errors_differ(crowd):
    blended = fit(crowd, "greedy")
    assert blended.plain.value > blended.single.value
    assert blended.nested.value > blended.single.value
    assert blended.weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(blended.test.sum(1), 1)


def test_greedy_is_never_below_the_best_member_on_the_rows_it_saw():
    for seed in range(10):
        rng = np.random.default_rng(seed)
        target = rng.integers(0, 3, 40)
        table = np.stack([noisy(target, 3, 0.5, seed * 10 + k) for k in range(5)])
        function = registry.get("ensemble", "greedy").function
        blend = function(table, target, macro_f1, rng, bags=1, share=1.0)
        best = max(macro_f1(target, member) for member in table)
        assert macro_f1(target, blend(table)) >= best - 1e-12


def test_the_nested_score_is_blind_to_the_rows_scored():
    """On pure noise, choosing among many looks good out of fold, and nested does not."""
    rng = np.random.default_rng(1)
    target = rng.integers(0, 2, 60)
    members = [
        Member(k, None, rng.dirichlet([1, 1], 60), lambda: np.zeros((0, 2))) for k in range(60)
    ]
    accuracy = registry.get("metric", "accuracy").function
    blended = ensemble.fit(
        {"none": members}, target, np.arange(60) % 5, None, accuracy, "greedy", 60
    )
    assert blended.plain.value > 0.75
    assert blended.nested.value < 0.65


def test_only_the_top_members_join(crowd):
    assert len(fit(crowd, "mean", top=3).members) == 3
    assert fit(crowd, "best").plain.value == fit(crowd, "best").single.value


def test_an_interval_widens_where_rows_come_in_groups():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 10)
    target = rng.integers(0, 2, 300)
    right = np.repeat(rng.random(30) < 0.7, 10)
    probability = np.eye(2)[np.where(right, target, 1 - target)]
    accuracy = registry.get("metric", "accuracy").function
    by_row = scoring.score(accuracy, target, probability, None)
    by_group = scoring.score(accuracy, target, probability, groups)
    assert by_row.low <= by_row.value <= by_row.high
    assert by_group.high - by_group.low > 2 * (by_row.high - by_row.low)


def with_sample(sample, labels=None, codes=None):
    made = tables(
        labels or {"label": ["01", "2"]},
        test=Rows(["x", "y"], []),
        sample=sample,
        id_column="id",
        codes=codes,
    )
    return dataset.prepare(made)


def test_the_submission_has_the_samples_columns_and_order():
    sample = pd.DataFrame({"who": ["u", "u"], "id": ["y", "x"], "kind": ["a", "a"]})
    prepared = with_sample(sample, {"kind": ["a", "b", "b"], "who": ["u", "u", "v"]})
    frame = submission.table(prepared, ["x", "y"], np.array([[0.1, 0.2, 0.7], [0.9, 0.1, 0.0]]))
    assert frame.to_dict("list") == {"who": ["u", "v"], "id": ["y", "x"], "kind": ["a", "b"]}
    submission.check(frame, prepared)


def test_label_text_stays_as_it_is(tmp_path):
    sample = pd.DataFrame({"id": ["x", "y"], "answer": ["", ""]})
    prepared = with_sample(sample)
    frame = submission.table(prepared, ["x", "y"], np.array([[0.9, 0.1], [0.2, 0.8]]))
    submission.write(frame, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == "id,answer\nx,01\ny,2\n"


def test_combinations_become_the_codes_of_the_competition():
    sample = pd.DataFrame({"id": ["x", "y"], "ans": ["0", "0"]})
    codes = {("a", "u"): "0", ("a", "v"): "1", ("b", "u"): "2", ("b", "v"): "3"}
    prepared = with_sample(sample, {"kind": ["a", "b"], "who": ["v", "u"]}, codes)
    frame = submission.table(prepared, ["x", "y"], np.array([[0.9, 0.1], [0.2, 0.8]]))
    assert frame["ans"].tolist() == ["1", "2"]


def test_a_wrong_submission_is_told():
    sample = pd.DataFrame({"id": ["x", "y"], "label": ["2", "2"]})
    prepared = with_sample(sample)
    good = submission.table(prepared, ["x", "y"], np.array([[0.9, 0.1], [0.2, 0.8]]))
    for wrong, word in [
        (good.rename(columns={"label": "lable"}), "columns are"),
        (good.iloc[:1], "1 rows, not 2"),
        (good.iloc[::-1].reset_index(drop=True), "ids differ from the sample's from row 2"),
        (good.assign(label=["01", "3"]), "unknown labels: 3"),
    ]:
        with pytest.raises(UserError, match=word):
            submission.check(wrong, prepared)


def test_sample_ids_that_the_test_table_lacks_are_named():
    sample = pd.DataFrame({"id": ["x", "z"], "label": ["2", "2"]})
    with pytest.raises(UserError, match="lacks, such as z"):
        submission.table(with_sample(sample), ["x", "y"], np.array([[0.9, 0.1], [0.2, 0.8]]))


def test_columns_that_no_target_answers_stay_as_the_sample_has_them():
    sample = pd.DataFrame({"id": ["y", "x"], "label": ["2", "2"], "confidence": ["0.5", "0.7"]})
    prepared = with_sample(sample)
    frame = submission.table(prepared, ["x", "y"], np.array([[0.9, 0.1], [0.2, 0.8]]))
    assert frame["confidence"].tolist() == ["0.5", "0.7"]
    assert frame["label"].tolist() == ["2", "01"]
    submission.check(frame, prepared)


def test_an_older_submission_stays_where_the_new_one_cannot_be_whole(tmp_path):
    file = tmp_path / "out.csv"
    file.write_text("older")

    class Torn(pd.DataFrame):
        def to_csv(self, path, **kwargs):
            path.write_text("half")
            raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match="No space left"):
        submission.write(Torn({"id": ["x"]}), file)
    assert file.read_text() == "older"
    assert list(tmp_path.iterdir()) == [file]
    for wrong in (tmp_path, tmp_path / "no/such/file.csv"):
        with pytest.raises(UserError, match="can't be written"):
            submission.write(pd.DataFrame(), wrong)


def test_a_class_is_scored_also_where_it_is_never_said_or_has_no_rows():
    target, said = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 1, 1, 3])
    found = scoring.by_class(target, said, ["a", "b", "unsaid", "rowless", "neither"])
    figures = {row.name: (row.rows, row.precision, row.recall, row.f1) for row in found}
    assert figures["a"] == pytest.approx((2, 1.0, 0.5, 2 / 3))
    assert figures["b"] == pytest.approx((2, 2 / 3, 1.0, 0.8))
    assert figures["unsaid"] == pytest.approx((1, np.nan, 0.0, 0.0), nan_ok=True)
    assert figures["rowless"] == pytest.approx((0, 0.0, np.nan, 0.0), nan_ok=True)
    assert figures["neither"] == pytest.approx((0, np.nan, np.nan, np.nan), nan_ok=True)


def shown(labels, probability_of):
    prepared = dataset.prepare(tables(labels))
    console = Console(width=80, record=True, file=io.StringIO())
    show_classes(evaluation.class_tables(prepared, probability_of(prepared)), console)
    return console.export_text()


def right(prepared):
    return np.eye(len(prepared.attributes.classes))[prepared.labels]


def test_classes_and_then_each_attributes_values_are_listed():
    labels = {"kind": ["01", "01", "2", "2"], "who": ["x", "y", "x", "y"]}

    def always_first(prepared):
        return np.tile([1.0, 0, 0, 0], (4, 1))

    text = shown(labels, always_first)
    lines = [line.split() for line in text.splitlines()]
    assert ["01", "×", "x", "1", "0.250", "1.000", "0.400"] in lines
    assert ["2", "×", "y", "1", "–", "0.000", "0.000"] in lines
    assert ["2", "2", "–", "0.000", "0.000"] in lines
    assert ["x", "2", "0.500", "1.000", "0.667"] in lines
    assert text.index("01 × x") < text.index("2 × y") < text.index("\nwho  ")
    assert max(map(len, text.splitlines())) <= 80


def test_of_many_classes_the_worst_are_listed():
    labels = [f"c{k:02d}" for k in range(40)] * 2

    def last_two_swapped(prepared):
        return right(prepared)[:, [*range(38), 39, 38]]

    text = shown(labels, last_two_swapped)
    assert "the 15 of 40 with the lowest F1" in text
    assert "c38" in text and "c39" in text and "c00" in text and "c30" not in text
    assert "c29" in shown([f"c{k:02d}" for k in range(30)], right)
