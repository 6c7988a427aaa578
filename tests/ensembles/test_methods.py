"""Each ensemble method's effect, and that what was chosen is scored on rows the choice has not seen."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automask.data.dataset import one_hot
from automask.ensembles import calibration, decisions, ensemble, priors, selection
from automask.ensembles.ensemble import Member
from automask.ensembles.selection import Pool
from automask.errors import UserError
from automask.scoring import simplest_best
from automask.space import registry
from automask.target import MULTI, SINGLE
from helpers.probabilities import macro_f1, noisy

accuracy = registry.get("metric", "accuracy").function
log_loss = registry.get("metric", "log_loss").function
roc_auc = registry.get("metric", "roc_auc").function
QUICK = ("best", "mean", "greedy")


def blend_of(name, table, target, metric=accuracy, seed=0, **params):
    plugin = registry.get("ensemble", name)
    rng = np.random.default_rng(seed)
    return plugin.function(table, target, metric, rng, **{**plugin.defaults, **params})


def crowd(rows, classes, strengths, seed=0):
    target = np.random.default_rng(seed).integers(0, classes, rows)
    return target, np.stack([noisy(target, classes, s, k) for k, s in enumerate(strengths, 100)])


def members_of(table, test=None):
    empty = np.zeros((0, table.shape[2]))
    return [
        Member(k, None, out, lambda k=k: empty if test is None else test[k])
        for k, out in enumerate(table)
    ]


def fit(table, target, method="auto", metric=macro_f1, groups=None, folds=5, top=20, test=None):
    return ensemble.fit(
        {"none": members_of(table, test)},
        target,
        np.arange(len(target)) % folds,
        groups,
        metric,
        method,
        top,
    )


@pytest.fixture
def quick(monkeypatch):
    """Auto chooses from a few methods."""
    known = registry.plugins("ensemble")
    few = {name: known[name] for name in QUICK}
    plugins = registry.plugins
    monkeypatch.setattr(
        registry, "plugins", lambda kind: few if kind == "ensemble" else plugins(kind)
    )


# Methods


@settings(max_examples=20)
@given(power=st.floats(0.3, 3.0))
def test_rank_mean_does_not_change_where_a_member_is_rescaled_by_a_rising_function(power):
    target, table = crowd(60, 3, [1.0, 1.5, 2.0])
    rescaled = table.copy()
    rescaled[1] = table[1] ** power / 2
    plain, other = (blend_of("rank_mean", t, target)(t) for t in (table, rescaled))
    np.testing.assert_allclose(plain, other)
    alone = blend_of("rank_mean", table[:1], target)(table[:1])
    assert (alone.argmax(1) == table[0].argmax(1)).all()


@settings(max_examples=20)
@given(power=st.floats(0.3, 3.0))
def test_rank_mean_of_labels_orders_them_as_before_where_a_member_is_rescaled(power):
    table = np.random.default_rng(0).random((3, 60, 4))
    target = np.zeros((60, 4), int)
    rescaled = table.copy()
    rescaled[1] = table[1] ** power
    plain, other = (blend_of("rank_mean", t, target, roc_auc)(t) for t in (table, rescaled))
    # Ranks that sum to the same are ties in both.
    assert (
        np.sign(np.subtract.outer(plain, plain).round(9))
        == np.sign(np.subtract.outer(other, other).round(9))
    ).all()


def test_rank_mean_of_labels_gives_a_member_alone_back():
    table = np.random.default_rng(0).random((1, 60, 4))
    blend = blend_of("rank_mean", table, np.zeros((60, 4), int), roc_auc)
    np.testing.assert_allclose(blend(table), table[0])
    assert blend(np.array([[[0.0, 1.0, 0.5, 0.5]]])).min() == pytest.approx(table.min())


def test_hard_vote_ignores_confidence():
    target, table = crowd(200, 3, [1.0, 1.2, 1.4])
    sure = one_hot(table.argmax(2), 3) * 0.98 + 0.02 / 3
    assert (sure.argmax(2) == table.argmax(2)).all()
    plain, other = (blend_of("hard_vote", t, target)(t) for t in (table, sure))
    np.testing.assert_allclose(plain, other)
    means = [blend_of("mean", t, target)(t) for t in (table, sure)]
    assert np.abs(means[0] - means[1]).max() > 0.1


def test_a_tied_vote_goes_to_the_better_member():
    target, table = crowd(200, 3, [0.5, 3.0])
    assert (blend_of("hard_vote", table, target)(table).argmax(1) == table[1].argmax(1)).all()


def test_a_vote_on_labels_is_the_share_of_members_that_say_each():
    target = np.array([[1, 0], [0, 1], [1, 1]])
    good = target * 0.6 + 0.2
    table = np.stack([good, good, 1 - good])
    macro = registry.get("metric", "macro_f1").function
    out = blend_of("hard_vote", table, target, macro)(table)
    np.testing.assert_allclose(out, [[2 / 3, 1 / 3], [1 / 3, 2 / 3], [2 / 3, 2 / 3]], atol=0.1)
    for pair in ([1, 2], [2, 1]):
        tied = blend_of("hard_vote", table[pair], target, macro)(table[pair])
        assert ((tied > 0.5) == target).all()


@pytest.mark.parametrize("name", ["mean", "greedy", "cma"])
def test_a_blend_of_numbers_is_nearer_than_its_members(name):
    if name == "cma":
        pytest.importorskip("cmaes")
    rng = np.random.default_rng(0)
    target = rng.normal(size=200)
    table = target[:, None] + rng.normal(size=(4, 200, 1))
    rmse = registry.get("metric", "rmse").function
    reached = rmse(target, blend_of(name, table, target, rmse)(table))
    assert reached > max(rmse(target, member) for member in table) + 0.3


def test_stack_learns_that_two_classes_are_swapped():
    target, table = crowd(400, 3, [2.0, 2.0])
    table[1] = table[1][:, [1, 0, 2]]
    half = np.arange(400) < 200
    for name, low, high in (("stack", 0.9, 1.0), ("mean", 0.0, 0.8)):
        blend = blend_of(name, table[:, half], target[half])
        assert low < accuracy(target[~half], blend(table[:, ~half])) < high


def test_greedy_leaves_useless_members_out_and_in_bags_still_more_so():
    target, table = crowd(300, 4, [1.2] * 6 + [0.0] * 3)
    bagged = blend_of("greedy", table, target, macro_f1).weights
    alone = blend_of("greedy", table, target, macro_f1, bags=1, share=1.0, start=1).weights
    assert bagged.sum() == pytest.approx(1) and alone.sum() == pytest.approx(1)
    assert bagged[6:].sum() < 0.08 < alone[6:].sum()


def test_a_warm_start_is_no_longer_than_it_helps():
    target, table = crowd(300, 4, [2.0, 0.0, 0.0])
    blend = blend_of("greedy", table, target, size=1, bags=1, start=25)
    np.testing.assert_allclose(blend.weights, [1, 0, 0])
    weights = blend_of("greedy", table, target, start=25).weights
    assert weights[0] > 0.7


@pytest.mark.parametrize("metric", [accuracy, log_loss])
def test_cma_is_at_least_as_good_as_the_best_member_and_the_mean_on_the_rows_it_saw(metric):
    pytest.importorskip("cmaes")
    target, table = crowd(150, 3, [0.5, 1.0, 1.5, 0.0])
    blend = blend_of("cma", table, target, metric, evaluations=60)
    assert blend.weights.sum() == pytest.approx(1)
    reached = metric(target, blend(table))
    assert reached >= max(metric(target, member) for member in table) - 1e-12
    assert reached >= metric(target, table.mean(0)) - 1e-12


def test_without_cmaes_a_sentence_says_what_to_install_and_auto_does_without(monkeypatch):
    monkeypatch.setitem(sys.modules, "cmaes", None)
    target, table = crowd(60, 2, [1.0, 1.0])
    with pytest.raises(UserError, match=r"pip install 'automask\[cma\]'"):
        fit(table, target, "cma")
    pool = Pool({"none": table}, target, np.arange(60) % 3, None, accuracy, 20, 0)
    methods, notes = ensemble._methods(pool, "auto")
    assert "cma" not in methods and "mean" in methods
    assert len(notes) == 1 and "automask[cma]" in notes[0]


@pytest.mark.parametrize("name", registry.plugins("ensemble"))
@pytest.mark.parametrize("metric", [macro_f1, log_loss])
def test_one_member_and_a_class_that_the_rows_seen_lack(name, metric):
    if name == "cma":
        pytest.importorskip("cmaes")
    target, table = crowd(40, 3, [1.5])
    seen = target != 2
    out = blend_of(name, table[:, seen], target[seen], metric)(table)
    assert out.shape == (40, 3)
    np.testing.assert_allclose(out.sum(1), 1)
    assert blend_of(name, table[:, seen], target[seen], metric)(table[:, :0]).shape == (0, 3)


# Choosing


def test_auto_takes_the_best_nested_score_and_the_simplest_of_equals(quick):
    target, table = crowd(400, 3, [1.0] * 6)
    found = fit(table, target)
    nested = {name: scores.nested.value for name, scores in found.methods.items()}
    assert nested[found.method] == max(nested.values()) > nested["best"]
    useless = np.stack([noisy(target, 3, 0.0, k) for k in range(10)])
    spoilt = fit(np.concatenate([table, useless]), target)
    assert spoilt.method == "greedy"
    assert set(spoilt.methods) == set(QUICK)
    assert spoilt.methods["greedy"].nested.value > spoilt.methods["mean"].nested.value
    assert sum(spoilt.chosen.values()) == 5
    alone = fit(table[:1], target)
    assert (alone.method, len(alone.members)) == ("best", 1)


def test_the_simplest_is_left_only_for_what_is_clearly_better():
    target = np.random.default_rng(0).integers(0, 2, 400)
    right = one_hot(target, 2)
    worse, little = right.copy(), right.copy()
    worse[:40], little[:1] = worse[:40, ::-1], little[:1, ::-1]
    assert simplest_best(accuracy, target, [worse, right], None) == 1
    assert simplest_best(accuracy, target, [little, right], None) == 0
    assert simplest_best(accuracy, target, [right, worse], None) == 0
    # Where one is better in a group and worse in another, it is the groups that count, not their rows.
    other = right.copy()
    other[40:60] = other[40:60, ::-1]
    assert simplest_best(accuracy, target, [worse, other], None) == 1
    groups = np.where(np.arange(400) < 40, 0, np.where(np.arange(400) < 60, 1, np.arange(400)))
    assert simplest_best(accuracy, target, [worse, other], groups) == 0


def noise(seed):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2, 80), rng.dirichlet([1, 1], (40, 80))


def test_on_noise_the_nested_score_of_auto_is_chance(quick):
    found = [fit(table, target, metric=accuracy, top=40) for target, table in map(noise, range(4))]
    assert np.mean([blended.nested.value for blended in found]) < 0.58
    assert np.mean([blended.plain.value for blended in found]) > 0.62


def test_a_choice_that_sees_all_rows_would_fail_that(quick, monkeypatch):
    """The same with a leak put in: members and blends are fitted to all rows."""
    honest = Pool.fit
    everything = selection.EVERYTHING
    monkeypatch.setattr(
        Pool,
        "fit",
        lambda self, view, method, without, among=None: honest(
            self, view, method, everything, among
        ),
    )
    found = [fit(table, target, metric=accuracy, top=40) for target, table in map(noise, range(4))]
    assert np.mean([blended.nested.value for blended in found]) > 0.62


def test_a_fold_does_not_move_what_is_chosen_and_predicted_for_it(quick):
    target, table = crowd(100, 3, [1.0, 1.2, 0.0, 0.0])
    folds = np.arange(100) % 5
    changed = np.where(folds == 0, (target + 1) % 3, target)
    one, other = (
        selection.nested_choice(Pool({"none": table}, t, folds, None, macro_f1, 3, 0), QUICK)[0]
        for t in (target, changed)
    )
    np.testing.assert_array_equal(one[folds == 0], other[folds == 0])
    assert (one[folds != 0] != other[folds != 0]).any()


def test_a_view_is_taken_where_it_clearly_helps():
    target, table = crowd(300, 3, [0.8, 0.8])
    _, better = crowd(300, 3, [2.5, 2.5])
    folds = np.arange(300) % 5

    def chosen(other):
        views = {"none": members_of(table), "flips": members_of(other)}
        return ensemble.fit(views, target, folds, None, macro_f1, "mean", 20)

    taken, left = chosen(better), chosen(table * 0.999 + 0.001 / 3)
    assert (taken.view, left.view) == ("flips", "none")
    assert taken.nested.value > left.nested.value
    assert taken.views["flips"].value > taken.views["none"].value
    # What it predicts is the view's, too.
    assert taken.parts[0].score > left.parts[0].score


@pytest.mark.parametrize("groups", [None, np.arange(60) // 4])
def test_two_folds_are_halved_so_that_some_are_left_to_choose_by(groups):
    target, table = crowd(60, 2, [1.5, 1.5])
    folds = np.arange(60) // 4 % 2
    halves = selection.split_in_half(folds, groups)
    assert sorted(set(halves.tolist())) == [0, 1, 2, 3]
    assert (halves // 2 == folds).all()
    if groups is not None:
        assert len(np.unique(np.stack([groups, halves]), axis=1).T) == 15
    found = ensemble.fit({"none": members_of(table)}, target, folds, groups, accuracy, "mean", 20)
    assert found.nested.value > 0.7


def test_what_a_member_adds_and_how_it_differs():
    target, table = crowd(300, 3, [1.0, 1.0, 2.5])
    found = fit(table, target, "mean")
    by_number = {part.member.number: part for part in found.parts}
    assert by_number[2].adds > max(by_number[0].adds, by_number[1].adds)
    assert by_number[2].differs < by_number[0].differs
    assert 0 < found.disagreement < 1
    twins = fit(np.stack([table[0], table[0]]), target, "mean")
    assert twins.disagreement == 0
    assert [part.adds for part in twins.parts] == [0, 0]
    assert ensemble.disagreement(SINGLE, np.array([[0, 1], [0, 0], [0, 1]])) == pytest.approx(1 / 3)


# Few rows that are all right


def separable(rows=40, classes=3):
    """Rows that every member is right in, each with a confidence of its own."""
    target = np.arange(rows) % classes
    table = np.stack([noisy(target, classes, 7.0 + k, k) for k in range(3)])
    assert all(accuracy(target, member) == 1 for member in table)
    return target, table


def test_votes_are_no_method_where_the_metric_reads_probabilities():
    target, table = separable()
    found = fit(table, target, metric=log_loss, test=table[:, :5])
    assert "hard_vote" not in found.methods and found.nested.value < 0
    assert found.test.max() < 1
    assert "hard_vote" in fit(table, target, metric=macro_f1).methods
    assert fit(table, target, "hard_vote", log_loss).method == "hard_vote"


def test_all_but_certain_predictions_tell_a_metric_of_answers_from_others():
    target = np.arange(30) % 3
    sure = one_hot(target, 3)
    assert decisions.sees_answers_only(SINGLE, accuracy, target, sure)
    assert not decisions.sees_answers_only(SINGLE, log_loss, target, sure)
    labels = one_hot(target, 3).astype(int)
    assert decisions.sees_answers_only(MULTI, macro_f1, labels, sure)
    assert not decisions.sees_answers_only(MULTI, log_loss, labels, sure)


@pytest.mark.parametrize("rows", [20, 200])
def test_a_temperature_trusts_rows_that_are_all_right_no_further_than_they_are_many(rows):
    target = np.arange(rows) % 3
    right = np.where(one_hot(target, 3) > 0, 0.5, 0.25)
    temperature = calibration.temperature(target, right)
    sure = calibration.apply_temperature(right, temperature)
    assert sure.max(1) == pytest.approx(1 - 1 / (rows + 2), rel=1e-3)
    # What one more row costs that is wrong.
    assert -log_loss((target + 1) % 3, sure) < np.log(2 * (rows + 2)) + 0.01


def test_a_kept_temperature_is_bounded_by_the_rows_under_a_metric_of_ranks():
    target, table = separable(60)
    found = fit(table**0.2 / (table**0.2).sum(2, keepdims=True), target, metric=roc_auc, test=table)
    assert found.temperature is not None and 0.1 < found.temperature < 1
    mean_error = 1 - found.calibrated.max(1).mean()
    assert 1 / 500 < mean_error < 1 / 20


# Biases and priors


def skewed(rows, seed=0):
    """Rows of which few are of class 1, and probabilities that are true."""
    rng = np.random.default_rng(seed)
    target = (rng.random(rows) < 0.1).astype(int)
    logit = rng.normal(1.6 * (2 * target - 1)) * 1.6 - np.log(9)
    right = 1 / (1 + np.exp(-logit))
    return target, np.stack([1 - right, right], 1)


def test_biases_are_kept_where_classes_are_skewed_and_dropped_on_noise():
    target, probability = skewed(1500)
    folds = np.arange(len(target)) % 5
    hidden = probability * [0.95, 0.05]
    hidden /= hidden.sum(1, keepdims=True)
    found = fit(hidden[None], target, "mean")
    assert found.shift is not None and found.shift[1] > found.shift[0]
    assert found.nested.value > macro_f1(target, hidden) + 0.02
    for seed in range(3):
        target, table = noise(seed)
        pool = Pool({"none": table[:1]}, target, folds[:80], None, macro_f1, 1, 0)
        crossed = selection.choose_blend(pool, ["mean"])
        assert crossed.shift is None


def test_biases_are_for_metrics_of_labels():
    target, probability = skewed(300)
    assert decisions.sees_answers_only(SINGLE, macro_f1, target, probability)
    assert not decisions.sees_answers_only(SINGLE, log_loss, target, probability)
    assert fit(probability[None], target, "mean", log_loss).shift is None


def test_biases_never_lower_the_score_of_the_rows_they_were_fitted_to():
    for seed in range(5):
        target, table = crowd(80, 4, [0.7], seed)
        biases = priors.fit_biases(target, table[0], macro_f1)
        assert macro_f1(target, priors.add_biases(table[0], biases)) >= macro_f1(target, table[0])
    sure = one_hot(target, 4)
    assert not priors.fit_biases(target, sure, macro_f1).any()


def test_em_recovers_a_prior_that_has_shifted():
    rng = np.random.default_rng(0)
    before, after = np.array([0.6, 0.3, 0.1]), np.array([0.2, 0.3, 0.5])
    target = rng.choice(3, 6000, p=after)
    seen = rng.normal(size=(6000, 3)) + 1.5 * np.eye(3)[target]
    # Bayes: the likelihood of what is seen, times the priors of train.
    probability = priors.reweight(np.exp(1.5 * seen), before)
    found = priors.estimate(probability, before)
    np.testing.assert_allclose(found, after, atol=0.03)
    assert np.abs(probability.mean(0) - after).max() > 0.1
    shifted = priors.reweight(probability, found / before)
    assert accuracy(target, shifted) > accuracy(target, probability) + 0.02


# Calibration


@settings(max_examples=10)
@given(planted=st.floats(0.4, 3.0))
def test_a_planted_temperature_is_found(planted):
    rng = np.random.default_rng(0)
    true = rng.dirichlet([0.5] * 4, 4000)
    target = (true.cumsum(1) > rng.random((4000, 1))).argmax(1)
    given = calibration.apply_temperature(true, 1 / planted)
    found = calibration.temperature(target, given)
    assert found == pytest.approx(planted, rel=0.1)
    mended = calibration.apply_temperature(given, found)
    assert (mended.argmax(1) == given.argmax(1)).all()
    error = calibration.expected_error(calibration.reliability(target, mended))
    assert error < 0.03
    if abs(np.log(planted)) > 0.5:
        assert error < calibration.expected_error(calibration.reliability(target, given))


def test_test_probabilities_get_the_temperature_and_keep_their_classes():
    target, table = crowd(400, 3, [1.0, 1.0])
    sure = table**4 / (table**4).sum(2, keepdims=True)
    found = fit(sure, target, "mean", test=sure[:, :30])
    assert found.temperature > 1.5
    before = sure[:, :30].mean(0)
    assert (found.test.argmax(1) == before.argmax(1)).all()
    assert found.test.max(1).mean() < before.max(1).mean()
    losses = [-calibration.log_likelihood(target, p) for p in (found.honest, found.calibrated)]
    assert losses[1] < losses[0]


def test_the_reliability_table_holds_every_row_once():
    probability = np.array([[0.95, 0.05], [0.93, 0.07], [0.4, 0.6], [1.0, 0.0]])
    table = calibration.reliability(np.array([0, 1, 1, 0]), probability)
    assert [(bin.count, bin.accuracy) for bin in table] == [(1, 1.0), (3, pytest.approx(2 / 3))]
    assert [bin.confidence for bin in table] == pytest.approx([0.6, 0.96])
    assert calibration.expected_error(table) == pytest.approx((0.4 + 3 * (0.96 - 2 / 3)) / 4)
