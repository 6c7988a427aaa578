"""Freeze strategies in training: what moves, what stays to the bit, what is read from the cache."""

import pytest
import torch

from automask.space import registry
from automask.storage.trial_store import TrialStore
from automask.training import trial
from automask.training.features import Features
from automask.training.fold import FoldTrainer
from automask.training.network import build, norm_names
from automask.training.plan import Plan
from helpers.recipes import recipe
from helpers.training import quiet

VIT, RESNET = ("timm", {"model": "test_vit"}), ("timm", {"model": "test_resnet"})
PLAIN = ("torchvision", {"model": "squeezenet1_1"})


def trainer(task, **changes):
    made = recipe(optimizer=("adamw", {"lr": 1e-2}), **changes)
    network = build(made, task.data.attributes, task.weights, task.seed, 0)
    return FoldTrainer(task, made, Features(task, made), 0, network)


def state(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


def changed(network, before):
    return {n for n, value in network.state_dict().items() if not torch.equal(value, before[n])}


@pytest.mark.parametrize("backbone", [RESNET, VIT], ids=["resnet", "vit"])
def test_norm_and_head_moves_those_and_nothing_else(task, backbone):
    one = trainer(task, freeze=("norm_and_head", {}), backbone=backbone)
    norms = {f"backbone.{name}" for name in norm_names(one.network.backbone)}
    before = state(one.network)
    for epoch in range(2):
        one.epoch(epoch)
    moved = changed(one.network, before)
    parameters = {name for name, _ in one.network.named_parameters()}
    assert moved & parameters == norms | set(one.network.head_names)
    running = {name for name in before if "running_" in name or "num_batches" in name}
    assert moved - parameters == running
    assert bool(running) == (backbone is RESNET)
    assert sum(one.network.get_parameter(n).numel() for n in norms) < 0.05 * sum(
        p.numel() for p in one.network.backbone.parameters()
    )


def test_probe_then_tune_trains_the_head_on_cached_features_and_then_everything(
    task,
    monkeypatch,
):
    one = trainer(task, freeze=("probe_then_tune", {"head_share": 0.5}), epochs=4)
    read, table = [], one.features.table
    monkeypatch.setattr(
        one.features, "table", lambda *asked: read.append(asked[1]) or table(*asked)
    )
    head = set(one.network.head_names)
    for epoch, wanted in enumerate((head, head, None, None)):
        before = state(one.network)
        one.epoch(epoch)
        assert changed(one.network, before) == (wanted or set(before))
    assert read == [0, 1]


@pytest.mark.parametrize("share", [0.1, 0.5])
@pytest.mark.parametrize("epochs", [2, 3, 10])
def test_probe_then_tune_does_both_from_two_epochs_on(share, epochs):
    function = registry.get("freeze", "probe_then_tune").function
    stages = (("stem",), ("a", "b"), ("head",))
    sizes = [len(function(stages, epoch / epochs, head_share=share)) for epoch in range(epochs)]
    assert sizes[0] == 1 and sizes[-1] == 4 and sizes == sorted(sizes) and set(sizes) == {1, 4}


@pytest.mark.parametrize(
    ("freeze", "backbone", "cached"),
    [
        ("norm_and_head", PLAIN, True),
        ("norm_and_head", RESNET, False),
        ("norm_and_head", VIT, False),
        ("probe_then_tune", RESNET, False),
    ],
)
def test_who_trains_on_cached_features_alone(task, freeze, backbone, cached):
    made = recipe(freeze=(freeze, {}), backbone=backbone, image_size=32)
    for _ in range(2):  # found out, then remembered
        assert Plan(made, Features(task, made).facts.stages).trains_only_head is cached


def test_remembered_names_are_those_of_the_network(task):
    made = recipe()
    network = build(made, task.data.attributes, task.weights, task.seed, 0)
    for _ in range(2):
        *told, head = Features(task, made).facts.stages
        own = network.stages[:-1]
        assert head == ("head",)
        assert [[f"backbone.{n}" for n in stage] for stage in told] == [list(s) for s in own]
        assert [[n.norm for n in stage] for stage in told] == [[n.norm for n in s] for s in own]
    assert {n.norm for stage in told for n in stage} == {True, False}


@pytest.mark.parametrize("freeze", ["probe_then_tune", "norm_and_head"])
def test_they_train_every_fold_and_repeat_to_the_bit(task, tmp_path, freeze):
    made = recipe(freeze=(freeze, {}), epochs=2)
    scores = [trial.fit(task, made, TrialStore(tmp_path / name), quiet) for name in ("a", "b")]
    assert scores[0] == scores[1]
    for fold in range(3):
        one, two = (TrialStore(tmp_path / name).load(fold) for name in ("a", "b"))
        assert (one.validation == two.validation).all()


def test_what_drops_in_training_alone_shares_the_cached_features(task):
    plain, dropping = (
        Features(task, recipe(backbone=("timm", {"model": "test_convnext", **rates})))
        for rates in ({}, {"drop_rate": 0.5, "drop_path_rate": 0.4})
    )
    assert plain.key(0) == dropping.key(0)
    assert plain.recipe.hash != dropping.recipe.hash
    images = torch.from_numpy(task.pixels(plain.recipe, 0)[:4].copy())
    with torch.no_grad():
        assert torch.equal(plain.backbone(images), dropping.backbone(images))
    other = Features(task, recipe(backbone=("timm", {"model": "test_resnet"})))
    assert other.key(0) != plain.key(0)
