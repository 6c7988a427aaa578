import numpy as np

from automask.authoring.examples.ensemble import my_ensemble


def test_one_member_that_is_far_off_changes_nothing():
    members = np.tile([0.8, 0.2], (5, 1, 1))
    blend = my_ensemble(members, np.array([0]), None, np.random.default_rng(0), trim=0.2)
    members[2] = [0.0, 1.0]
    assert np.allclose(blend(members), [[0.8, 0.2]])
