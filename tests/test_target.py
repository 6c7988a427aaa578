"""What each target makes of labels and predictions."""

import numpy as np
import pytest
import torch

from automask.data.pooling import Pooling
from automask.target import MULTI, ORDERED, SINGLE, Number

LABELS = np.array([[1, 0, 0], [0, 0, 0], [1, 1, 0], [0, 1, 1]])


def test_a_plugin_that_takes_single_classes_takes_grades_but_not_the_other_way_round():
    for declared, taken in {
        "single": (True, True, False, False),
        "ordered": (False, True, False, False),
        "any": (True, True, True, True),
        ("multi", "number"): (False, False, True, True),
    }.items():
        assert tuple(t.suits(declared) for t in (SINGLE, ORDERED, MULTI, Number())) == taken


@pytest.mark.parametrize(
    ("target", "labels", "classes"),
    [
        (SINGLE, np.array([2, 0, 1, 2]), 3),
        (ORDERED, np.array([1, 0, 3, 2]), 4),
        (MULTI, LABELS, 3),
        (Number(50.0, 20.0), np.array([20.0, 35.5, 90.25, 20.0]), 1),
    ],
)
def test_aims_that_are_predicted_are_decided_as_the_labels(target, labels, classes):
    aims, row = target.aims(labels, classes)
    assert aims.dtype == np.float32 and aims.shape[1] == classes
    logits = torch.from_numpy(aims[row])
    if target.name != "number":
        logits = (logits - 0.5) * 50
    prediction = target.activate(logits).numpy()
    np.testing.assert_allclose(target.decide(prediction), labels, rtol=1e-6)
    np.testing.assert_allclose(target.harden(prediction), prediction, atol=1e-5)
    assert not target.differ(target.decide(prediction), target.decide(prediction)).any()
    assert len(target.counts(labels, classes)) == classes


def test_a_row_of_several_labels_goes_by_its_rarest():
    assert MULTI.single_classes(LABELS).tolist() == [0, 3, 0, 2]
    assert MULTI.counts(LABELS, 3).tolist() == [2, 2, 1]


def test_numbers_are_stratified_by_bands_of_equal_size():
    bands = Number().strata(np.random.default_rng(0).exponential(size=200))
    assert np.bincount(bands).tolist() == [20] * 10


def test_units_are_means_of_their_rows_in_the_order_of_appearance():
    pooling = Pooling.of(["b", "a", "b", "c"])
    assert pooling.first.tolist() == [0, 1, 3]
    table = np.array([[0.0, 1.0], [0.2, 0.8], [1.0, 0.0], [0.5, 0.5]])
    mean = pooling.mean(table)
    np.testing.assert_allclose(mean, [[0.5, 0.5], [0.2, 0.8], [0.5, 0.5]])
    np.testing.assert_allclose(pooling.spread(mean)[[0, 2]], [[0.5, 0.5]] * 2)
