"""Metrics: each against scikit-learn, also where classes are absent or tied."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    cohen_kappa_score,
    f1_score,
    fbeta_score,
    label_ranking_average_precision_score,
    log_loss,
    mean_absolute_error,
    r2_score,
    recall_score,
    roc_auc_score,
    root_mean_squared_error,
    top_k_accuracy_score,
)

from automask.space import registry
from automask.target import MULTI, ORDERED, SINGLE, Number

CLASSES = 5
labellings = st.lists(st.integers(0, CLASSES - 1), min_size=1, max_size=40).map(np.array)
seeds = st.integers(0, 1000)


def metric(name, target, probability):
    return registry.get("metric", name).function(target, probability)


def drawn(target, seed):
    return np.random.default_rng(seed).dirichlet(np.ones(CLASSES), len(target))


@settings(max_examples=60)
@given(labellings, seeds)
def test_weighted_f1_is_that_of_scikit_learn(target, seed):
    probability = drawn(target, seed)
    wanted = f1_score(target, probability.argmax(1), average="weighted", zero_division=0)
    assert metric("weighted_f1", target, probability) == pytest.approx(wanted)


@settings(max_examples=60)
@given(labellings, seeds, st.booleans())
def test_roc_auc_is_that_of_scikit_learn_over_the_classes_there_are(target, seed, tied):
    probability = drawn(target, seed)
    if tied:
        probability = probability.round(1)
    classes = np.unique(target)
    areas = [roc_auc_score(target == k, probability[:, k]) for k in classes if len(classes) > 1]
    wanted = np.mean(areas) if areas else 0.5
    assert metric("roc_auc", target, probability) == pytest.approx(wanted)


def test_roc_auc_of_all_classes_is_the_macro_one_of_scikit_learn():
    target = np.arange(60) % CLASSES
    probability = drawn(target, 0)
    wanted = roc_auc_score(target, probability, multi_class="ovr", average="macro")
    assert metric("roc_auc", target, probability) == pytest.approx(wanted)


@settings(max_examples=60)
@given(labellings, seeds)
def test_cohen_kappa_is_that_of_scikit_learn(target, seed):
    probability = drawn(target, seed)
    said = probability.argmax(1)
    value = metric("cohen_kappa", target, probability)
    if len({*target, *said}) == 1:
        assert value == 0
        return
    labels = np.arange(CLASSES)
    wanted = cohen_kappa_score(target, said, labels=labels, weights="quadratic")
    assert value == pytest.approx(wanted)


@settings(max_examples=60)
@given(labellings, seeds)
def test_top_3_is_that_of_scikit_learn(target, seed):
    probability = drawn(target, seed)
    wanted = top_k_accuracy_score(target, probability, k=3, labels=np.arange(CLASSES))
    assert metric("top_3", target, probability) == pytest.approx(wanted)


def test_top_3_of_few_classes_still_tells_right_from_wrong():
    target = np.array([0, 1, 1, 0])
    two = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.6, 0.4]])
    assert metric("top_3", target, two) == metric("accuracy", target, two) == 0.75
    three = np.array([[0.5, 0.3, 0.2], [0.3, 0.2, 0.5]])
    assert metric("top_3", np.array([1, 1]), three) == 0.5


def test_top_3_gives_nothing_for_saying_nothing():
    target = np.arange(20) % CLASSES
    assert metric("top_3", target, np.full((20, CLASSES), 0.2)) == pytest.approx(3 / CLASSES)


def test_cohen_kappa_forgives_a_near_miss_more_than_a_far_one():
    target = np.arange(20) % CLASSES
    near, far = target.copy(), target.copy()
    near[0], far[0] = 1, 4
    eye = np.eye(CLASSES)
    perfect, near, far = (metric("cohen_kappa", target, eye[s]) for s in (target, near, far))
    assert perfect == 1 > near > far


def test_weighted_f1_goes_by_rows_where_macro_f1_goes_by_classes():
    target = np.array([0] * 18 + [1] * 2)
    said = np.eye(2)[np.zeros(20, int)]
    assert metric("macro_f1", target, said) < 0.5 < 0.8 < metric("weighted_f1", target, said)


EVERY = [
    (plugin, target)
    for plugin in registry.plugins("metric").values()
    for target in (SINGLE, ORDERED, MULTI, Number())
    if plugin.takes(target)
]


def rows_of(target, rows=10, columns=6):
    """Labels of which some occur, and drawn predictions."""
    rng = np.random.default_rng(0)
    classes = np.array([0, 1, 1, 3, 0, 3, 3, 1, 0, 0])
    if target == MULTI:
        labels = np.eye(columns, dtype=int)[classes] | np.eye(columns, dtype=int)[classes[::-1]]
        return labels, rng.random((rows, columns))
    if isinstance(target, Number):
        return rng.normal(size=rows), rng.normal(size=(rows, 1))
    return classes, rng.dirichlet(np.ones(columns), rows)


@pytest.mark.parametrize(("plugin", "target"), EVERY, ids=[f"{p.name}-{t.name}" for p, t in EVERY])
def test_none_depends_on_the_order_of_rows_or_on_how_exact_predictions_are(plugin, target):
    labels, prediction = rows_of(target)
    order = np.random.default_rng(1).permutation(10)
    value = plugin.function(labels, prediction)
    assert isinstance(value, float)
    assert plugin.function(labels[order], prediction[order]) == pytest.approx(value)
    assert plugin.function(labels, prediction.astype(np.float32)) == pytest.approx(value)


@pytest.mark.parametrize(("plugin", "target"), EVERY, ids=[f"{p.name}-{t.name}" for p, t in EVERY])
def test_any_is_finite_on_rows_that_are_all_alike(plugin, target):
    for row in range(10):
        labels, prediction = (table[[row, row]] for table in rows_of(target))
        assert np.isfinite(plugin.function(labels, prediction))
        assert np.isfinite(plugin.function(labels * 0, prediction * 0))


@pytest.mark.parametrize(
    "plugin",
    [plugin for plugin, target in EVERY if target == SINGLE],
    ids=lambda p: p.name,
)
def test_none_depends_on_columns_of_absent_classes(plugin):
    target, probability = rows_of(SINGLE)
    wider = np.hstack([probability, np.zeros((10, 2))])
    wanted = pytest.approx(plugin.function(target, probability))
    assert plugin.function(target, wider) == wanted


def test_top_5_counts_the_five_likeliest_of_more_and_not_all_of_five():
    rng = np.random.default_rng(0)
    target, probability = np.arange(40) % 8, rng.dirichlet(np.ones(8), 40)
    wanted = top_k_accuracy_score(target, probability, k=5)
    assert metric("top_5", target, probability) == pytest.approx(wanted)
    assert metric("top_3", target, probability) < wanted < 1
    assert metric("top_5", np.array([4]), np.array([[0.3, 0.25, 0.2, 0.15, 0.1]])) == 0


@given(labellings)
def test_metrics_are_those_of_scikit_learn(labels):
    rng = np.random.default_rng(len(labels))
    probability = rng.dirichlet(np.ones(5), len(labels))
    said = probability.argmax(1)
    seen = np.unique(labels)

    def ours(name):
        return registry.get("metric", name).function(labels, probability)

    wanted = f1_score(labels, said, labels=seen, average="macro", zero_division=0)
    assert ours("macro_f1") == pytest.approx(wanted)
    assert ours("accuracy") == pytest.approx(accuracy_score(labels, said))
    recall = recall_score(labels, said, labels=seen, average="macro", zero_division=0)
    assert ours("balanced_accuracy") == pytest.approx(recall)
    wanted = -log_loss(labels, probability, labels=np.arange(5))
    assert ours("log_loss") == pytest.approx(wanted)


label_sets = st.integers(1, 40).flatmap(
    lambda rows: st.lists(
        st.lists(st.integers(0, 1), min_size=CLASSES, max_size=CLASSES),
        min_size=rows,
        max_size=rows,
    ).map(np.array)
)


@settings(max_examples=60)
@given(label_sets, seeds, st.booleans())
def test_metrics_of_labels_are_those_of_scikit_learn(target, seed, tied):
    p = np.random.default_rng(seed).random(target.shape)
    p = p.round(1).clip(0.1, 0.9) if tied else p
    said, present = p > 0.5, target.any(0)
    mixed = present & ~target.all(0)

    def of_columns(score, columns, otherwise):
        values = [score(target[:, k], p[:, k]) for k in np.flatnonzero(columns)]
        return np.mean(values) if values else otherwise

    f1 = [f1_score(target[:, k], said[:, k], zero_division=0) for k in np.flatnonzero(present)]
    wanted = {
        "macro_f1": np.mean(f1) if f1 else 0,
        "micro_f1": f1_score(target, said, average="micro", zero_division=0),
        "f2": fbeta_score(target, said, beta=2, average="samples", zero_division=1),
        "exact_match": accuracy_score(target, said),
        "roc_auc": of_columns(roc_auc_score, mixed, 0.5),
        "mean_average_precision": of_columns(average_precision_score, present, 0),
        "log_loss": -log_loss(target.ravel(), p.ravel(), labels=[0, 1]),
    }
    for name, value in wanted.items():
        assert metric(name, target, p) == pytest.approx(value), name


@settings(max_examples=60)
@given(labellings, seeds, st.sampled_from([3, 5]))
def test_map_is_the_mean_reciprocal_place_up_to_the_last_that_counts(target, seed, most):
    probability = np.random.default_rng(seed).dirichlet(np.ones(9), len(target))
    # With one label a row, average precision by ranking is the reciprocal of its place.
    reciprocal = label_ranking_average_precision_score(np.eye(9)[target], probability)
    places = (probability > probability[np.arange(len(target)), target][:, None]).sum(1)
    wanted = reciprocal - np.where(places < most, 0, 1 / (places + 1)).mean()
    assert metric(f"map_{most}", target, probability) == pytest.approx(wanted)


@settings(max_examples=60)
@given(st.lists(st.floats(-100, 100, allow_subnormal=False), min_size=2, max_size=30), seeds)
def test_metrics_of_numbers_are_those_of_scikit_learn(numbers, seed):
    target = np.array(numbers)
    prediction = np.random.default_rng(seed).normal(size=(len(target), 1))
    wanted = -root_mean_squared_error(target, prediction[:, 0])
    assert metric("rmse", target, prediction) == pytest.approx(wanted)
    wanted = -mean_absolute_error(target, prediction[:, 0])
    assert metric("mae", target, prediction) == pytest.approx(wanted)
    if target.std() > 1e-3:
        wanted = r2_score(target, prediction[:, 0])
        assert metric("r2", target, prediction) == pytest.approx(wanted)
