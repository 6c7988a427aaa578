"""Other class shares in test than in train: corrected, chosen and scored at them."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automask import label_shift
from automask.data import class_shares
from automask.data.class_shares import Shares
from automask.ensembles import ensemble
from automask.ensembles.ensemble import Member
from automask.errors import UserError
from automask.label_shift import MetricAt
from automask.space import registry
from automask.target import MULTI
from helpers.probabilities import macro_f1

accuracy = registry.get("metric", "accuracy").function
log_loss = registry.get("metric", "log_loss").function
METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "log_loss", "roc_auc", "top_3")
EVEN = Shares("even", np.full(4, 1 / 4))
LONG_TAIL = np.array([40, 10, 3, 1]) / 54


def drawn_task(rows, shares, seed):
    """Rows whose classes have these shares, and what two members with the shares of a long tail say."""
    rng = np.random.default_rng(seed)
    target = rng.choice(4, rows, p=shares)
    tables = []
    for _ in range(2):
        seen = 1.3 * np.eye(4)[target] + rng.normal(size=(rows, 4))
        # The density of what is seen, given the class, times the shares: the true probabilities.
        logs = 1.3 * seen + np.log(LONG_TAIL)
        table = np.exp(logs - logs.max(1, keepdims=True))
        tables.append(table / table.sum(1, keepdims=True))
    return target, np.stack(tables)


def blend(method, metric, shares, rows=1200):
    target, table = drawn_task(rows, LONG_TAIL, 0)
    truth, test = drawn_task(4000, EVEN.values, 1)
    members = [Member(k, None, out, lambda k=k: test[k]) for k, out in enumerate(table)]
    folds = np.arange(rows) % 5
    found = ensemble.fit({"none": members}, target, folds, None, metric, method, 20, shares=shares)
    return found, metric(truth, found.test)


@pytest.mark.parametrize("method", ["mean", "greedy", "stack"])
def test_an_even_test_is_scored_as_it_will_be_and_better_than_before(method):
    before, true_before = blend(method, accuracy, None)
    after, true_after = blend(method, accuracy, EVEN)
    assert true_after > true_before + 0.1
    # Before, the printed score promised what only a test like train would have.
    assert before.nested.value > true_before + 0.1
    assert after.nested.low - 0.03 < true_after < after.nested.high + 0.03


def test_probabilities_are_right_at_the_shares():
    before, true_before = blend("mean", log_loss, None)
    after, true_after = blend("mean", log_loss, EVEN)
    assert true_after > true_before + 0.2
    assert abs(after.nested.value - true_after) < abs(before.nested.value - true_before)
    assert after.test.sum(1) == pytest.approx(1)


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_of_rows_at_their_own_shares_is_the_metric(name):
    metric = registry.get("metric", name).function
    target, table = drawn_task(300, LONG_TAIL, 0)
    own = np.bincount(target, minlength=4) / 300
    assert MetricAt(metric, own)(target, table[0]) == pytest.approx(metric(target, table[0]))


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=60),
    st.lists(st.integers(0, 9), min_size=4, max_size=4).filter(any),
)
def test_drawn_rows_have_the_shares(labels, shares):
    labels, shares = np.array(labels), np.array(shares) / sum(shares)
    rows = label_shift.draw_rows(labels, shares)
    assert len(rows) <= label_shift.MOST * len(labels) + 1
    there = shares * (np.bincount(labels, minlength=4) > 0)
    if there.any():
        counts = np.bincount(labels[rows], minlength=4)
        # To within a row.
        assert np.abs(counts - len(rows) * there / there.sum()).max() <= 1 + 1e-6


def test_no_row_is_left_out_where_few_repeats_do():
    target, _ = drawn_task(300, np.array([2, 1, 1, 1]) / 5, 0)
    assert set(label_shift.draw_rows(target, EVEN.values)) == set(range(300))


def test_a_class_that_test_has_none_of_is_never_said_nor_scored():
    shares = Shares("file", np.array([0.5, 0.5, 0, 0]))
    found, _ = blend("mean", macro_f1, shares, rows=400)
    assert set(found.test.argmax(1)) <= {0, 1}
    assert found.nested.value > 0.5


def test_only_classes_of_which_a_row_has_one_have_shares():
    data = SimpleNamespace(target=MULTI, counts=np.ones(3))
    assert class_shares.read("train", data) is None
    with pytest.raises(UserError, match=r"exactly one.*any number of labels a row"):
        class_shares.read("even", data)


def shares_of(tmp_path, text, classes=("cat", "dog")):
    file = tmp_path / "shares.csv"
    file.write_text(text)
    return class_shares.read_file(file, classes)


def test_a_file_of_shares_in_any_unit_and_order(tmp_path):
    assert shares_of(tmp_path, "class,share\ndog,75\ncat,25\n").tolist() == [0.25, 0.75]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("class,share\ndog,1\n", "lacks 'cat'.*'cat,0'"),
        ("class,share\ndog,1\ncat,1\ndog,2\n", "'dog' stands there more than once"),
        ("class,share\ndog,1\ncatt,1\n", "line 3: train has no class 'catt'.*'cat'"),
        ("class,share\ndog,1\ncat,-1\n", "line 3: the share of 'cat' is '-1'"),
        ("class,share\ndog,nan\ncat,1\n", "line 2: the share of 'dog' is 'nan'"),
        ("class,share\ndog,0\ncat,0\n", "all shares are 0"),
        ("name,share\ndog,0\ncat,0\n", "no column 'class'"),
    ],
)
def test_a_wrong_file_of_shares_is_told(tmp_path, text, sentence):
    with pytest.raises(UserError, match=sentence):
        shares_of(tmp_path, text)
