"""A look at a recipe, and folds that are shortened so that all end in time."""

import math
import time

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from automask.storage.trial_store import TrialStore
from automask.training.trial import Rate, fit, look
from helpers.recipes import recipe


def test_a_look_trains_the_first_fold_and_keeps_nothing(task, tmp_path):
    steps = []
    made = recipe(epochs=2)
    value = look(task, made, steps.append)
    assert [(step.fold, step.epoch, step.epochs) for step in steps] == [(0, 1, 2), (0, 2, 2)]
    assert 0 <= value <= 1


@given(st.integers(2, 8), st.integers(1, 60), st.floats(0.1, 10), st.floats(0.2, 3))
def test_what_remains_is_shortened_to_end_in_time(folds, epochs, seconds, slower):
    """The first fold has all its epochs, and the others those that are left room for."""
    rate = Rate(folds, time.time() + folds * epochs * seconds / slower)
    rate.begin -= epochs * seconds
    rate.ends -= epochs * seconds
    rate.add(epochs)
    fitting = rate.fitting(1, epochs)
    assert 1 <= fitting <= epochs
    left = rate.ends - time.time()
    if fitting > 1:
        assert (folds - 1) * fitting * seconds <= left + 0.1 * seconds
    if fitting < epochs:
        assert (folds - 1) * (fitting + 1) * seconds > left - 0.1 * seconds


def test_without_an_end_every_fold_has_its_epochs():
    rate = Rate(3, math.inf)
    rate.add(7)
    assert rate.fitting(2, 7) == 7


def test_a_trial_that_is_late_ends_with_fewer_epochs_in_later_folds(task, tmp_path):
    store, made, epochs = TrialStore(tmp_path / "late"), recipe(epochs=30), {}

    def report(step):
        epochs[step.fold] = step.epochs
        time.sleep(0.02 * (step.fold == 0))

    value = fit(task, made, store, report, time.time() + 0.7)
    assert np.isfinite(value)
    assert all(store.has(fold) for fold in range(task.fold_count))
    assert min(epochs.values()) < 30
