"""Optimizers: learning rates a stage, weight decay, and steps that lead downhill."""

import sys

import pytest
import torch
from torch import nn

from automask import testing
from automask.errors import UserError
from automask.space import registry, space_file
from automask.study import adaptation, opening, session
from automask.training import hardware
from automask.training.network import Network, parameter_groups
from helpers.competition import SPACE

OPTIMIZERS = list(registry.plugins("optimizer").values())


def optimizer(name, groups, **params):
    return registry.get("optimizer", name).function(groups, **params)


def named(plugin):
    return plugin.name


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    backbone = registry.get("backbone", "timm").function(32, False, model="test_resnet")
    return Network(backbone, nn.Linear(backbone.D, 3))


class Chain(nn.Module):
    """A backbone of four stages, a linear layer each."""

    def __init__(self, D=8):
        super().__init__()
        self.D, self.mean, self.std = D, (0.0,) * 3, (1.0,) * 3
        self.layers = nn.ModuleList(nn.Linear(D, D) for _ in range(4))
        self.stages = tuple((f"layers.{i}.weight", f"layers.{i}.bias") for i in range(4))


def chain():
    torch.manual_seed(0)
    return Network(Chain(), nn.Linear(8, 3))


def test_the_full_space_has_every_optimizer():
    assert set(space_file.load("full").competitors["optimizer"]) == set(
        registry.plugins("optimizer")
    )


@pytest.mark.parametrize("name", ["default", "quick", "demo"])
def test_the_smaller_spaces_leave_layer_decay_off(name):
    for ranges in space_file.load(name).competitors["optimizer"].values():
        assert ranges["layer_decay"].choices == (1.0,)


def test_groups_hold_every_parameter_once_with_its_stage(network):
    groups = parameter_groups(network)
    held = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(held) == sorted(map(id, network.parameters()))
    stage_of = {id(p): group["stage"] for group in groups for p in group["params"]}
    parameters = dict(network.named_parameters())
    for index, names in enumerate(network.stages):
        assert {stage_of[id(parameters[name])] for name in names} == {index}
    for group in groups:
        assert group["head"] == (group["stage"] == len(network.stages) - 1)
        assert {parameter.ndim > 1 for parameter in group["params"]} == {group["decay"]}


def test_a_head_alone_and_a_module_without_stages_have_groups_too():
    head = parameter_groups(nn.ModuleDict({"head": nn.Linear(4, 2)}))
    assert {(group["stage"], group["head"]) for group in head} == {(0, True)}
    both = nn.ModuleDict({"backbone": nn.Linear(4, 4), "head": nn.Linear(4, 2)})
    found = {(group["stage"], group["head"]) for group in parameter_groups(both)}
    assert found == {(0, False), (1, True)}


@pytest.mark.parametrize("plugin", OPTIMIZERS, ids=named)
def test_layer_decay_lowers_the_rate_stage_by_stage_from_the_head(plugin):
    def rates(**params):
        groups = parameter_groups(chain())
        stage_of = {id(p): group["stage"] for group in groups for p in group["params"]}
        made = plugin.function(groups, lr=1e-3, head_lr_ratio=2.0, **params)
        return {
            stage_of[id(p)]: group["lr"] for group in made.param_groups for p in group["params"]
        }

    assert rates() == {0: 1e-3, 1: 1e-3, 2: 1e-3, 3: 1e-3, 4: 2e-3}
    wanted = {0: 1e-3 / 16, 1: 1e-3 / 8, 2: 1e-3 / 4, 3: 1e-3 / 2, 4: 2e-3}
    assert rates(layer_decay=0.5) == pytest.approx(wanted)


def test_layer_decay_lets_the_stem_move_less_than_the_last_stage():
    for name in ("adamw", "sgd"):
        network = chain()
        before = [layer.weight.detach().clone() for layer in network.backbone.layers]
        made = optimizer(name, parameter_groups(network), layer_decay=0.5, weight_decay=1e-6)
        for parameter in network.parameters():
            parameter.grad = torch.ones_like(parameter)
        made.step()
        after = [layer.weight.detach() for layer in network.backbone.layers]
        moved = torch.stack([(a - b).abs().mean() for a, b in zip(after, before, strict=True)])
        torch.testing.assert_close(
            moved / moved[-1], torch.tensor([0.125, 0.25, 0.5, 1]), rtol=1e-3, atol=0
        )


def without_stages(network):
    """The groups by head and decay alone, as one would write them without layer decay."""
    parted = {}
    for name, parameter in network.named_parameters():
        parted.setdefault((name.startswith("head."), parameter.ndim > 1), []).append(parameter)
    return [
        {"params": params, "stage": 0, "head": head, "decay": decay}
        for (head, decay), params in parted.items()
    ]


@pytest.mark.parametrize("plugin", OPTIMIZERS, ids=named)
def test_without_layer_decay_stages_change_nothing_to_the_bit(plugin):
    def trained(groups_of):
        network = chain()
        made = plugin.function(groups_of(network))
        for step in range(3):
            torch.manual_seed(step)
            for parameter in network.parameters():
                parameter.grad = torch.randn_like(parameter)
            made.step()
        return network.state_dict()

    first, second = trained(parameter_groups), trained(without_stages)
    for key, value in first.items():
        assert torch.equal(value, second[key]), key


@pytest.mark.parametrize("plugin", OPTIMIZERS, ids=named)
def test_a_step_lowers_a_quadratic_and_many_come_near_its_minimum(plugin):
    torch.manual_seed(0)
    network = chain()
    goal = [torch.randn_like(parameter) for parameter in network.parameters()]

    def distance():
        pairs = zip(network.parameters(), goal, strict=True)
        return sum(((parameter - wanted) ** 2).sum() for parameter, wanted in pairs)

    made = plugin.function(parameter_groups(network), lr=0.01)
    values = []
    for _ in range(400):
        made.zero_grad()
        value = distance()
        value.backward()
        values.append(value.item())
        made.step()
    assert values[1] < values[0]
    assert values[-1] < 0.2 * values[0]


@pytest.mark.parametrize("plugin", OPTIMIZERS, ids=named)
def test_weight_decay_shrinks_matrices_and_leaves_norms_and_biases(plugin, network):
    made = plugin.function(parameter_groups(network), weight_decay=1e-2)
    before = {name: value.detach().clone() for name, value in network.named_parameters()}
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    made.step()
    for name, value in network.named_parameters():
        if value.ndim > 1:
            assert value.norm() < before[name].norm(), name
        else:
            assert torch.equal(value, before[name]), name


@pytest.mark.parametrize("plugin", OPTIMIZERS, ids=named)
def test_what_is_frozen_stays_and_what_thaws_later_moves(plugin):
    parameters = [nn.Parameter(torch.ones(4, 4)) for _ in range(3)]
    made = plugin.function([{"params": parameters, "stage": 0, "head": False, "decay": True}])
    for thawed in range(4):
        before = [parameter.detach().clone() for parameter in parameters]
        for parameter in parameters[:thawed]:
            parameter.grad = torch.ones_like(parameter)
        made.step()
        stayed = [torch.equal(*pair) for pair in zip(parameters, before, strict=True)]
        assert stayed == [False] * thawed + [True] * (3 - thawed)


def test_sgd_takes_the_steps_of_torch_to_the_bit():
    torch.manual_seed(0)
    start = torch.randn(5, 5)
    ours, plain = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    group = {"params": [ours], "stage": 0, "head": False, "decay": True}
    made = [
        registry.get("optimizer", "sgd").function([group], lr=0.1, weight_decay=1e-2),
        torch.optim.SGD(
            [plain], lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-2, fused=True
        ),
    ]
    for _ in range(3):
        ours.grad = torch.randn(5, 5)
        plain.grad = ours.grad.clone()
        for optimizer in made:
            optimizer.step()
        assert torch.equal(ours, plain)


def test_lamb_moves_a_matrix_in_proportion_to_it_whatever_its_gradient():
    small, large = nn.Parameter(torch.full((4, 4), 0.1)), nn.Parameter(torch.full((4, 4), 10.0))
    groups = [{"params": [small, large], "stage": 0, "head": False, "decay": True}]
    made = optimizer("lamb", groups, lr=0.01)
    small.grad, large.grad = torch.full((4, 4), 5.0), torch.full((4, 4), 1e-3)
    made.step()
    torch.testing.assert_close(small.detach(), torch.full((4, 4), 0.099))
    torch.testing.assert_close(large.detach(), torch.full((4, 4), 9.9))


def stepped(shape, head=False, **params):
    """What muon adds to a parameter of that shape, for a gradient with one strong direction."""
    torch.manual_seed(0)
    parameter = nn.Parameter(torch.zeros(shape))
    parameter.grad = torch.randn(shape) * 0.1 + 1
    group = {"params": [parameter], "stage": 0, "head": head, "decay": len(shape) > 1}
    optimizer("muon", [group], lr=0.01, head_lr_ratio=1.0, **params).step()
    return parameter.detach()


@pytest.mark.parametrize("shape", [(16, 64), (16, 8, 3, 3)])
def test_muon_moves_matrices_and_convolutions_alike_in_all_directions(shape):
    step = stepped(shape)
    values = torch.linalg.svdvals(step.view(shape[0], -1))
    assert values.max() < 2 * values.min()
    assert step.square().mean().sqrt() == pytest.approx(0.2 * 0.01, rel=0.1)


# Adam's first step is the learning rate wherever the gradient points; Nesterov's look ahead adds 0.9.
ADAM_STEP = -0.01 * 1.9


@pytest.mark.parametrize("shape", [(16,), (), (16, 1, 3, 3), (1, 9, 16)])
def test_muon_takes_adam_steps_where_there_is_no_matrix(shape):
    torch.testing.assert_close(stepped(shape), torch.full(shape, ADAM_STEP))


def test_muon_takes_adam_steps_for_the_head():
    torch.testing.assert_close(stepped((16, 64), head=True), torch.full((16, 64), ADAM_STEP))


def test_only_a_space_of_ones_own_asks_for_muon_where_bfloat16_is_emulated(inside, monkeypatch):
    (inside / "space.toml").write_text(SPACE + "\n[optimizer.muon]\n")
    for emulated in (True, False):
        monkeypatch.setattr(hardware, "emulated", lambda device, emulated=emulated: emulated)
        own = opening.begin(session.Options(space="space.toml", folds=3))
        assert set(own.space.competitors["optimizer"]) == {"muon"}
        assert not [note for note in own.notes if "muon" in note]
        full, notes = adaptation.adapt(space_file.load("full"), own.data, {}, "cpu")
        assert ("muon" in full.competitors["optimizer"]) != emulated
        assert bool([note for note in notes if "muon left out" in note]) == emulated
        assert {"adamw", "sgd", "lamb"} <= set(full.competitors["optimizer"])


def test_muon_is_left_out_or_refused_where_timm_has_none(study, monkeypatch):
    monkeypatch.delattr("timm.optim.Muon", raising=False)
    monkeypatch.setitem(sys.modules, "timm.optim.muon", None)
    full, notes = adaptation.adapt(space_file.load("full"), study.data, {}, "cpu")
    assert "muon" not in full.competitors["optimizer"]
    assert [note for note in notes if "pip install --upgrade timm" in note]
    with pytest.raises(UserError, match="pip install --upgrade timm"):
        stepped((16, 64))


@pytest.mark.parametrize("plugin", OPTIMIZERS, ids=named)
def test_a_step_on_a_real_network_is_finite_and_repeats_to_the_bit(plugin):
    def trained(params):
        torch.manual_seed(0)
        backbone = registry.get("backbone", "timm").function(32, False, model="test_convnext")
        network = Network(backbone, nn.Linear(backbone.D, 3))
        made = plugin.function(parameter_groups(network), **params)
        for _ in range(2):
            network(torch.full((2, 32, 32, 3), 90, dtype=torch.uint8)).square().sum().backward()
            made.step()
        return list(network.parameters())

    for params in list(testing.corners(plugin))[:2]:
        first, second = trained(params), trained(params)
        assert all(parameter.isfinite().all() for parameter in first)
        assert all(map(torch.equal, first, second))
