"""Thresholds a label and cut points between grades."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from automask.ensembles import decisions
from automask.prediction import decisions as shifts
from automask.space import registry
from automask.target import MULTI, ORDERED, SINGLE, Number


def metric(name):
    return registry.get("metric", name).function


def rare_labels(rows=600, classes=3, seed=0):
    """Labels of which a tenth is there, and probabilities that are too low for all of them."""
    rng = np.random.default_rng(seed)
    labels = (rng.random((rows, classes)) < 0.1).astype(np.int64)
    return labels, (0.25 * labels + 0.2 * rng.random((rows, classes))).clip(0, 1)


def test_thresholds_are_each_labels_own_and_raise_f1():
    labels, prediction = rare_labels()
    prediction[:, 1] *= 2
    shift = decisions.fit(MULTI, labels, prediction, metric("macro_f1"))
    shifted = decisions.apply(MULTI, prediction, shift)
    before, after = (metric("macro_f1")(labels, table) for table in (prediction, shifted))
    assert before < 0.5 and after > 0.95
    assert shift.shape == (3,) and shift[0] > shift[1]
    # Other rows of the same kind, which the thresholds weren't chosen by.
    others, there = rare_labels(seed=1)
    there[:, 1] *= 2
    assert metric("macro_f1")(others, decisions.apply(MULTI, there, shift)) > 0.9


def test_a_shift_of_log_odds_is_a_threshold():
    prediction = np.linspace(0, 1, 101)[:, None]
    shifted = shifts.add_to_log_odds(prediction, np.array([np.log(0.8 / 0.2)]))
    assert ((shifted > 0.5) == (prediction > 0.2 + 1e-9)).all()
    assert shifted.min() >= 0 and shifted.max() <= 1


def test_cut_points_raise_kappa_where_grades_are_drawn_to_the_middle():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 800)
    seen = 2 + 0.4 * (labels - 2) + rng.normal(0, 0.2, 800)
    away = -((seen[:, None] - np.arange(5)) ** 2)
    prediction = np.exp(away) / np.exp(away).sum(1, keepdims=True)
    kappa = metric("cohen_kappa")
    cuts = decisions.fit(ORDERED, labels, prediction, kappa)
    graded = decisions.apply(ORDERED, prediction, cuts)
    assert (np.diff(cuts) > 0).all()
    assert kappa(labels, graded) > kappa(labels, prediction) + 0.05
    np.testing.assert_allclose(graded.sum(1), 1)


@given(st.integers(2, 7), st.integers(0, 2**16))
def test_what_is_graded_is_the_grade_between_its_cuts(classes, seed):
    rng = np.random.default_rng(seed)
    prediction = rng.dirichlet(np.full(classes, 0.3), 20)
    cuts = np.sort(rng.uniform(0, classes - 1, classes - 1))
    graded = shifts.grade(prediction, cuts)
    expected = shifts.expected_grade(prediction)
    assert (ORDERED.decide(graded) == np.searchsorted(cuts, expected, side="right")).all()


def test_only_metrics_of_answers_have_a_shift():
    labels, prediction = rare_labels()
    assert decisions.sees_answers_only(MULTI, metric("macro_f1"), labels, prediction)
    assert not decisions.sees_answers_only(MULTI, metric("roc_auc"), labels, prediction)
    assert decisions.fit(Number(), labels[:, 0] * 1.0, prediction[:, :1], metric("rmse")) is None
    assert decisions.apply(SINGLE, prediction, None) is prediction
