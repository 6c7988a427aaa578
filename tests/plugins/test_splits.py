"""Splits: label sets shared out evenly, groups whole, and classes as they always were."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from automask.space import registry
from automask.target import MULTI, SINGLE, Number

SPLITS = [plugin for plugin in registry.plugins("split").values() if plugin.takes(MULTI)]
stratified = registry.get("split", "stratified").function


def label_sets(rows, labels, seed, groups=None):
    """Labels of very different frequency that come together, those of a group alike."""
    rng = np.random.default_rng(seed)
    rarity = np.geomspace(0.5, 0.02, labels)
    kinds = rng.random((rows if groups is None else groups.max() + 1, labels)) < rarity
    kinds[:, -1] |= kinds[:, 0] & (rng.random(len(kinds)) < 0.1)
    return (kinds if groups is None else kinds[groups]).astype(np.int64)


def unevenness(labels, fold, folds):
    """The mean distance, over folds and labels, between a fold's rows of a label and its share."""
    counts = np.stack([labels[fold == k].sum(0) for k in range(folds)])
    return (abs(counts - labels.sum(0) / folds) / np.maximum(1, labels.sum(0))).mean()


@settings(max_examples=40)
@given(
    seed=st.integers(0, 1000),
    folds=st.integers(2, 8),
    labels=st.integers(1, 12),
    grouped=st.booleans(),
    rows=st.integers(8, 200),
)
@pytest.mark.parametrize("plugin", SPLITS, ids=lambda p: p.name)
def test_label_sets_fill_every_fold_keep_groups_whole_and_repeat(
    plugin, seed, folds, labels, grouped, rows
):
    rng = np.random.default_rng(seed)
    groups = rng.permutation(np.arange(rows) % max(folds, rows // 3)) if grouped else None
    sets = label_sets(rows, labels, seed, groups)
    fold = plugin.function(sets, groups, folds, seed)
    assert fold.shape == (rows,)
    assert set(fold.tolist()) == set(range(folds))
    if groups is not None:
        assert len(set(zip(groups.tolist(), fold.tolist(), strict=True))) == len(set(groups))
    np.testing.assert_array_equal(fold, plugin.function(sets, groups, folds, seed))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("grouped", [False, True])
def test_labels_are_shared_out_far_more_evenly_than_by_chance(seed, grouped):
    rng = np.random.default_rng(seed)
    groups = np.sort(rng.integers(0, 150, 600)) if grouped else None
    groups = None if groups is None else np.unique(groups, return_inverse=True)[1]
    sets = label_sets(600, 10, seed, groups)
    units = np.arange(600) if groups is None else groups
    chance = [rng.permutation(np.arange(units.max() + 1) % 5)[units] for _ in range(20)]
    by_chance = np.mean([unevenness(sets, fold, 5) for fold in chance])
    fold = stratified(sets, groups, 5, seed)
    assert unevenness(sets, fold, 5) < by_chance / 2
    sizes = np.bincount(fold)
    assert sizes.min() > 0.85 * 120 and sizes.max() < 1.15 * 120


def test_a_label_of_as_many_rows_as_folds_is_in_every_fold():
    rng = np.random.default_rng(0)
    sets = (rng.random((100, 3)) < 0.5).astype(np.int64)
    rare = np.zeros((100, 1), np.int64)
    rare[rng.permutation(100)[:5]] = 1
    fold = stratified(np.hstack([sets, rare]), None, 5, 0)
    assert sorted(fold[rare[:, 0] == 1].tolist()) == [0, 1, 2, 3, 4]


def test_rows_without_labels_even_out_the_folds():
    sets = np.zeros((50, 2), np.int64)
    sets[:7, 0] = 1
    fold = stratified(sets, None, 5, 0)
    assert np.bincount(fold).tolist() == [10] * 5


def test_another_seed_gives_other_folds():
    sets = label_sets(100, 4, 0)
    assert (stratified(sets, None, 5, 0) != stratified(sets, None, 5, 1)).any()


@pytest.mark.parametrize("grouped", [False, True])
def test_classes_are_dealt_out_as_scikit_learn_does(grouped):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 120)
    groups = rng.integers(0, 30, 120) if grouped else None
    kind = StratifiedGroupKFold if grouped else StratifiedKFold
    parts = kind(5, shuffle=True, random_state=3).split(labels, labels, groups)
    wanted = np.full(120, -1)
    for index, (_, scored) in enumerate(parts):
        wanted[scored] = index
    np.testing.assert_array_equal(stratified(SINGLE.strata(labels), groups, 5, 3), wanted)


@pytest.mark.parametrize("rows", [10, 23, 40, 500])
def test_folds_of_numbers_have_as_many_low_as_high_ones(rows):
    numbers = np.random.default_rng(0).exponential(size=rows)
    fold = stratified(Number().strata(numbers), None, 5, 0)
    assert np.ptp(np.bincount(fold, minlength=5)) <= 2
    high = np.bincount(fold[numbers > np.median(numbers)], minlength=5)
    assert np.ptp(high) <= 2
