import numpy as np

from automask.authoring.examples.sampling import my_sampling


def test_draws_other_rows_each_time_and_none_twice():
    rng = np.random.default_rng(0)
    first, second = (my_sampling(np.zeros(100), None, rng, share=0.3) for _ in range(2))
    assert len(set(first)) == len(first) == 30
    assert set(first) != set(second)
