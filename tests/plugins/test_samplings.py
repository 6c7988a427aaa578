"""Samplings: which rows an epoch has."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from automask.space import registry

labellings = st.lists(st.integers(0, 4), min_size=1, max_size=80).map(np.array)


def draw_epoch(name, labels, seed=0):
    rng = np.random.default_rng(seed)
    return np.asarray(registry.get("sampling", name).function(labels, None, rng))


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
