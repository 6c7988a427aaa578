import numpy as np

from automask.authoring.examples.split import my_split


def test_folds_have_as_many_groups_and_none_is_on_two_sides():
    groups = np.repeat(np.arange(12), 3)
    folds = my_split(np.zeros(36, int), groups, 4, seed=0)
    assert np.bincount(folds).tolist() == [9, 9, 9, 9]
    assert all(len(set(folds[groups == group])) == 1 for group in range(12))
