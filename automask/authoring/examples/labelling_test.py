import numpy as np

from automask.authoring.examples.labelling import my_labelling


def test_leaves_out_what_is_extreme_but_no_class():
    ages, limits = np.array([*range(20, 59), 999.0]), np.array([30.0])
    assert my_labelling(ages, limits, share=0.05)[-1] == -1
    assert my_labelling(ages, np.array([100.0]), share=0.05)[-1] == 1
