"""Networks of a space: those that are to be had, at the sizes and with the freezes that suit each."""

import sys

import numpy as np
import pytest
import timm
from hypothesis import given
from hypothesis import strategies as st

from automask.errors import UserError
from automask.hpo.attributes import StudyAttributes
from automask.space import space_file
from automask.space.space_file import parse
from automask.study import adaptation, network_fit
from automask.training.pretrained import Checkpoint

SIZES = "[training]\nimage_size = [32, 64, 96, 128, 224]\n"


def space(*models, more="", adapts=True):
    return parse(f"{SIZES}[backbone.timm]\nmodel = {list(models)}\n{more}", "mine", adapts)


def weights(**sizes):
    return {
        name: Checkpoint(f"{name}.safetensors", (("input_size", (3, size, size)),))
        for name, size in sizes.items()
    }


def sampled(chosen, count=200, seed=0):
    """What recipes of the space have, by model, and the names that they were asked for."""
    rng, names = np.random.default_rng(seed), set()
    pairs = {}

    def suggest(name, range_):
        names.add(name)
        return range_.corners()[rng.integers(len(range_.corners()))]

    for _ in range(count):
        made = chosen.sample(suggest)
        own = pairs.setdefault(made["backbone"].params["model"], (set(), set()))
        own[0].add(made.training["image_size"])
        own[1].add(made["freeze"].name)
    return pairs, names


def test_each_network_is_tried_at_the_sizes_that_suit_it():
    chosen, notes = network_fit.suit_sizes(
        space("regnetx_002", "tf_efficientnet_lite0"),
        weights(regnetx_002=64, tf_efficientnet_lite0=224),
        pretrained=True,
        longest=32,
    )
    pairs, names = sampled(chosen)
    assert pairs["regnetx_002"][0] == {32, 64, 96, 128}
    assert pairs["tf_efficientnet_lite0"][0] == {96, 128, 224}, "whatever the images' own 32 px"
    assert "training.image_size of 96, 128, 224" in names
    assert notes == [
        "image sizes 32, 64, 96, 128 for regnetx_002; 96, 128, 224 for tf_efficientnet_lite0"
    ]
    moved, _ = chosen.nearest(
        {"backbone.timm.model": "tf_efficientnet_lite0", "training.image_size": 32}
    )
    assert moved.training["image_size"] == 96


def test_without_weights_of_ones_own_timm_says_at_which_size_a_network_was_made():
    chosen, _ = network_fit.suit_sizes(
        space("resnet18", "eva02_small_patch14_336"), {}, pretrained=True, longest=32
    )
    pairs, _ = sampled(chosen)
    assert pairs["resnet18"][0] == {96, 128, 224}
    assert pairs["eva02_small_patch14_336"][0] == {224}


def test_networks_from_nothing_go_by_the_images():
    chosen, _ = network_fit.suit_sizes(space("resnet18"), {}, pretrained=False, longest=64)
    assert sampled(chosen)[0]["resnet18"][0] == {32, 64}


def test_sizes_that_are_set_for_all_networks_replace_those_of_each():
    chosen, _ = network_fit.suit_sizes(
        space("resnet18", "eva02_small_patch14_336"), {}, pretrained=True, longest=32
    )
    one = chosen.with_training(image_size=chosen.training["image_size"].__class__(32))
    assert all(own[0] == {32} for own in sampled(one)[0].values())
    assert one.fingerprint != chosen.fingerprint


@given(
    st.lists(st.integers(16, 512), min_size=1, max_size=6, unique=True),
    st.integers(8, 1000),
    st.none() | st.integers(16, 400),
)
def test_some_image_size_always_fits(sizes, longest, made_at):
    fitting = network_fit.fitting_sizes(sizes, longest, made_at)
    assert fitting and set(fitting) <= set(sizes)


@pytest.mark.parametrize("pretrained", ["true", "false"])
def test_what_an_older_timm_lacks_leaves_a_shipped_space_in_one_sentence(monkeypatch, pretrained):
    monkeypatch.setattr(adaptation, "reachable", list)
    names = "resnet18", "vit_colossal_of_2031", "resnet18.tag_of_2031"
    asked = space(*names).with_training(
        pretrained=parse(
            f"[training]\npretrained = {pretrained}\n[backbone.timm]\nmodel = 'x'", "x", True
        ).training["pretrained"]
    )
    chosen, notes = adaptation.drop_unavailable(asked, {}, StudyAttributes())
    assert chosen.models() == [("timm", "resnet18")]
    assert len(notes) == 1
    for part in ("vit_colossal_of_2031, resnet18.tag_of_2031", "pip install --upgrade timm"):
        assert part in notes[0]


def test_a_mistyped_model_of_ones_own_space_is_refused():
    with pytest.raises(UserError, match=r"mine.*\[backbone.timm\].*resnet81.*resnet18"):
        network_fit.drop_unknown(space("resnet18", "resnet81", adapts=False))


def test_licences_are_told_where_they_ask_for_more_than_a_name():
    if not timm.is_model("vit_small_patch16_dinov3"):
        pytest.skip("this timm has no DINOv3")
    models = space("resnet18", "convnextv2_nano", "vit_small_patch16_dinov3")
    (note,) = network_fit.licence_notes(models, {})
    assert "convnextv2_nano under cc-by-nc-4.0" in note
    assert "vit_small_patch16_dinov3 under dinov3-license" in note
    assert "resnet18" not in note
    assert network_fit.licence_notes(models, weights(convnextv2_nano=64)) != [note]
    assert network_fit.licence_notes(space("resnet18"), {}) == []


@pytest.mark.parametrize("name", space_file.shipped())
def test_the_models_of_a_shipped_space_are_all_known_and_their_licences_written_beside(name):
    from importlib import resources

    shipped, lacking = network_fit.drop_unknown(space_file.load(name))
    if lacking:
        assert "pip install --upgrade timm" in lacking[0]
        pytest.skip(lacking[0])
    text = (resources.files("automask.search_spaces") / f"{name}.toml").read_text()
    for note in network_fit.licence_notes(shipped, {}):
        lines = {line.strip().strip('",').split('"')[0]: line for line in text.splitlines()}
        for model in [m for _, m in shipped.models() if m in note]:
            assert "licen" in lines[model] or "CC BY" in lines[model] or "as the" in text, model


LORA = "[freeze.full]\n[freeze.lora]\n"


def test_lora_goes_with_transformers_and_is_left_out_for_others():
    pytest.importorskip("peft", reason="peft isn't installed")
    chosen, (note,) = network_fit.suit_freezes(space("test_resnet", "test_vit", more=LORA))
    pairs, _ = sampled(chosen)
    assert pairs["test_vit"][1] == {"full", "lora"}
    assert pairs["test_resnet"][1] == {"full"}
    assert note.startswith("freeze 'lora' is left out for test_resnet: ")
    assert "is for transformers" in note


def test_lora_leaves_a_space_in_which_it_suits_nothing():
    pytest.importorskip("peft", reason="peft isn't installed")
    chosen, (note,) = network_fit.suit_freezes(space("test_resnet", more=LORA))
    assert list(chosen.competitors["freeze"]) == ["full"]
    assert note.startswith("freeze 'lora' is left out: ")
    with pytest.raises(UserError, match=r"no freeze is left.*is for transformers"):
        network_fit.suit_freezes(space("test_resnet", more="[freeze.lora]\n"))
    only, _ = network_fit.suit_freezes(space("test_resnet", "test_vit", more="[freeze.lora]\n"))
    assert only.models() == [("timm", "test_vit")]


def test_without_its_package_lora_leaves_the_space_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    chosen, (note,) = network_fit.suit_freezes(space("test_vit", more=LORA))
    assert list(chosen.competitors["freeze"]) == ["full"]
    assert "pip install 'automask[lora]'" in note
