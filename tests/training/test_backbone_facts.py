"""What is measured of a backbone: once, by a key that says which backbones are the same."""

import functools
import json
from dataclasses import replace

import pytest

from automask.errors import UserError
from automask.space import kinds, registry
from automask.training import flops
from automask.training.backbone_facts import backbone_facts, backbone_key, network_key
from automask.training.features import Features
from automask.training.plan import Plan
from automask.training.pretrained import Checkpoint
from helpers.recipes import recipe


@pytest.fixture
def built(monkeypatch):
    """What backbones are asked for, each time that one is built."""
    plugin, asked = registry.get("backbone", "timm"), []

    @functools.wraps(plugin.function)
    def spy(image_size, pretrained, **params):
        asked.append((image_size, pretrained, params["model"]))
        return plugin.function(image_size, pretrained, **params)

    monkeypatch.setitem(kinds.KINDS["backbone"].plugins, "timm", replace(plugin, function=spy))
    return asked


def test_cost_plan_and_features_measure_a_backbone_once(task, built):
    made = recipe(freeze=("head_only", {}))
    costs = flops.compute_cost(task)(made)
    features = Features(task, made)
    assert Plan(made, features.facts.stages).trains_only_head
    assert costs.gflop == (30 + 9) * features.facts.gflop
    assert flops.forward(task, recipe(epochs=7)) == features.facts.gflop
    assert built == [(32, False, "test_resnet")]
    assert features.plain(0).shape[1] == features.facts.D
    assert len(built) == 2, "and once more to compute features"


def test_caches_of_earlier_versions_are_measured_anew(task):
    made, digest = recipe(), registry.get("backbone", "timm").digest
    before = backbone_facts(task.cache, made)
    old = {"D": 1, "stages": [["net.old"]], "norms": []}
    (task.cache / "backbones.json").write_text(json.dumps({"0123456789abcdef": old}))
    params = {"model": "test_resnet"}
    old = {"gflop": 1.0, "stages": [["net.old"]], "norms": []}
    (task.cache / "flops.json").write_text(json.dumps({f"timm {params} 32px {digest}": old}))
    assert backbone_facts(task.cache, made) == before
    assert len(json.loads((task.cache / "backbones.json").read_text())) == 2


def test_a_backbone_that_needs_its_weights_is_measured_by_its_trial(task, monkeypatch):
    plugin = registry.get("backbone", "timm")

    @functools.wraps(plugin.function)
    def needy(image_size, pretrained, **params):
        if not pretrained:
            raise ValueError("only with weights")
        return plugin.function(image_size, False, **params)

    monkeypatch.setitem(kinds.KINDS["backbone"].plugins, "timm", replace(plugin, function=needy))
    made = recipe(pretrained=True)
    assert flops.compute_cost(task)(made) is None
    measured = Features(task, made).facts
    assert flops.forward(task, made) == measured.gflop > 0


def test_what_cannot_be_built_costs_nothing_known_and_its_trial_says_why(task):
    made = recipe(backbone=("timm", {"model": "test_resnt"}))
    for _ in range(2):
        assert flops.compute_cost(task)(made) is None
        with pytest.raises(UserError, match="did you mean 'test_resnet'"):
            Features(task, made).facts  # noqa: B018


def test_which_backbones_are_the_same():
    def keys(seed=0, weights=None, **changes):
        made = recipe(**changes)
        return network_key(made), backbone_key(made, weights or {}, seed)

    dropping = ("timm", {"model": "test_resnet", "drop_rate": 0.5})
    assert keys() == keys(epochs=9) == keys(backbone=dropping, freeze=("head_only", {}))
    networks = [keys(), keys(image_size=48), keys(backbone=("timm", {"model": "test_vit"}))]
    assert len({network for network, _ in networks}) == 3

    def file(digest, **facts):
        return {"test_resnet": Checkpoint("a.safetensors", tuple(facts.items()), digest)}

    origins = [
        keys(),
        keys(seed=1),
        keys(pretrained=True),
        keys(pretrained=True, weights=file("a")),
        keys(pretrained=True, weights=file("b")),
        keys(pretrained=True, weights=file("a", mean=(0.5, 0.5, 0.5))),
    ]
    assert len({network for network, _ in origins}) == 1
    assert len({backbone for _, backbone in origins}) == len(origins)
    assert keys(weights=file("a")) == keys(weights=file("b")) == keys()
    assert keys(seed=1, pretrained=True) == keys(pretrained=True)
