"""Training: isolation of folds, accumulation, freezing, cached features, precision of resuming."""

from dataclasses import replace

import numpy as np
import pytest
import timm.optim
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from automask.data.dataset import Attributes
from automask.errors import TrialError, UserError
from automask.space import registry
from automask.space.recipe import Choice, Recipe
from automask.storage.trial_store import TrialStore
from automask.training import fold as fold_module
from automask.training import hardware, heads, network, optim, stacked_heads, trial
from automask.training.features import Features
from automask.training.plan import Plan
from helpers.recipes import recipe
from helpers.training import (
    FAST,
    Narrow,
    declare_nothing,
    heads_of,
    noise_task,
    quiet,
    register_memory,
    same_results,
)


@pytest.fixture
def memorising(task, monkeypatch):
    """A noise task whose first pixel numbers its rows, and the backbone that reads it."""
    told = noise_task(task)
    pixels = np.zeros((60, 8, 8, 3), np.uint8)
    pixels[:, 0, 0, 0] = np.arange(60)
    monkeypatch.setattr(type(told), "pixels", lambda self, recipe, fold: pixels)
    register_memory(monkeypatch)
    return told


@pytest.mark.parametrize("freeze", ["full", "head_only"])
def test_no_fold_knows_the_rows_that_it_is_scored_on(memorising, tmp_path, freeze):
    score = trial.fit(memorising, recipe(freeze=(freeze, {}), **FAST), TrialStore(tmp_path), quiet)
    assert score < 0.7, "labels are noise: an out-of-fold score above chance is a leak"


def test_the_isolation_test_sees_weights_that_run_on(memorising, tmp_path, monkeypatch):
    kept = {}
    build = fold_module.build
    monkeypatch.setattr(
        fold_module, "build", lambda *args: kept.setdefault("network", build(*args))
    )
    score = trial.fit(memorising, recipe(**FAST), TrialStore(tmp_path), quiet)
    assert score > 0.75


def test_the_isolation_test_sees_heads_that_are_shared(memorising, tmp_path, monkeypatch):
    kept = {}
    build = heads.build_head
    monkeypatch.setattr(heads, "build_head", lambda *args: kept.setdefault("head", build(*args)))
    score = trial.fit(
        memorising, recipe(freeze=("head_only", {}), **FAST), TrialStore(tmp_path), quiet
    )
    assert score > 0.75


LOSSES = ["cross_entropy", "label_smoothing", "focal"]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("rows", "count"), [(12, 3), (11, 4), (5, 8)])
def test_an_accumulated_step_equals_the_big_batch(loss, rows, count):
    torch.manual_seed(0)
    model = nn.Linear(6, 3)
    inputs, target = torch.randn(rows, 6), torch.eye(3)[torch.randint(0, 3, (rows,))]
    counts = target.sum(0)
    function = registry.get("loss", loss).function

    def gradient(parts):
        model.zero_grad()
        split = list(zip(inputs.tensor_split(parts), target.tensor_split(parts), strict=True))
        total = optim.accumulate(split, model, function, counts)
        return total, model.weight.grad.clone()

    whole, parts = gradient(1), gradient(min(count, rows))
    torch.testing.assert_close(whole, parts)


def test_losses_without_extras_are_cross_entropy():
    torch.manual_seed(0)
    logits, target = torch.randn(9, 4), torch.eye(4)[torch.randint(0, 4, (9,))]
    counts = torch.tensor([4.0, 3.0, 2.0, 0.0])
    plain = nn.functional.cross_entropy(logits, target, reduction="none")
    for name, params in [
        ("cross_entropy", {}),
        ("label_smoothing", {"smoothing": 0.0}),
        ("focal", {"gamma": 0.0}),
    ]:
        value = registry.get("loss", name).function(logits, target, counts, **params)
        torch.testing.assert_close(value, plain, rtol=1e-4, atol=1e-5)


def test_class_weights_make_classes_count_alike():
    logits = torch.zeros(9, 3)
    labels = torch.tensor([0] * 6 + [1] * 2 + [2])
    counts = torch.bincount(labels).float()
    value = registry.get("loss", "cross_entropy").function(
        logits, torch.eye(3)[labels], counts, weight_power=1.0
    )
    sums = [value[labels == label].sum() for label in range(3)]
    torch.testing.assert_close(sums[0], sums[1])
    torch.testing.assert_close(sums[0], sums[2])


def test_the_factored_head_is_a_distribution_over_the_classes_seen():
    classes = np.array([[0, 0], [0, 1], [1, 1]])
    attributes = Attributes(("a", "b"), (("x", "y"), ("u", "v")), classes)
    head = registry.get("head", "factored").function(8, attributes)
    out = head(torch.randn(5, 8))
    torch.testing.assert_close(out.exp().sum(1), torch.ones(5))
    single = Attributes(("a",), (("x", "y", "z"),), np.arange(3)[:, None])
    torch.manual_seed(1)
    factored = registry.get("head", "factored").function(8, single)
    torch.manual_seed(1)
    joint = registry.get("head", "joint").function(8, single)
    features = torch.randn(4, 8)
    torch.testing.assert_close(factored(features), joint(features).log_softmax(-1))


def test_what_is_frozen_stays_to_the_bit_batch_norm_too(task):
    built = network.build(recipe(), task.data.attributes, {}, 0, 0)
    built.train_only(built.head_names)
    before = {key: value.clone() for key, value in built.backbone.state_dict().items()}
    optimizer = torch.optim.AdamW(network.parameter_groups(built), lr=0.1, weight_decay=0.1)
    images = torch.randint(0, 256, (4, 32, 32, 3), dtype=torch.uint8)
    built(images).square().sum().backward()
    optimizer.step()
    for key, value in built.backbone.state_dict().items():
        assert torch.equal(value, before[key]), key
    built.train_only([name for stage in built.stages for name in stage])
    assert all(module.training for module in built.modules())


def test_gradual_ends_with_everything_and_begins_with_the_head():
    stages = (("stem",), ("a",), ("b",), ("head",))
    gradual = registry.get("freeze", "gradual").function
    assert gradual(stages, 0.0) == {"head"}
    sizes = [len(gradual(stages, epoch / 20, head_share=0.2)) for epoch in range(20)]
    assert sizes == sorted(sizes)
    assert sizes[-1] == 4


@pytest.mark.parametrize("freeze", ["full", "head_only", "last_stages", "gradual"])
@pytest.mark.parametrize("augmentation", ["none", "light"])
def test_every_way_of_freezing_trains_and_repeats_to_the_bit(task, tmp_path, freeze, augmentation):
    made = recipe(freeze=(freeze, {}), augmentation=(augmentation, {}), epochs=4)
    stores = [TrialStore(tmp_path / name) for name in "ab"]
    first, second = (trial.fit(task, made, store, quiet) for store in stores)
    assert first == second
    np.testing.assert_array_equal(stores[0].test(3), stores[1].test(3))
    probability = stores[0].out_of_fold(task.folds)
    np.testing.assert_allclose(probability.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize("freeze", ["gradual", "head_only"])
def test_dropout_draws_alike_whether_features_are_cached_or_not(task, tmp_path, freeze):
    made = recipe(freeze=(freeze, {}), head=("joint", {"dropout": 0.4}), epochs=4)
    cold = trial.fit(task, made, TrialStore(tmp_path / "cold"), quiet)
    warm = trial.fit(task, made, TrialStore(tmp_path / "warm"), quiet)
    assert cold == warm
    stores = [TrialStore(tmp_path / name).out_of_fold(task.folds) for name in ("cold", "warm")]
    np.testing.assert_array_equal(*stores)


def test_a_head_with_batch_norm_trains_on_cached_features(task, tmp_path, monkeypatch):
    def normed(D, attributes):
        return nn.Sequential(nn.BatchNorm1d(D), nn.Linear(D, len(attributes.classes)))

    plain = registry.get("head", "joint")
    monkeypatch.setitem(
        registry.KINDS["head"].plugins, "joint", replace(plain, function=normed, ranges={})
    )
    made = recipe(freeze=("head_only", {}), head=("joint", {}))
    store = TrialStore(tmp_path)
    trial.fit(task, replace_head(made), store, quiet)
    assert np.isfinite(store.out_of_fold(task.folds)).all()


def replace_head(made):
    return Recipe({**made.choices, "head": Choice("joint", {})}, made.training)


def test_only_a_backbone_that_never_trains_is_left_out(task):
    def at_once(freeze, params=None):
        made = recipe(freeze=(freeze, params or {}), epochs=4)
        return Plan(made, Features(task, made).facts.stages).trains_only_head

    assert at_once("head_only")
    assert not at_once("full")
    assert not at_once("gradual")
    assert not at_once("last_stages", {"share": 0.25})


def test_a_trial_goes_on_after_its_last_finished_fold(task, tmp_path):
    made, whole, torn = recipe(), TrialStore(tmp_path / "whole"), TrialStore(tmp_path / "torn")
    trial.fit(task, made, whole, quiet)

    class Killed(BaseException):
        pass

    def kill_in_second_fold(step):
        if step.fold == 1:
            raise Killed

    with pytest.raises(Killed):
        trial.fit(task, made, torn, kill_in_second_fold)
    assert torn.has(0) and not torn.has(1)
    begun = []
    trial.fit(task, made, torn, lambda step: begun.append((step.fold, step.epoch)))
    assert (0, 1) not in begun, "the finished fold was trained again"
    np.testing.assert_array_equal(torn.out_of_fold(task.folds), whole.out_of_fold(task.folds))


def test_a_loss_that_is_not_a_number_fails_the_trial_with_its_reason(task, tmp_path):
    wild = recipe(optimizer=("sgd", {"lr": 1e30}))
    with pytest.raises(trial.TrialError) as caught:
        trial.fit(task, wild, TrialStore(tmp_path), quiet)
    assert caught.value.reason == "not-a-number"


def test_an_unknown_model_gets_a_suggestion(task, tmp_path):
    made = recipe(backbone=("timm", {"model": "test_resnt"}))
    with pytest.raises(UserError, match=r"no model 'test_resnt': did you mean 'test_resnet'\?"):
        trial.fit(task, made, TrialStore(tmp_path), quiet)


def test_stored_weights_give_the_stored_probabilities(task, tmp_path):
    from safetensors.torch import load_file

    for freeze in ("full", "head_only"):
        made, store = recipe(freeze=(freeze, {})), TrialStore(tmp_path / freeze)
        trial.fit(task, made, store, quiet)
        built = network.build(made, task.data.attributes, {}, task.seed, 1)
        built.load_state_dict(load_file(store.weights(1)), strict=False)
        again = network.predict(
            built, task.pixels(made, 1), task.test_rows, task.device, task.data.target
        )
        np.testing.assert_allclose(again, store.load(1).test, atol=1e-4)


@pytest.mark.parametrize("scheduler", ["StepLR", "CosineAnnealingLR", "ReduceLROnPlateau"])
def test_warm_up_rises_then_the_scheduler_takes_over(scheduler):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    made = recipe(scheduler=(scheduler, {}), epochs=8, warmup_epochs=2)
    schedule = optim.Schedule(made, optimizer, 5)
    rates = []
    for _epoch in range(8):
        for _ in range(5):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        schedule.epoch(1.0)
    assert rates[:10] == sorted(rates[:10])
    assert rates[0] < 0.2
    assert rates[10] == 1.0
    assert rates[-1] < 0.3


def test_batches_are_even_and_hold_every_row_once():
    for rows, size in [(33, 32), (1, 8), (100, 7), (64, 64)]:
        parts = optim.batches(np.arange(rows), size)
        lengths = {len(part) for part in parts}
        assert max(lengths) <= size
        assert max(lengths) - min(lengths) <= 1
        np.testing.assert_array_equal(np.concatenate(parts), np.arange(rows))


@pytest.mark.parametrize("head", ["joint", "factored"])
@pytest.mark.parametrize("loss", ["cross_entropy", "soft_f1"])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "lamb"])
def test_heads_trained_at_once_are_those_trained_by_themselves(
    task, monkeypatch, head, loss, optimizer
):
    made = recipe(freeze=("head_only", {}), head=(head, {}), loss=(loss, {}), epochs=3)
    several = [
        replace(made, choices={**made.choices, "optimizer": Choice(optimizer, params)})
        for params in (
            registry.get("optimizer", optimizer).defaults,
            {**registry.get("optimizer", optimizer).defaults, "lr": 3e-4},
        )
    ]
    together = heads_of(task, several)
    for own, results in zip(several, together, strict=True):
        same_results(results, heads_of(task, [own])[0])
    declare_nothing(monkeypatch, several[0])
    for own, results in zip(several, together, strict=True):
        same_results(results, heads_of(task, [own])[0])


def test_folds_share_an_optimizer_only_where_their_steps_stay_their_own():
    linear = [nn.Linear(4, 3) for _ in range(2)]
    for name, shared in (("adamw", True), ("sgd", True), ("muon", True), ("lamb", False)):
        plugin = registry.get("optimizer", name)
        assert plugin.abilities["elementwise"] == shared
        if name == "muon" and not hasattr(timm.optim, "Muon"):
            continue
        made = recipe(optimizer=(name, plugin.defaults))
        assert len(heads._courses(made, linear, 9, alike=True)) == (1 if shared else 2)
        assert len(heads._courses(made, linear, 9, alike=False)) == 2


def test_a_head_that_is_more_than_linear_layers_is_not_stacked():
    linear = nn.Sequential(nn.Dropout(0.5), nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3))
    assert stacked_heads._stack(linear) is not None and linear.training
    assert stacked_heads._stack(nn.Sequential(nn.Linear(8, 6), nn.LayerNorm(6))) is None
    assert stacked_heads._stack(nn.Sequential(nn.Linear(8, 6), nn.BatchNorm1d(6))) is None


@pytest.fixture
def narrow(monkeypatch):
    """Makes every backbone a narrow one; what they were given is kept."""
    seen, original = [], network.build_backbone

    def make(most):
        def build(*arguments):
            made = Narrow(original(*arguments), most)
            made.seen = seen
            return made

        monkeypatch.setattr(network, "build_backbone", build)
        # Nothing is timed, on whatever processor, so that training comes first.
        monkeypatch.setattr(hardware, "emulated", lambda device: True)
        return seen

    return make


def test_a_batch_that_memory_does_not_hold_is_halved_and_remembered(task, tmp_path, narrow):
    seen, told = narrow(3), []
    made = recipe(epochs=1)
    trial.fit(task, made, TrialStore(tmp_path / "first"), told.append)
    assert max(seen[:1]) == 7 and {step.micro_batch for step in told if step.score is None} == {2}
    seen.clear()
    trial.fit(task, made, TrialStore(tmp_path / "second"), told.append)
    trained = [count for count in seen if count <= 3]
    # From the start this time: nothing larger was tried but for scoring, which needs no gradient.
    assert seen[0] <= 3 and len(trained) >= 3 * 3


def test_precision_is_timed_by_as_many_images_as_fit(task, tmp_path, narrow, monkeypatch):
    narrow(3)
    monkeypatch.setattr(hardware, "emulated", lambda device: False)
    timed, quicker = [], hardware._quicker
    monkeypatch.setattr(
        hardware,
        "_quicker",
        lambda net, size, rows: timed.append(rows) or quicker(net, size, rows),
    )
    trial.fit(task, recipe(epochs=1), TrialStore(tmp_path), lambda step: None)
    assert timed == [16, 8, 4, 2]


def test_an_image_that_does_not_fit_alone_is_out_of_memory(task, tmp_path, narrow):
    narrow(0)
    with pytest.raises(TrialError) as caught:
        trial.fit(task, recipe(epochs=1), TrialStore(tmp_path / "trial"), quiet)
    assert caught.value.reason == "out of memory"


def test_halved_batches_leave_the_step_as_it_was():
    sizes = []

    def run(size):
        sizes.append(size)
        if size > 3:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")
        return "done"

    assert hardware.run_halving(run, 21) == ("done", 3) and sizes == [21, 11, 6, 3]
    with pytest.raises(RuntimeError, match="something else"):
        hardware.run_halving(lambda size: (_ for _ in ()).throw(RuntimeError("something else")), 8)


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=5),
    st.integers(1, 16),
)
def test_padded_batches_hold_each_row_of_an_epoch_once_and_never_one_of_another_fold(sizes, batch):
    drawn = [1000 * k + np.arange(size) for k, size in enumerate(sizes)]
    rows, lengths = heads._pad(heads._parts(drawn, batch))
    assert lengths.max() <= batch
    for k, own in enumerate(drawn):
        assert set((rows[:, k] // 1000).ravel().tolist()) == {k}
        counted = [rows[step, k, : lengths[step, k]] for step in range(len(rows))]
        assert sorted(np.concatenate(counted).tolist()) == own.tolist()
