"""Heads: what those of grades make of a row's score."""

import numpy as np
import pytest
import torch

from automask.data.dataset import Attributes
from automask.space import registry
from automask.target import ORDERED, SINGLE

GRADED = [p for p in registry.plugins("head").values() if p.takes(ORDERED) and not p.takes(SINGLE)]
D = 4


def build(name, grades):
    torch.manual_seed(0)
    names = tuple(map(str, range(grades)))
    return registry.get("head", name).function(
        D, Attributes(("grade",), (names,), np.arange(grades)[:, None])
    )


def with_scores(head, layer, scores):
    """The head's probabilities where its one linear layer gives these scores."""
    with torch.no_grad():
        layer.weight.copy_(torch.eye(D)[:1])
        layer.bias.zero_()
        features = torch.zeros(len(scores), D)
        features[:, 0] = torch.as_tensor(scores)
        return head.eval()(features).softmax(-1)


@pytest.mark.parametrize("grades", [2, 3, 7])
def test_cumulative_gives_log_probabilities_that_begin_alike(grades):
    head = build("cumulative", grades)
    features = torch.randn(5, D)
    torch.testing.assert_close(head(features).exp().sum(-1), torch.ones(5))
    at_zero = with_scores(head, head.score, [0.0])
    torch.testing.assert_close(at_zero, torch.full((1, grades), 1 / grades))


def test_cumulative_is_the_difference_of_sigmoids_at_its_thresholds():
    head = build("cumulative", 4)
    thresholds = torch.tensor([-1.0, 0.5, 2.5])
    with torch.no_grad():
        head.thresholds.copy_(torch.cat([thresholds[:1], thresholds.diff().expm1().log()]))
    scores = torch.linspace(-4, 4, 9)
    p = with_scores(head, head.score, scores)
    not_above = torch.sigmoid(thresholds - scores[:, None])
    wanted = torch.diff(not_above, prepend=torch.zeros(9, 1), append=torch.ones(9, 1))
    torch.testing.assert_close(p, wanted)


def test_regression_prefers_the_grade_nearest_to_its_number():
    head = build("regression", 4)
    p = with_scores(head, head.grade, [-3.0, 0.2, 1.4, 1.6, 9.0])
    assert p.argmax(-1).tolist() == [0, 0, 1, 2, 3]
    with torch.no_grad():
        head.log_width.fill_(1.0)
    wider = with_scores(head, head.grade, [1.4])
    assert wider.max() < p[2].max()


@pytest.mark.parametrize("plugin", GRADED, ids=lambda p: p.name)
def test_a_higher_score_never_means_a_lower_grade(plugin):
    head = build(plugin.name, 5)
    layer = next(m for m in head.modules() if isinstance(m, torch.nn.Linear))
    p = with_scores(head, layer, torch.linspace(-20, 20, 81))
    expected = p @ torch.arange(5.0)
    assert (expected.diff() >= -1e-5).all() and expected[0] < 0.1 and expected[-1] > 3.9


@pytest.mark.parametrize("plugin", GRADED, ids=lambda p: p.name)
def test_it_learns_grades_that_go_by_a_feature(plugin):
    head = build(plugin.name, 5)
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(400, D, generator=generator)
    grade = torch.bucketize(features[:, 0].contiguous(), torch.tensor([-1.0, -0.2, 0.3, 1.2]))
    optimizer = torch.optim.Adam(head.parameters(), lr=0.05)
    for _ in range(200):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(head(features), grade).backward()
        optimizer.step()
    right = (head(features).argmax(-1) == grade).float().mean()
    assert right > 0.8


@pytest.mark.parametrize("plugin", GRADED, ids=lambda p: p.name)
def test_its_gradient_is_finite_far_from_every_grade(plugin):
    head = build(plugin.name, 5)
    features = (torch.ones(2, D) * torch.tensor([[1e4], [-1e4]])).requires_grad_()
    torch.nn.functional.cross_entropy(head(features), torch.tensor([0, 4])).backward()
    assert features.grad.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in head.parameters())
