"""Pseudo-labels: whose they are, what trains on them, and that scores stay honest."""

from dataclasses import replace

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automask import scoring
from automask.errors import UserError
from automask.hpo.limits import Limits
from automask.storage.trial_store import FoldResult, TrialStore
from automask.study import opening, pseudo_labels, workers
from automask.study.session import Options
from automask.training.fold_data import fold_data
from automask.training.task import Pseudo
from automask.training.trial import fit
from helpers.commands import automask, refused
from helpers.recipes import recipe
from helpers.training import FAST, noise_task, quiet, register_memory

FOLDS, TEST = 3, 9


def options(**changes):
    return Options(**{"space": "space.toml", "folds": FOLDS, "threads": 1, **changes})


def knowing(labels, classes, strength, rng):
    """Probabilities `[n, C]` that name these labels."""
    return (np.eye(classes)[labels] * strength + rng.dirichlet(np.ones(classes), len(labels))) / (
        1 + strength
    )


def plant(begun, trials=2, key=None):
    """Complete trials in the study that know everything, as if they had been trained."""
    rng, data = np.random.default_rng(0), begun.data
    for number in range(trials):
        made = recipe(epochs=number + 1)
        store = begun.store.trial(made.hash)
        store.folder.mkdir(parents=True)
        for fold in range(FOLDS):
            own = data.labels[begun.folds == fold]
            # Surer of the test rows than of any other.
            test = knowing(np.arange(TEST) % 3, 3, 20.0, rng)
            store.save_probabilities(
                fold,
                FoldResult(
                    knowing(own, 3, 5.0, rng),
                    test,
                    begun.task().test_key if key is None else key,
                ),
            )
        attrs = {"recipe": made.to_dict(), "hash": made.hash}
        begun.study.add_trial(optuna.trial.create_trial(value=0.9, user_attrs=attrs))
    return begun


@pytest.fixture
def source(inside):
    """A study 'main' that is sure and right of everything."""
    return plant(opening.begin(options()))


@pytest.fixture
def learning(source):
    """A study that learns from it."""
    return opening.begin(options(study="next", pseudo="main", folds=None))


def test_the_folds_are_those_of_the_earlier_study_and_the_rows_are_told(source, learning):
    np.testing.assert_array_equal(learning.folds, source.folds)
    assert learning.config.search.folds == FOLDS
    told = [note for note in learning.notes if note.startswith("fold")]
    assert len(told) == FOLDS
    assert told[0].startswith("fold 1 also trains on 9 of 9 test rows, at confidence ≥ 0.")
    assert told[0].endswith(": 01 3, 2 3, NA 3")


def test_a_folds_labels_do_not_depend_on_networks_that_saw_its_rows(source):
    metric = source.metric
    before = pseudo_labels.make(source, metric)
    garbage = np.random.default_rng(1).dirichlet(np.ones(3), TEST)
    for trial in pseudo_labels._complete(source):
        trial.replace_test(1, garbage, trial.test_key(1))
    after = pseudo_labels.make(source, metric)
    for fold in (0, 2):
        np.testing.assert_array_equal(before.probability[fold], after.probability[fold])
        np.testing.assert_array_equal(before.rows(fold), after.rows(fold))
    assert not np.allclose(before.probability[1], after.probability[1])


def test_nor_does_what_counts_as_sure_go_by_the_labels_of_its_rows(source):
    before = pseudo_labels.make(source, source.metric)
    labels = np.where(source.folds == 1, (source.data.labels + 1) % 3, source.data.labels)
    after = pseudo_labels.make(
        replace(source, data=replace(source.data, labels=labels)), source.metric
    )
    assert before.confidence[1] == after.confidence[1]
    np.testing.assert_array_equal(before.probability[1], after.probability[1])
    assert after.confidence[0] == after.confidence[2] == np.inf


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1, max_size=200))
def test_from_the_confidence_on_predictions_are_as_often_right_as_asked(rows):
    confidence, right = np.array([c / 10 for c, _ in rows]), np.array([r for _, r in rows])

    def often(limit):
        above = confidence >= limit
        return (right[above].sum() + 1) / (above.sum() + 2)

    found = pseudo_labels.precision_threshold(confidence, right)
    good = [limit for limit in np.unique(confidence) if often(limit) >= pseudo_labels.PRECISION]
    assert found == (good[0] if good else np.inf)


def test_a_few_right_rows_and_pure_chance_prove_nothing():
    assert pseudo_labels.precision_threshold(np.ones(17), np.ones(17, bool)) == np.inf
    assert pseudo_labels.precision_threshold(np.ones(18), np.ones(18, bool)) == 1
    rng = np.random.default_rng(0)
    for _ in range(20):
        assert pseudo_labels.precision_threshold(rng.random(300), rng.random(300) < 0.5) == np.inf


def test_soft_labels_reach_the_loss_and_hard_ones_the_sampling_and_the_counts(learning):
    task, made = learning.task(), recipe()
    count, learned = len(task.data.labels), learning.pseudo
    fold = fold_data(task, made, 1)
    rows, labels = fold.rows, fold.labels
    own = np.flatnonzero(task.folds != 1)
    assert rows.tolist() == [*own, *range(count, count + TEST)]
    assert labels[len(own) :].tolist() == [0, 1, 2] * 3
    targets = fold.target(rows)
    np.testing.assert_array_equal(targets[: len(own)], np.eye(3)[task.data.labels[own]])
    np.testing.assert_array_equal(targets[len(own) :], learned.probability[1])
    assert fold.class_counts.tolist() == np.bincount(labels).tolist()
    assert task.prepared(made, 1) is None and len(fold.scored) + len(own) == count


@pytest.mark.parametrize("freeze", ["full", "head_only"])
@pytest.mark.parametrize("honest", [True, False])
def test_noise_stays_noise_though_test_rows_are_copies_of_train_rows(
    inside, tmp_path, monkeypatch, freeze, honest
):
    """By networks that saw a row its copy would give it away, which the test must see."""
    task = noise_task(opening.begin(options()).task())
    pixels = np.zeros((120, 8, 8, 3), np.uint8)
    pixels[:, 0, 0, 0] = np.arange(120) % 60
    paths = [task.data.train.paths[0]] * 60
    rows = type(task.data.train)([f"t{k}" for k in range(60)], paths)
    task = replace(task, data=replace(task.data, test=rows))
    monkeypatch.setattr(type(task), "pixels", lambda self, recipe, fold: pixels)
    register_memory(monkeypatch)
    made, first = recipe(freeze=(freeze, {}), **FAST), TrialStore(tmp_path / "first")
    assert fit(task, made, first, quiet) < 0.7
    probability = first.test(3)
    if not honest:
        probability[:] = probability.mean(0)
    learned = Pseudo("main", "", probability, np.zeros(3), np.zeros((60, 2)))
    score = fit(replace(task, lessons=learned), made, TrialStore(tmp_path / "second"), quiet)
    assert score < 0.7 if honest else score > 0.85


@pytest.mark.parametrize("freeze", ["full", "head_only"])
def test_few_train_rows_gain_from_many_test_rows(inside, tmp_path, monkeypatch, freeze):
    """Each row looks like one other alone: what isn't in train is learned from the test rows."""
    task = noise_task(opening.begin(options()).task())
    pixels = np.zeros((60 + 3, 8, 8, 3), np.uint8)
    # Three looks; all rows of a look are of one class and lie in one fold.
    looks = np.arange(60) % 3
    pixels[:60, 0, 0, 0], pixels[60:, 0, 0, 0] = looks, np.arange(3)
    labels = (looks == 2).astype(int)
    rows = type(task.data.train)(["x", "y", "z"], [task.data.train.paths[0]] * 3)
    task = replace(task, data=replace(task.data, test=rows, labels=labels), folds=looks)
    monkeypatch.setattr(type(task), "pixels", lambda self, recipe, fold: pixels)
    register_memory(monkeypatch)
    made = recipe(freeze=(freeze, {}), **FAST)
    without = fit(task, made, TrialStore(tmp_path / "first"), quiet)
    probability = np.tile(np.eye(2)[[0, 0, 1]], (3, 1, 1)).astype(np.float32)
    learned = Pseudo("main", "", probability, np.full(3, 0.9), np.zeros((60, 2)))
    told = replace(task, lessons=learned)
    assert fit(told, made, TrialStore(tmp_path / "second"), quiet) > without + 0.2


def test_heads_on_augmented_copies_train_on_test_rows_too(learning):
    made = recipe(freeze=("head_only", {}), augmentation=("light", {}), sampling=("smote", {}))
    score = fit(learning.task(), made, learning.store.trial(made.hash), quiet)
    assert 0 <= score <= 1


def searched(some, trials):
    workers.run(some, Limits(trials), 1)
    return {t.number: t.value for t in some.study.get_trials()}


def test_a_resumed_study_equals_one_that_ran_through(source):
    through = searched(opening.begin(options(study="a", pseudo="main")), 3)
    searched(opening.begin(options(study="b", pseudo="main")), 1)
    # What the earlier study has become meanwhile doesn't matter, nor whether it is named again.
    for store in pseudo_labels._complete(source):
        store.remove()
    resumed = opening.begin(options(study="b"))
    assert searched(resumed, 3) == through
    assert "out of fold 1.0000 → " in pseudo_labels.verdict(resumed)
    assert "not kept: run automask ensemble --study main" in pseudo_labels.verdict(resumed)


def test_a_gain_counts_where_it_is_beyond_its_standard_error(learning):
    assert pseudo_labels.verdict(learning) == ""
    plant(learning)
    worse = np.full_like(learning.pseudo.before, 1 / 3)
    said = pseudo_labels.verdict(replace(learning, pseudo=replace(learning.pseudo, before=worse)))
    assert said.startswith("pseudo-labels: 9 test rows a fold at confidence ≥ 0.8")
    assert said.endswith(", kept: run automask ensemble --study next")
    assert "(+0.0000, standard error 0.0000), not kept" in pseudo_labels.verdict(learning)


def test_the_standard_error_of_a_difference_is_paired_and_by_group():
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, 400)
    before = np.eye(2)[np.where(rng.random(400) < 0.7, target, 1 - target)]
    after = before.copy()
    after[:40] = np.eye(2)[target[:40]]

    def accuracy(target, probability):
        return (probability.argmax(1) == target).mean()

    gain, error = scoring.difference(accuracy, target, before, after, None)
    changed = (after != before).any(1)
    assert gain == pytest.approx(changed.mean())
    assert error == pytest.approx(changed.std() / 20, rel=0.15)
    _, by_group = scoring.difference(accuracy, target, before, after, np.arange(400) // 40)
    assert by_group > 2 * error


def test_what_cannot_be_learned_from_is_told(source, learning):
    def refused(words, **changes):
        with pytest.raises(UserError, match=words):
            opening.begin(options(**changes))

    refused("no study 'man'.*did you mean 'main'", study="x", pseudo="man")
    refused("can't learn from itself", study="main", pseudo="main")
    refused("main' has 3 folds", study="x", pseudo="main", folds=2)
    plant(learning)
    refused("pseudo-labels \\(of study 'main' before", study="next", pseudo="x")
    opening.begin(options(study="bare"))
    refused("no complete trial yet", study="x", pseudo="bare")
    plant(opening.begin(options(study="bare")), key="others")
    refused("pseudo-labels \\(None before", study="bare", pseudo="main")
    refused("other test rows", study="x", pseudo="bare")
    with pytest.raises(UserError, match="no test table"):
        pseudo_labels.make(replace(source, data=replace(source.data, test=None)), source.metric)
    with pytest.raises(UserError, match="of other test rows than there are now"):
        pseudo_labels.load(learning.store, "others")
    assert not (source.store.folder.parent / "x").exists()


def test_a_study_that_is_sure_of_nothing_is_told(source):
    for store in pseudo_labels._complete(source):
        for fold in range(FOLDS):
            result = store.load(fold)
            flat = np.full_like(result.validation, 1 / 3)
            store.save_probabilities(fold, replace(result, validation=flat))
    with pytest.raises(UserError, match="of no test row is it as sure"):
        opening.begin(options(study="next", pseudo="main"))


def test_from_the_command_line(source):
    search = ("search", "--space", "space.toml", "--workers", "1", "--trials", "1")
    out = automask(".", *search, "--study", "next", "--pseudo", "main")
    assert out.returncode == 0, out.stderr
    assert "note: pseudo-labels are those of study 'main'" in out.stdout
    assert "not kept: run automask ensemble --study main" in out.stdout
    refused(automask(".", *search, "--study", "y", "--pseudo", "none"), "no study 'none'")
