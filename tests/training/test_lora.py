"""Low-rank adapters: what trains, what is stored, and that it is the backbone's own again."""

import copy

import pytest
import torch

from automask.ensembles.members import rebuild_network
from automask.errors import TrialError
from automask.storage.trial_store import TrialStore
from automask.training import flops, trial
from automask.training.adapters import adapt
from automask.training.backbone_facts import network_key
from automask.training.features import Features
from automask.training.fold import FoldTrainer, fit_fold
from automask.training.network import build, predict
from automask.training.plan import Plan
from helpers.recipes import recipe
from helpers.training import quiet

pytest.importorskip("peft", reason="peft isn't installed")
VIT = ("timm", {"model": "test_vit"})


def lora(**changes):
    changes = {"backbone": VIT, "freeze": ("lora", {"rank": 4}), **changes}
    return recipe(optimizer=("adamw", {"lr": 1e-2}), **changes)


def test_only_the_adapters_and_the_head_move(task):
    made = lora()
    network = build(made, task.data.attributes, task.weights, task.seed, 0)
    plain = {name: value.clone() for name, value in network.state_dict().items()}
    one = FoldTrainer(task, made, Features(task, made), 0, network)
    adapters = {f"backbone.{name}" for name in network.backbone.adapters}
    before = {name: value.clone() for name, value in network.state_dict().items()}
    for epoch in range(made.training["epochs"]):
        one.epoch(epoch)
    after = network.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == adapters | set(network.head_names)
    assert (
        0
        < sum(network.get_parameter(n).numel() for n in adapters)
        < 0.2 * sum(value.numel() for value in plain.values())
    )


def test_a_fold_is_stored_as_the_network_that_it_always_is(task):
    made = lora(ema_decay=0.5)
    result = fit_fold(task, made, Features(task, made), 0, quiet)
    start = build(made, task.data.attributes, task.weights, task.seed, 0).state_dict()
    assert list(result.state) == list(start)
    moved = {name for name in start if not torch.equal(start[name], result.state[name])}
    assert any("attn.qkv.weight" in name for name in moved)
    assert not any("norm" in name or "patch_embed" in name for name in moved)
    network = rebuild_network(task, made, result.state, 0)
    _, scored = task.fold_rows(0)
    again = predict(network, task.pixels(made, 0), scored, task.device, task.data.target)
    assert (again == result.validation).all()


def test_what_is_left_of_a_trial_gives_what_it_would_have_given(task, tmp_path):
    made, whole, parts = lora(), TrialStore(tmp_path / "whole"), TrialStore(tmp_path / "parts")
    score = trial.fit(task, made, whole, quiet)

    class Stop(Exception):
        pass

    def stop(step):
        if step.fold == 1:
            raise Stop

    with pytest.raises(Stop):
        trial.fit(task, made, parts, stop)
    assert parts.has(0) and not parts.has(1)
    assert trial.fit(task, made, parts, quiet) == score
    for fold in range(3):
        assert (parts.load(fold).test == whole.load(fold).test).all()


def test_a_network_without_attention_is_refused_in_a_sentence(task, tmp_path):
    made = lora(backbone=("timm", {"model": "test_resnet"}))
    with pytest.raises(
        TrialError, match="is for transformers, and this network has no linear"
    ) as e:
        trial.fit(task, made, TrialStore(tmp_path / "refused"), quiet)
    assert e.value.reason == "bad recipe"


def test_it_is_known_to_costs_and_shares_the_cached_features(task):
    made, full = lora(), lora(freeze=("full", {}))
    assert not Plan(made, Features(task, made).facts.stages).trains_only_head
    cost = flops.compute_cost(task)
    assert 0.6 * cost(full).gflop < cost(made).gflop < 0.9 * cost(full).gflop
    assert network_key(made) == network_key(full)
    assert Features(task, made).key(0) == Features(task, full).key(0)


def test_it_changes_nothing_at_first_and_merges_to_the_same(task):
    made = lora()
    network = build(made, task.data.attributes, task.weights, task.seed, 0)
    stages, images = network.stages, torch.from_numpy(task.pixels(made, 0)[:4].copy())
    network.eval()
    with torch.no_grad():
        before = network(images)
        merge = adapt(made, network.backbone)
        network.eval()
        assert torch.equal(network(images), before)
        assert sorted(name for stage in network.stages for name in stage) == sorted(
            name for name, _ in network.named_parameters()
        )
        for name in network.backbone.adapters:
            network.backbone.get_parameter(name).add_(0.05)
        learnt, other = network(images), copy.deepcopy(network)
        assert not torch.allclose(learnt, before, atol=1e-2)
        merge(other.backbone)
        torch.testing.assert_close(other(images), learnt, atol=1e-4, rtol=1e-4)
        assert other.stages == stages
