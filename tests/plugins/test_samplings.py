"""Samplings: which rows an epoch has."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automask.space import registry
from automask.target import MULTI, Number

WIDE = [
    (plugin, target)
    for plugin in registry.plugins("sampling").values()
    for target in (MULTI, Number())
    if plugin.takes(target)
]
labellings = st.lists(st.integers(0, 4), min_size=1, max_size=80).map(np.array)


label_sets = st.integers(1, 40).flatmap(
    lambda rows: st.lists(
        st.lists(st.integers(0, 1), min_size=4, max_size=4), min_size=rows, max_size=rows
    ).map(np.array)
)


def draw_epoch(name, labels, seed=0, **params):
    rng = np.random.default_rng(seed)
    return np.asarray(registry.get("sampling", name).function(labels, None, rng, **params))


@given(labellings)
def test_all_is_a_permutation(labels):
    assert sorted(draw_epoch("all", labels)) == list(range(len(labels)))


@given(labellings)
def test_undersampling_takes_the_rarest_count_of_each_class_without_repeating(labels):
    drawn = draw_epoch("undersample", labels)
    present, counts = np.unique(labels, return_counts=True)
    assert np.unique(labels[drawn], return_counts=True)[1].tolist() == [counts.min()] * len(present)
    assert len(set(drawn.tolist())) == len(drawn)


@given(labellings)
def test_oversampling_takes_the_commonest_count_and_repeats_evenly(labels):
    drawn = draw_epoch("oversample", labels)
    present, counts = np.unique(labels, return_counts=True)
    assert np.unique(labels[drawn], return_counts=True)[1].tolist() == [counts.max()] * len(present)
    for label in present:
        times = np.bincount(drawn, minlength=len(labels))[labels == label]
        assert times.min() >= 1 and times.max() - times.min() <= 1


@pytest.mark.parametrize(("plugin", "target"), WIDE, ids=[f"{p.name}-{t.name}" for p, t in WIDE])
def test_one_that_takes_label_sets_or_numbers_draws_rows_of_them(plugin, target):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (30, 4)) if target == MULTI else rng.normal(size=30)
    rows = np.asarray(plugin.function(labels, None, rng))
    assert len(rows) == 30 and set(rows.tolist()) <= set(range(30))


@given(label_sets, st.floats(0, 1, allow_subnormal=False), st.integers(0, 100))
def test_label_balanced_keeps_the_length_and_every_row_without_labels(labels, power, seed):
    drawn = draw_epoch("label_balanced", labels, seed, power=power)
    assert len(drawn) == len(labels)
    without = np.flatnonzero(~labels.any(1))
    assert sorted(drawn[~labels[drawn].any(1)]) == without.tolist()


def test_label_balanced_goes_from_as_they_come_to_equally_often():
    labels = np.zeros((200, 3), int)
    labels[:160, 0], labels[160:190, 1], labels[190:198, 2] = 1, 1, 1

    def counts(power):
        return labels[draw_epoch("label_balanced", labels, power=power)].sum(0)

    assert abs(counts(0.0) - [160, 30, 8]).max() <= 1
    assert abs(counts(1.0) - [66, 66, 66]).max() <= 1
    between = counts(0.5)
    assert 8 < between[2] < 66 and 30 < between[1] < 66 < between[0] < 160


def test_label_balanced_shows_every_row_of_a_label_before_one_again():
    labels = np.eye(3, dtype=int)[[0] * 20 + [1] * 8 + [2] * 2]
    drawn = draw_epoch("label_balanced", labels, power=1.0)
    for label in range(3):
        times = np.bincount(drawn, minlength=30)[labels[:, label] == 1]
        assert times.max() - times.min() <= 1
