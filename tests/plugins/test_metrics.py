"""Metrics: each against scikit-learn, also where classes are absent or tied."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    cohen_kappa_score,
    f1_score,
    log_loss,
    recall_score,
    roc_auc_score,
    top_k_accuracy_score,
)

from automask.space import registry

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


@pytest.mark.parametrize("plugin", registry.plugins("metric").values(), ids=lambda p: p.name)
def test_none_depends_on_the_order_of_rows_or_on_columns_of_absent_classes(plugin):
    target = np.array([0, 1, 1, 3, 0, 3, 3, 1, 0, 0])
    probability = np.random.default_rng(0).dirichlet(np.ones(6), 10)
    order = np.random.default_rng(1).permutation(10)
    value = plugin.function(target, probability)
    assert plugin.function(target[order], probability[order]) == pytest.approx(value)
    wider = np.hstack([probability, np.zeros((10, 2))])
    assert plugin.function(target, wider) == pytest.approx(value)
    assert plugin.function(target, probability.astype(np.float32)) == pytest.approx(value)


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
