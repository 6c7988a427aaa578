"""Looks before folds: what goes on, with how many epochs, and what comes last before a deadline."""

import itertools
import math
import time

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import TrialState

from automask.hpo import clock, pruners, race
from automask.hpo.attributes import TrialAttributes, recipe_of
from automask.hpo.cost import Cost
from automask.hpo.limits import Limits
from automask.hpo.progress import Step
from automask.hpo.proposer import PROPOSALS
from automask.hpo.race import Race
from automask.hpo.sampler import STARTUP
from automask.hpo.searcher import Searcher
from automask.hpo.trials import finished_trials, origin, trained
from automask.study import opening
from automask.study.session import Options
from helpers.searches import FOLDS, pretend, recipes, states

SPACE = """
[training]
pretrained = false
image_size = 32
epochs = { low = 2, high = 16 }
warmup_epochs = 0
batch_size = 8

[backbone.timm]
model = "test_resnet"
drop_rate = 0.0
drop_path_rate = 0.0

[head.joint]
dropout = { low = 0.0, high = 0.5 }

[loss.cross_entropy]

[loss.label_smoothing]

[augmentation.none]
"""


def value_of(recipe):
    """What a recipe is worth, whatever its epochs: less where only heads are said to train."""
    value = int(recipe.with_epochs(1).hash, 16) / 16**12
    return 0.6 * value if recipe["loss"].name == "label_smoothing" else 0.5 + 0.5 * value


def look(recipe, report):
    report(Step(0, 1, 2, 0.0))
    report(Step(0, 2, 2, 0.0))
    return value_of(recipe)


def train(recipe, report, ends):
    for fold in range(FOLDS):
        report(Step(fold, 1, 1, 0.0, value_of(recipe), final=fold == FOLDS - 1))
    return value_of(recipe)


def cost(recipe):
    """A GFLOP an epoch and fold, and next to nothing where only heads are said to train."""
    heads = recipe["loss"].name == "label_smoothing"
    kind = "cached x 32px" if heads else "full x 32px"
    area = (recipe.training["image_size"] / 32) ** 2
    return Cost(0.1 if heads else recipe.training["epochs"] * FOLDS * area, kind, FOLDS)


@pytest.fixture
def study(inside):
    return opened(inside)


def opened(inside, name="main", text=SPACE):
    (inside / "race.toml").write_text(text)
    return opening.begin(Options(space="race.toml", folds=FOLDS, study=name))


def searcher(study, limits, train=train, look=look):
    return Searcher(study.study, study.space, study.store, limits, train, 0, cost, look=look)


def noted(study):
    return [TrialAttributes.read(trial) for trial in finished_trials(study.study)]


def number(low, high):
    return st.floats(low, high, allow_subnormal=False)


# Which go on


@given(
    st.lists(number(0, 1), max_size=30),
    number(0, 1),
)
def test_a_look_goes_on_among_the_best_quarter(values, value):
    trials = [optuna.trial.create_trial(value=0.0, user_attrs={"look": one}) for one in values]
    goes = Race(1, 16).goes_on(value, trials)
    rank = 1 + sum(other >= value for other in values)
    assert goes == (rank <= math.ceil((len(values) + 1) / race.LOOKS))


def test_no_look_at_what_has_few_epochs_and_none_that_is_not_a_number_goes_on():
    assert not Race(1, 1).is_on
    assert Race(1, 4).is_on
    assert Race(3, 30).epochs == 8
    seen = [optuna.trial.create_trial(value=0.0, user_attrs={"look": 0.5})]
    assert not Race(1, 16).goes_on(math.nan, seen)


def test_a_search_looks_first_and_trains_what_leads(study):
    searcher(study, Limits(24)).run()
    assert len(states(study)) == 24
    full = [one for one in noted(study) if one.kind == "full x 32px"]
    assert all(one.look is not None for one in full)
    trials = [t for t in finished_trials(study.study) if TrialAttributes.read(t).look is not None]
    for index, trial in enumerate(trials):
        before = [TrialAttributes.read(one).look for one in trials[:index]]
        leads = sum(other >= TrialAttributes.read(trial).look for other in before) < math.ceil(
            len(trials[: index + 1]) / race.LOOKS
        )
        assert trial.state == (TrialState.COMPLETE if leads else TrialState.PRUNED)
        assert trial.intermediate_values[pruners.LOOKED] == TrialAttributes.read(trial).look
        assert trained(trial, FOLDS) == (1.0 if leads else 0.25 / FOLDS)
    assert {trial.state for trial in trials} == {TrialState.COMPLETE, TrialState.PRUNED}


def test_heads_alone_need_no_look_and_get_no_more_time_once_beaten(study):
    searcher(study, Limits(30)).run()
    trials = finished_trials(study.study)
    kinds = [TrialAttributes.read(trial).kind for trial in trials]
    heads = [t for t, kind in zip(trials, kinds, strict=True) if kind == "cached x 32px"]
    assert heads and all(TrialAttributes.read(trial).look is None for trial in heads)
    beaten = next(i for i in range(len(trials)) if race.heads_are_beaten(trials[: i + 1]))
    assert "cached x 32px" not in kinds[beaten + 1 :]
    assert kinds[beaten + 1 :]


def test_interrupted_equals_uninterrupted(inside, study):
    whole = opened(inside, "whole")
    searcher(whole, Limits(20)).run()
    for stop, when in itertools.product((5, 12), ("look", "train")):
        calls = []

        def cut(recipe, report, ends=0.0, calls=calls, when=when):
            calls.append(recipe)
            if len(calls) == 2:
                raise KeyboardInterrupt
            return train(recipe, report, ends) if when == "train" else look(recipe, report)

        parts = {"train": cut} if when == "train" else {"look": cut}
        try:
            searcher(study, Limits(stop), **parts).run()
        except KeyboardInterrupt:
            assert states(study)[-1] == "WAITING"
    searcher(study, Limits(20)).run()
    assert recipes(study) == recipes(whole)
    assert states(study) == states(whole)


def test_another_pruner_looks_at_nothing(inside):
    (inside / "race.toml").write_text(SPACE)
    study = opening.begin(Options(space="race.toml", folds=FOLDS, pruner="none"))
    Searcher(study.study, study.space, study.store, Limits(5), pretend).run()
    assert states(study) == ["COMPLETE"] * 5
    assert all(one.look is None for one in noted(study))


# As many epochs as fit


@given(
    st.integers(1, 5),
    st.integers(0, 40),
    number(0, 5),
    number(0.01, 3),
    number(0, 200),
)
def test_epochs_are_the_most_that_fit(low, more, once, each, left):
    of = Race(low, low + more)
    fitting = of.fitting(lambda epochs: once + each * epochs, left)
    if fitting is None:
        assert once + each * low > left
    else:
        assert low <= fitting <= of.high
        assert once + each * fitting <= left + 1e-6
        assert fitting == of.high or once + each * (fitting + 1) > left - 1e-6


def test_epochs_are_all_of_them_where_nothing_tells_the_seconds():
    assert Race(2, 16).fitting(lambda epochs: None, 1.0) == 16


@pytest.fixture
def pace(monkeypatch):
    """Whatever the trials told, a GFLOP takes a second."""
    monkeypatch.setattr(clock, "seconds", lambda cost, trials, passes=None: cost.gflop)


FULL = SPACE.replace("\n[loss.label_smoothing]\n", "")


def test_a_trial_that_would_not_end_is_shortened(inside, pace):
    study = opened(inside, text=FULL)
    # Of 16 epochs and 3 folds it would take 48 seconds.
    searcher(study, Limits(3, time.time() + 40)).run()
    assert recipe_of(finished_trials(study.study)[0]).training["epochs"] in (11, 12)


def test_before_the_deadline_the_best_look_is_trained_though_it_was_pruned(inside, pace):
    study = opened(inside, text=FULL)
    values = iter([0.5, 0.9, 0.1, 0.2, 0.45, 0.3])

    def given_look(recipe, report):
        report(Step(0, 1, 1, 0.0))
        return next(values)

    def given_train(recipe, report, ends):
        report(Step(FOLDS - 1, 1, 1, 0.0, 0.5, final=True))
        return 0.5

    searcher(study, Limits(6, time.time() + 50), given_train, given_look).run()
    ended = [(one.look, one.again) for one in noted(study)]
    assert ended == [(0.5, None), (0.9, None), (0.1, None), (0.2, None), (0.45, None), (None, 4)]
    last = finished_trials(study.study)[-1]
    assert last.state == TrialState.COMPLETE
    assert recipe_of(last).training["epochs"] < 16
    assert "in the time that was left" in origin(study.study, last)


def test_where_epochs_would_be_few_a_smaller_size_is_tried(inside, pace):
    text = FULL.replace("image_size = 32", "image_size = [32, 64]")
    study = opened(inside, text=text)
    assert study.space.default()[0].training["image_size"] == 64
    # All 16 epochs take 192 seconds at 64 px, of which 3 are enough, and 48 at 32 px.
    searcher(study, Limits(1, time.time() + 60)).run()
    (first,) = finished_trials(study.study)
    made = recipe_of(first)
    assert (made.training["image_size"], made.training["epochs"]) == (64, 4)
    study = opened(inside, text=text, name="hurried")
    searcher(study, Limits(1, time.time() + 30)).run()
    (first,) = finished_trials(study.study)
    made = recipe_of(first)
    assert made.training["image_size"] == 32 and 6 <= made.training["epochs"] <= 9
    assert "smaller image size" in origin(study.study, first)


def test_heads_alone_get_a_moderate_number_of_epochs(study):
    searcher(study, Limits(12)).run()
    trials = finished_trials(study.study)
    heads = [t for t in trials if TrialAttributes.read(t).kind == "cached x 32px"]
    assert {recipe_of(trial).training["epochs"] for trial in heads} == {6}


def test_two_workers_do_not_both_take_the_best_look(inside, pace):
    study = opened(inside, text=FULL)
    values = iter([0.5, 0.9, 0.1, 0.2, 0.45])

    def given_look(recipe, report):
        report(Step(0, 1, 1, 0.0))
        return next(values)

    def given_train(recipe, report, ends):
        report(Step(FOLDS - 1, 1, 1, 0.0, 0.5, final=True))
        return 0.5

    one = searcher(study, Limits(5, time.time() + 50), given_train, given_look)
    one.run()
    first = one._proposer.next()
    assert TrialAttributes.read(first.trial).again == 4
    # A second later other epochs would fit.
    other = searcher(study, Limits(5, time.time() + 45), given_train, given_look)
    second = other._proposer.next()
    assert isinstance(second, str) or TrialAttributes.read(second.trial).again is None


def test_heads_that_would_not_end_are_not_queued_again_and_again(inside, pace, monkeypatch):
    """With the fewest epochs they would, but they aren't given these."""
    text = FULL.replace("[loss.cross_entropy]", "[loss.label_smoothing]")
    study = opened(inside, text=text)
    spent = lambda recipe: Cost(float(recipe.training["epochs"]), "cached x 32px", FOLDS)  # noqa: E731
    one = searcher(study, Limits(3, time.time() + 5))
    one.cost = spent
    TrialAttributes(pace=1.0, reason="duplicate").write(trial := study.study.ask())
    study.study.tell(trial, state=TrialState.FAIL)
    assert one.run() == "no other trial is expected to end in the time that is left"
    assert len(study.study.get_trials()) < 10


def test_seconds_of_a_look_count_once(inside):
    study = opened(inside, text=FULL)

    def slow_look(recipe, report):
        time.sleep(0.5)
        return value_of(recipe)

    begin = time.time()
    searcher(study, Limits(4), look=slow_look).run()
    took = time.time() - begin
    assert 2.0 <= sum(one.seconds for one in noted(study)) <= took


def test_the_pace_of_heads_has_their_features_in_it(study):
    def features_first(recipe, report, ends):
        time.sleep(0.3)
        for epoch in (1, 2, 3):
            report(Step(0, epoch, 3, 0.0, final=True))
        return train(recipe, report, ends)

    searcher(study, Limits(6), features_first).run()
    heads = [one for one in noted(study) if one.kind == "cached x 32px"]
    assert heads and all(one.pace * one.cost >= 0.3 for one in heads)


def test_what_never_fits_at_any_size_is_not_proposed_without_end(inside, pace):
    """Of sixteen recipes one fits: after some that don't, such a one is drawn."""
    study = opened(inside, text=FULL.replace("image_size = 32", "image_size = [32, 64]"))
    limits = Limits(STARTUP + 6, time.time() + 500)
    one = searcher(study, limits)
    one.cost = lambda recipe: (
        Cost(1.0, "cached x 32px", FOLDS)
        if recipe.with_epochs(1).hash[0] == "0"
        else Cost(1e6, f"full x {recipe.training['image_size']}px", FOLDS)
    )
    TrialAttributes(pace=1.0, reason="duplicate").write(trial := study.study.ask())
    study.study.tell(trial, state=TrialState.FAIL)
    one.run()
    ended = (TrialState.COMPLETE, TrialState.PRUNED)
    between = "".join("." if t.state in ended else "x" for t in study.study.get_trials())
    assert max(map(len, between.split("."))) <= 2 * PROPOSALS
