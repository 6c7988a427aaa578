"""One set-up for both training loops: a fold's rows, and random streams that keep their seeds."""

import numpy as np
import pytest
import torch

from automask.training import network
from automask.training.features import Features
from automask.training.fold import FoldTrainer
from automask.training.fold_data import fold_data
from automask.training.heads import HeadsTrainer
from automask.training.random_streams import streams, torch_seed
from helpers.recipes import recipe


def test_streams_keep_the_seeds_that_earlier_studies_trained_by():
    own = streams(3, 1)
    assert [int(stream.integers(10**6)) for stream in own] == [978228, 397295, 765850]
    assert len({int(stream.integers(10**6)) for k in range(5) for stream in streams(3, k)}) == 15
    assert torch_seed(3, 1) == 3002


@pytest.mark.parametrize("sampling", ["all", "undersample", "smote"])
def test_both_loops_train_on_the_same_rows_in_the_same_order(task, sampling):
    made = recipe(freeze=("head_only", {}), sampling=(sampling, {}), mix=("mixup", {}))
    features = Features(task, made)
    heads = HeadsTrainer(task, [made], features)
    for fold, own in enumerate(heads.folds):
        built = network.build(made, task.data.attributes, {}, task.seed, fold)
        data = FoldTrainer(task, made, features, fold, built).data
        for _ in range(2):
            for a, b in zip(data.draw(made, features), own.draw(made, features), strict=True):
                np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(data.scored, own.scored)
        assert torch.equal(data.target(data.rows), own.target(own.rows))
        assert torch.equal(data.class_counts, own.class_counts)
        assert data.streams.mix.random() == own.streams.mix.random()


def test_an_epoch_holds_rows_of_the_training_part_with_their_targets(task):
    made = recipe()
    for fold in range(3):
        data = fold_data(task, made, fold)
        rows = data.draw(made, Features(task, made)).rows
        assert sorted(rows) == np.flatnonzero(task.folds != fold).tolist()
        assert data.target(rows).argmax(1).tolist() == task.data.labels[rows].tolist()
        assert data.class_counts.tolist() == np.bincount(task.data.labels[rows]).tolist()
        assert task.folds[data.scored].tolist() == [fold] * len(data.scored)
