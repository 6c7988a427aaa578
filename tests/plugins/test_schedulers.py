"""The course of the learning rate, step by step, as training goes through it."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from automask import testing
from automask.space import registry, space_file
from automask.space.recipe import Choice, Recipe
from automask.training import optim

SCHEDULERS = list(registry.plugins("scheduler").values())


def sgd(*rates, momentum=0.0):
    groups = [{"params": [nn.Parameter(torch.zeros(1))], "lr": rate} for rate in rates]
    return torch.optim.SGD(groups, lr=rates[0], momentum=momentum)


def course(name, optimizer=None, steps_per_epoch=10, epochs=8, warmup_epochs=0, loss=1.0, **params):
    """The learning rate that each optimizer step used `[steps, groups]`, by training's schedule."""
    optimizer = optimizer or sgd(1.0)
    used = []
    optimizer.register_step_post_hook(
        lambda *_: used.append([group["lr"] for group in optimizer.param_groups])
    )
    choice = Choice(name, {**registry.get("scheduler", name).defaults, **params})
    recipe = Recipe({"scheduler": choice}, {"epochs": epochs, "warmup_epochs": warmup_epochs})
    schedule = optim.Schedule(recipe, optimizer, steps_per_epoch)
    for _ in range(epochs):
        for _ in range(steps_per_epoch):
            optimizer.step()
            schedule.step()
        schedule.epoch(loss)
    return np.array(used)


def single(*args, **kwargs):
    return course(*args, **kwargs)[:, 0]


def named(plugin):
    return plugin.name


def test_the_full_space_has_every_scheduler():
    assert set(space_file.load("full").competitors["scheduler"]) == set(
        registry.plugins("scheduler")
    )


def test_constant_stays():
    assert (single("constant") == 1.0).all()


def test_multi_step_drops_half_way_through_each_rest():
    rates = single("MultiStepLR", first=0.5, drops=3, gamma=0.1)
    drops = np.flatnonzero(np.diff(rates)) + 1
    assert drops.tolist() == [40, 60, 70]
    np.testing.assert_allclose(rates[[0, 40, 60, 70]], [1, 0.1, 0.01, 0.001])


def test_warm_restarts_begin_anew_after_ever_longer_cycles_and_end_at_the_end():
    rates = single("CosineAnnealingWarmRestarts", epochs=7, cycles=3, T_mult=2.0, final_ratio=0.0)
    assert (np.flatnonzero(np.diff(rates) > 0) + 1).tolist() == [10, 30]
    assert rates[[0, 10, 30]].tolist() == [1, 1, 1]
    np.testing.assert_allclose(rates[[5, 20, 50]], 0.5)
    assert rates[-1] < 0.01


@pytest.mark.parametrize("steps_per_epoch", [3, 7, 13])
def test_warm_restarts_never_leave_a_restart_for_the_last_steps(steps_per_epoch):
    for cycles, longer in itertools.product((2, 3, 5), (1.0, 1.3, 2.0)):
        rates = single(
            "CosineAnnealingWarmRestarts", None, steps_per_epoch, 3, cycles=cycles, T_mult=longer
        )
        assert rates[-1] < 0.6


def test_one_cycle_rises_peaks_and_ends_near_nothing():
    rates = single("OneCycleLR", pct_start=0.25, div_factor=20.0)
    peak = rates.argmax()
    assert rates[0] == pytest.approx(1 / 20)
    assert rates.max() == pytest.approx(1, abs=0.01)
    assert peak == pytest.approx(0.25 * len(rates), abs=1)
    assert (np.diff(rates[: peak + 1]) > 0).all() and (np.diff(rates[peak:]) < 0).all()
    assert rates[-1] < 0.002


def test_one_cycle_rises_once_whether_warmed_up_or_not():
    rates = single("OneCycleLR", warmup_epochs=2, div_factor=10.0)
    assert rates[0] == pytest.approx(0.1 / 21)
    assert rates[20] == pytest.approx(0.1)
    peak = rates.argmax()
    assert (np.diff(rates[: peak + 1]) >= 0).all() and (np.diff(rates[peak:]) < 0).all()


def test_one_cycle_lowers_momentum_where_the_rate_is_high():
    used = []
    optimizer = sgd(1.0, momentum=0.9)
    optimizer.register_step_post_hook(lambda *_: used.append(optimizer.param_groups[0]["momentum"]))
    rates = single("OneCycleLR", optimizer, warmup_epochs=1, momentum_drop=0.1)
    assert used[0] == used[10] == pytest.approx(0.9)
    assert used[rates.argmax()] == min(used) == pytest.approx(0.81, abs=1e-3)
    assert used[-1] == pytest.approx(0.9, abs=1e-3)


def test_one_cycle_lowers_adams_first_beta_alone():
    used = []
    optimizer = torch.optim.AdamW([nn.Parameter(torch.zeros(1))], lr=1.0, betas=(0.9, 0.99))
    optimizer.register_step_post_hook(lambda *_: used.append(optimizer.param_groups[0]["betas"]))
    course("OneCycleLR", optimizer, momentum_drop=0.1)
    firsts, seconds = zip(*used, strict=True)
    assert min(firsts) == pytest.approx(0.81, abs=1e-3)
    assert set(seconds) == {0.99}


def test_one_cycle_leaves_an_optimizer_without_momentum_alone():
    rates = single("OneCycleLR", torch.optim.Adagrad([nn.Parameter(torch.zeros(1))], lr=1.0))
    assert rates.max() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("plugin", SCHEDULERS, ids=named)
def test_the_warm_up_rises_to_where_the_scheduler_starts(plugin):
    for warmup_epochs in (0, 1, 3):
        rates = single(plugin.name, warmup_epochs=warmup_epochs)
        warmup = warmup_epochs * 10
        assert (np.diff(rates[:warmup]) >= 0).all()
        assert rates.max() == pytest.approx(1, abs=0.01)
        if plugin.name != "OneCycleLR":
            np.testing.assert_allclose(rates[:warmup], np.arange(1, warmup + 1) / (warmup + 1))
            assert rates[warmup] == 1


@pytest.mark.parametrize("plugin", SCHEDULERS, ids=named)
@pytest.mark.parametrize("warmup_epochs", [0, 2])
def test_two_groups_keep_their_ratio(plugin, warmup_epochs):
    for params in testing.corners(plugin):
        if plugin.name == "CosineAnnealingLR":
            # It ends at one rate for all groups.
            params = {**params, "final_ratio": 0.0}
        rates = course(plugin.name, sgd(0.1, 0.3), warmup_epochs=warmup_epochs, **params)
        assert rates.max(0) == pytest.approx([0.1, 0.3], rel=0.01)
        np.testing.assert_allclose(rates[:, 1], 3 * rates[:, 0], rtol=1e-6)


@pytest.mark.parametrize("plugin", SCHEDULERS, ids=named)
def test_no_size_is_too_small_or_odd(plugin):
    sizes = [(1, 1, 0), (1, 2, 1), (1, 3, 0), (2, 1, 0), (3, 7, 2), (1, 10, 0), (5, 2, 0)]
    for params in testing.corners(plugin):
        for steps_per_epoch, epochs, warmup_epochs in sizes:
            rates = single(plugin.name, None, steps_per_epoch, epochs, warmup_epochs, **params)
            assert len(rates) == steps_per_epoch * epochs
            assert (rates > 0).all() and (rates <= 1).all()


@pytest.mark.parametrize("plugin", SCHEDULERS, ids=named)
def test_sizes_need_not_be_whole_and_more_steps_than_announced_do_not_raise(plugin):
    for params in testing.corners(plugin):
        optimizer = sgd(1.0)
        scheduler = plugin.function(optimizer, 2.5, 3.3, **params)
        for _ in range(12):
            optimizer.step()
            if isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
                scheduler.step(1.0)
            else:
                scheduler.step()
            assert 0 <= optimizer.param_groups[0]["lr"] <= 1


def test_after_the_last_step_the_rate_stays_at_its_end():
    for name in ("OneCycleLR", "CosineAnnealingWarmRestarts", "MultiStepLR"):
        optimizer = sgd(1.0)
        scheduler = registry.get("scheduler", name).function(optimizer, 10, 2)
        rates = []
        for _ in range(25):
            optimizer.step()
            scheduler.step()
            rates.append(optimizer.param_groups[0]["lr"])
        assert rates[19:] == [min(rates)] * 6
