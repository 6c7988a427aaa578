"""Losses: what each one does, and what all of them keep."""

import pytest
import torch
from torch import nn

from automask import testing
from automask.space import registry, space_file
from automask.target import SINGLE
from automask.training import optim

EVERY = list(registry.plugins("loss").values())
LOSSES = [plugin for plugin in EVERY if plugin.takes(SINGLE)]
ROW_LOSSES = [plugin for plugin in LOSSES if plugin.name != "soft_f1"]
COUNTS = torch.tensor([400.0, 60.0, 9.0, 1.0, 0.0])
CLASSES = len(COUNTS)


def loss(name, logits, target, counts=COUNTS, **params):
    return registry.get("loss", name).function(logits, target, counts, **params)


def drawn(rows=12, seed=0):
    """Logits and one-hot targets of classes that have training rows."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(rows, CLASSES, generator=generator) * 2
    return logits, hot(torch.randint(0, CLASSES - 1, (rows,), generator=generator))


def hot(labels):
    return torch.eye(CLASSES)[labels]


def soft(rows=12):
    return torch.randn(rows, CLASSES, generator=torch.Generator().manual_seed(1)).softmax(-1)


def named(plugin):
    return plugin.name


def test_the_full_space_has_every_loss():
    assert set(space_file.load("full").competitors["loss"]) == set(registry.plugins("loss"))


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("cross_entropy", {}),
        ("label_smoothing", {"smoothing": 0.0}),
        ("focal", {"gamma": 0.0}),
        ("class_balanced", {"beta": 0.0}),
        ("ldam", {"margin": 0.0, "scale": 1.0}),
    ],
)
def test_without_what_it_adds_it_is_cross_entropy(name, params):
    logits, target = drawn()
    for given in (target, soft()):
        plain = nn.functional.cross_entropy(logits, given, reduction="none")
        torch.testing.assert_close(loss(name, logits, given, **params), plain)


@pytest.mark.parametrize("plugin", LOSSES, ids=named)
def test_a_log_probability_is_as_good_a_logit(plugin):
    logits, _ = drawn()
    for params in testing.corners(plugin):
        torch.testing.assert_close(
            plugin.function(logits.log_softmax(-1), soft(), COUNTS, **params),
            plugin.function(logits + 3, soft(), COUNTS, **params),
            rtol=1e-4,
            atol=1e-4,
        )


def extremes():
    """Sure of the right class, of a wrong one, of all and of none; p rounds to 0 and to 1."""
    sure = hot(torch.arange(CLASSES)) * 100 - 50
    everywhere = torch.full((1, CLASSES), 50.0)
    return [sure, sure.roll(1, 0), everywhere.expand(5, -1), -everywhere.expand(5, -1), sure * 10]


@pytest.mark.parametrize("plugin", LOSSES, ids=named)
def test_value_and_gradient_are_finite_at_the_extremes(plugin):
    targets = [hot(torch.arange(CLASSES)), torch.full((CLASSES, CLASSES), 1 / CLASSES)]
    for params in testing.corners(plugin):
        for logits in extremes():
            for target in targets:
                given = logits.clone().requires_grad_()
                value = plugin.function(given, target, COUNTS, **params)
                value.sum().backward()
                assert value.isfinite().all(), params
                assert given.grad.isfinite().all(), params
                assert (value >= 0).all(), params


@pytest.mark.parametrize("plugin", LOSSES, ids=named)
def test_a_step_against_the_gradient_lowers_it(plugin):
    logits, target = drawn()
    for params in testing.corners(plugin):
        given = logits.clone().requires_grad_()
        before = plugin.function(given, target, COUNTS, **params).mean()
        before.backward()
        after = plugin.function(given.detach() - 0.01 * given.grad, target, COUNTS, **params).mean()
        assert after < before, params


@pytest.mark.parametrize("plugin", ROW_LOSSES, ids=named)
@pytest.mark.parametrize(("rows", "parts"), [(12, 3), (11, 4), (9, 2), (5, 5)])
def test_accumulated_parts_have_the_gradient_of_the_whole(plugin, rows, parts):
    torch.manual_seed(0)
    model = nn.Linear(6, CLASSES)
    inputs, target = torch.randn(rows, 6), soft(rows)

    def gradient(sizes, params):
        model.zero_grad()
        split = list(zip(inputs.split(sizes), target.split(sizes), strict=True))
        total = optim.accumulate(
            split, model, lambda *batch: plugin.function(*batch, **params), COUNTS
        )
        return total, model.weight.grad.clone()

    for params in testing.corners(plugin):
        # All parts but the last are as long as can be: the last one is smaller.
        torch.testing.assert_close(gradient(-(-rows // parts), params), gradient(rows, params))


def test_only_soft_f1_has_no_value_a_row():
    logits, target = drawn()
    for plugin in ROW_LOSSES:
        assert plugin.function(logits, target, COUNTS).shape == (12,), plugin.name
    assert loss("soft_f1", logits, target).shape == ()


@pytest.mark.parametrize("name", ["cross_entropy", "focal", "class_balanced", "bce", "asymmetric"])
def test_a_soft_target_costs_the_mean_of_the_hard_ones(name):
    logits, _ = drawn()
    every = [loss(name, logits, hot(torch.full((12,), label))) for label in range(CLASSES)]
    mean = (soft() * torch.stack(every, 1)).sum(1)
    torch.testing.assert_close(loss(name, logits, soft()), mean)


@pytest.mark.parametrize("plugin", ROW_LOSSES, ids=named)
def test_full_class_weights_make_classes_count_alike(plugin):
    if "weight_power" not in plugin.ranges:
        return
    labels = torch.tensor([0] * 6 + [1] * 2 + [2])
    counts = torch.bincount(labels, minlength=CLASSES).float()
    params = {"margin": 0.0} if plugin.name == "ldam" else {}
    params |= {"smoothing": 0.0} if "smoothing" in plugin.ranges else {}
    value = plugin.function(
        torch.zeros(9, CLASSES), hot(labels), counts, weight_power=1.0, **params
    )
    sums = torch.stack([value[labels == label].sum() for label in range(3)])
    torch.testing.assert_close(sums, sums[:1].expand(3))


def test_class_balanced_weights_go_from_none_to_inverse_counts():
    target = hot(torch.arange(4))

    def weights(beta):
        value = loss("class_balanced", torch.zeros(4, CLASSES), target, beta=beta)
        return value / value[0]

    torch.testing.assert_close(weights(0.0), torch.ones(4))
    inverse = COUNTS[0] / COUNTS[:4]
    torch.testing.assert_close(weights(0.99999), inverse, rtol=0.02, atol=0)
    assert (weights(0.99)[1:] < inverse[1:]).all() and (weights(0.99)[1:] > 1).all()


def test_ldam_asks_a_larger_margin_of_a_rarer_class():
    # Where the true class leads by its margin, the loss is what it is at a tie without one.
    counts = torch.tensor([16.0, 1.0, 81.0])
    tie = loss("ldam", torch.zeros(3, 3), torch.eye(3), counts, margin=0.0)
    margins = torch.tensor([1.0, 2.0, 2 / 3])
    ahead = torch.diag(margins)
    torch.testing.assert_close(loss("ldam", ahead, torch.eye(3), counts, margin=2.0), tie)
    behind = loss("ldam", torch.zeros(3, 3), torch.eye(3), counts, margin=2.0)
    assert behind[1] > behind[0] > behind[2] > tie[0]
    half = loss("ldam", torch.zeros(1, 3), torch.tensor([[0.5, 0.5, 0.0]]), counts, margin=2.0)
    shifted = nn.functional.cross_entropy(
        torch.tensor([[-0.5, -1.0, 0.0]]), torch.tensor([[0.5, 0.5, 0.0]])
    )
    torch.testing.assert_close(half[0], shifted)


def test_ldam_with_a_scale_is_content_with_smaller_leads():
    logits = torch.tensor([[0.5, 0.0, 0.0, 0.0, 0.0]])
    plain, scaled = (
        loss("ldam", logits, hot(torch.tensor([0])), margin=0.0, scale=s) for s in (1.0, 4.0)
    )
    assert scaled < plain


def test_bce_is_the_binary_cross_entropy_of_each_class_against_the_others():
    logits, target = drawn()
    p = logits.double().softmax(-1)
    for given in (target, soft()):
        wanted = nn.functional.binary_cross_entropy(p, given.double(), reduction="none").sum(-1)
        torch.testing.assert_close(
            loss("bce", logits, given).double(), wanted, rtol=1e-5, atol=1e-5
        )


def test_bce_sees_where_the_missing_probability_went():
    true = torch.tensor([[0.2, 0.8, 0.0, 0.0, 0.0], [0.2, 0.2, 0.2, 0.2, 0.2]])
    logits, target = true.clamp(min=1e-9).log(), hot(torch.tensor([0, 0]))
    one, many = loss("bce", logits, target)
    assert one > many + 0.5
    torch.testing.assert_close(*loss("cross_entropy", logits, target))


def test_bce_still_learns_where_it_is_surely_wrong():
    logits = (hot(torch.tensor([0])) * 100 - 50).requires_grad_()
    loss("bce", logits, hot(torch.tensor([1]))).sum().backward()
    # 1 and -1 as from cross entropy, and the same again from class 0, shared by the four others.
    torch.testing.assert_close(logits.grad[0, :2], torch.tensor([2.0, -1.25]))


def test_smoothed_bce_is_best_short_of_certainty():
    sure, calm = (hot(torch.tensor([0])) * lead for lead in (30.0, 5.0))
    target = hot(torch.tensor([0]))
    assert loss("bce", sure, target) < loss("bce", calm, target)
    assert loss("bce", sure, target, smoothing=0.1) > loss("bce", calm, target, smoothing=0.1)


def test_asymmetric_without_focus_and_clip_is_bce():
    logits, target = drawn()
    plain = {"gamma_pos": 0.0, "gamma_neg": 0.0, "clip": 0.0}
    for given in (target, soft()):
        torch.testing.assert_close(
            loss("asymmetric", logits, given, **plain), loss("bce", logits, given)
        )


def negatives(p, **params):
    """What asymmetric charges for the classes that aren't true, where class 0 is."""
    params = {"gamma_pos": 0.0, "gamma_neg": 0.0, "clip": 0.0, **params}
    value = loss("asymmetric", p.log(), hot(torch.zeros(len(p), dtype=torch.long)), **params)
    return value + p[:, 0].log()


def test_asymmetric_fades_out_easy_negatives_and_keeps_the_hard_one():
    p = torch.tensor([[0.5, 0.5, 1e-9, 1e-9, 1e-9], [0.8, 0.05, 0.05, 0.05, 0.05]])
    hard, easy = negatives(p, gamma_neg=3.0) / negatives(p)
    torch.testing.assert_close(hard, torch.tensor(0.5**3))
    torch.testing.assert_close(easy, torch.tensor(0.05**3), rtol=1e-3, atol=0)


def test_asymmetric_charges_nothing_for_a_negative_below_the_clip():
    p = torch.tensor([[0.6, 0.1, 0.1, 0.1, 0.1], [0.6, 0.37, 0.01, 0.01, 0.01]])
    below, above = negatives(p, clip=0.12)
    torch.testing.assert_close(below, torch.tensor(0.0))
    torch.testing.assert_close(above, -torch.tensor(1 - 0.37 + 0.12).log())


def test_asymmetric_fades_out_easy_positives_by_gamma_pos():
    easy, hard = torch.tensor([[0.95, 0.05]]).log(), torch.tensor([[0.2, 0.8]]).log()
    target, counts = torch.tensor([[1.0, 0.0]]), torch.ones(2)

    def kept(logits):
        values = [
            loss("asymmetric", logits, target, counts, gamma_pos=g, gamma_neg=6.0, clip=0.2)
            for g in (0.0, 2.0)
        ]
        return values[1] / values[0]

    assert kept(easy) < 0.01 < 0.5 < kept(hard)


def test_soft_f1_goes_from_0_where_all_is_right_to_1_where_all_is_wrong():
    labels = torch.tensor([0, 0, 0, 1, 2, 2])
    right = hot(labels) * 30
    assert loss("soft_f1", right, hot(labels)) < 1e-6
    assert loss("soft_f1", right, hot((labels + 1) % 3)) > 1 - 1e-6
    logits, _ = drawn(6)
    assert 0 < loss("soft_f1", logits, hot(labels)) < 1


def test_soft_f1_is_that_of_the_metric_where_predictions_are_sure():
    labels, said = torch.tensor([0, 0, 0, 1, 2, 2, 3]), torch.tensor([0, 0, 1, 1, 2, 4, 0])
    metric = registry.get("metric", "macro_f1").function
    value = loss("soft_f1", hot(said) * 60, hot(labels)).item()
    assert value == pytest.approx(1 - metric(labels.numpy(), hot(said).numpy()), abs=1e-6)


def test_soft_f1_weighs_a_rare_class_of_the_batch_like_a_common_one():
    labels = torch.tensor([0] * 8 + [1])
    right = hot(labels) * 30
    without_rare, without_one_common = right.clone(), right.clone()
    without_rare[8], without_one_common[0] = right[0], right[8]
    rare, common = (
        loss("soft_f1", logits, hot(labels)) for logits in (without_rare, without_one_common)
    )
    assert rare > 2 * common


def test_soft_f1_sees_each_part_of_a_batch_by_itself():
    logits, target = drawn(12)

    def accumulated(sizes):
        given = logits.clone().requires_grad_()
        pairs = list(zip(given.split(sizes), target.split(sizes), strict=True))
        function = registry.get("loss", "soft_f1").function
        return optim.accumulate(pairs, lambda part: part, function, COUNTS)

    alone = [loss("soft_f1", logits[rows], target[rows]) for rows in (slice(0, 8), slice(8, 12))]
    torch.testing.assert_close(accumulated(8), (2 * alone[0] + alone[1]) / 3)
    assert (accumulated(8) - accumulated(12)).abs() > 0.01


def test_losses_that_know_the_shares_ask_less_of_the_rare():
    """What is asked of a logit falls by the log-share; with classes alike they are cross entropy."""
    logits, target = drawn()
    alike = torch.full((CLASSES,), 7.0)
    plain = nn.functional.cross_entropy(logits, target, reduction="none")
    shares = COUNTS.clamp(min=1) / COUNTS.clamp(min=1).sum()
    for name in ("logit_adjusted", "balanced_softmax"):
        torch.testing.assert_close(loss(name, logits, target, alike), plain)
        weighted = shares * logits.exp()
        asked = -((weighted / weighted.sum(-1, keepdim=True)).log() * target).sum(-1)
        torch.testing.assert_close(loss(name, logits, target), asked)
    torch.testing.assert_close(loss("logit_adjusted", logits, target, tau=0.0), plain)
