"""Losses of labels: each against torch, and what it fades out."""

import pytest
import torch
from torch import nn
from torchvision.ops import sigmoid_focal_loss

from automask import testing
from automask.space import registry
from automask.target import MULTI

LOSSES = [plugin for plugin in registry.plugins("loss").values() if plugin.takes(MULTI)]
COUNTS = torch.tensor([400.0, 60.0, 9.0, 1.0, 0.0])
LABELS = len(COUNTS)


def loss(name, logits, target, counts=COUNTS, **params):
    return registry.get("loss", name).function(logits, target, counts, **params)


def drawn(rows=12, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(rows, LABELS, generator=generator) * 2
    return logits, (torch.rand(rows, LABELS, generator=generator) < 0.4).float()


def soft(rows=12):
    return torch.rand(rows, LABELS, generator=torch.Generator().manual_seed(1))


def bce(logits, target):
    function = nn.functional.binary_cross_entropy_with_logits
    return function(logits, target, reduction="none").sum(-1)


def named(plugin):
    return plugin.name


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("sigmoid_bce", {}),
        ("sigmoid_focal", {"gamma": 0.0}),
        ("sigmoid_asymmetric", {"gamma_pos": 0.0, "gamma_neg": 0.0, "clip": 0.0}),
    ],
)
def test_without_what_it_adds_it_is_binary_cross_entropy(name, params):
    logits, target = drawn()
    for given in (target, soft()):
        torch.testing.assert_close(loss(name, logits, given, **params), bce(logits, given))


@pytest.mark.parametrize("gamma", [0.5, 2.0, 5.0])
def test_focal_is_that_of_torchvision(gamma):
    logits, target = drawn()
    wanted = sigmoid_focal_loss(logits, target, alpha=-1, gamma=gamma).sum(-1)
    torch.testing.assert_close(loss("sigmoid_focal", logits, target, gamma=gamma), wanted)


@pytest.mark.parametrize("plugin", LOSSES, ids=named)
def test_value_and_gradient_are_finite_at_the_extremes(plugin):
    _, target = drawn(LABELS)
    sure = (2 * target - 1) * 1000
    for params in testing.corners(plugin):
        for logits in (sure, -sure, sure / 20, -sure / 20, sure * 0):
            for given in (target, soft(LABELS)):
                asked = logits.clone().requires_grad_()
                value = plugin.function(asked, given, COUNTS, **params)
                value.sum().backward()
                assert value.isfinite().all() and (value >= 0).all(), params
                assert asked.grad.isfinite().all(), params


@pytest.mark.parametrize("plugin", LOSSES, ids=named)
def test_a_step_against_the_gradient_lowers_it(plugin):
    logits, target = drawn()
    for params in testing.corners(plugin):
        given = logits.clone().requires_grad_()
        before = plugin.function(given, target, COUNTS, **params).mean()
        before.backward()
        after = plugin.function(given.detach() - 0.01 * given.grad, target, COUNTS, **params).mean()
        assert after < before, params


@pytest.mark.parametrize("plugin", LOSSES, ids=named)
def test_full_weights_make_the_rows_that_have_a_label_count_alike(plugin):
    # Six rows of the first label, two of the second and one of the third.
    target = torch.zeros(6, LABELS)
    target[:, 0], target[:2, 1], target[0, 2] = 1, 1, 1
    logits = torch.zeros(6, LABELS, requires_grad=True)
    plugin.function(logits, target, target.sum(0), weight_power=1.0).sum().backward()
    of_those = (logits.grad * target).sum(0)[:3]
    torch.testing.assert_close(of_those, of_those[:1].expand(3))
    # What rows lack weighs as it did.
    plain = torch.zeros(6, LABELS, requires_grad=True)
    plugin.function(plain, target, target.sum(0), weight_power=0.0).sum().backward()
    torch.testing.assert_close(logits.grad * (1 - target), plain.grad * (1 - target))


@pytest.mark.parametrize("plugin", LOSSES, ids=named)
def test_a_training_part_without_any_label_still_trains(plugin):
    logits = torch.randn(4, LABELS, requires_grad=True)
    none = torch.zeros(4, LABELS)
    for params in testing.corners(plugin):
        value = plugin.function(logits, none, none.sum(0), **params)
        assert value.isfinite().all(), params


def test_smoothing_is_best_short_of_certainty():
    target = torch.eye(LABELS)[:1]
    sure, calm = ((2 * target - 1) * lead for lead in (30.0, 3.0))
    assert loss("sigmoid_bce", sure, target) < loss("sigmoid_bce", calm, target)
    smooth = [loss("sigmoid_bce", one, target, smoothing=0.1) for one in (sure, calm)]
    assert smooth[0] > smooth[1]


def test_asymmetric_charges_nothing_for_an_absent_label_below_the_clip():
    logits, absent = torch.tensor([0.04, 0.3]).logit()[:, None], torch.zeros(2, 1)
    plain = {"gamma_pos": 0.0, "gamma_neg": 0.0, "clip": 0.05}
    value = loss("sigmoid_asymmetric", logits, absent, torch.ones(1), **plain)
    torch.testing.assert_close(value, torch.tensor([0.0, -torch.tensor(1 - 0.25).log()]))


def test_asymmetric_fades_out_the_absent_and_keeps_the_present():
    logits = torch.tensor([[0.2], [0.9]]).logit()
    params = {"gamma_pos": 0.0, "gamma_neg": 3.0, "clip": 0.0}

    def kept(target):
        faded = loss("sigmoid_asymmetric", logits, target, torch.ones(1), **params)
        return faded / bce(logits, target)

    torch.testing.assert_close(kept(torch.zeros(2, 1)), torch.tensor([0.2**3, 0.9**3]))
    torch.testing.assert_close(kept(torch.ones(2, 1)), torch.ones(2))
