"""Pretrained weights listed, fetched from a hub on this machine, and checked."""

import json

import pytest

from helpers.commands import automask, refused
from helpers.hub import REPOSITORY, address, hub

SPACE = """
[training]
pretrained = {pretrained}
image_size = 32
[backbone.timm]
model = "test_resnet"
"""
WEIGHTS = ("weights", "list", "--space", "space.toml")


@pytest.fixture
def place(tmp_path):
    """A folder with a space of one network, and no project; with `HF_HOME` and `TORCH_HOME` in it."""
    (tmp_path / "space.toml").write_text(SPACE.format(pretrained="true"))
    return tmp_path, {"HF_HOME": str(tmp_path / "hf"), "TORCH_HOME": str(tmp_path / "torch")}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """The weights of that network, in a file."""
    import timm
    from safetensors.torch import save_file

    file = tmp_path_factory.mktemp("weights") / "test_resnet.safetensors"
    save_file(timm.create_model("test_resnet").state_dict(), file)
    return file


def test_weights_are_fetched_once_and_then_no_hub_is_needed(place, checkpoint):
    folder, caches = place
    with hub(checkpoint) as (environment, asked):
        environment |= caches
        out = automask(folder, *WEIGHTS, "--json", **environment)
        assert out.returncode == 0, out.stderr
        listed = json.loads(out.stdout)
        size = checkpoint.stat().st_size
        assert listed["models"] == [
            {
                "library": "timm",
                "model": "test_resnet",
                "place": "hub",
                "source": REPOSITORY,
                "size": size,
                "licence": "cc-by-nc-4.0",
            }
        ]
        assert listed["bytes_to_fetch"] == size and listed["hub_silence"] is None
        out = automask(folder, "weights", "check", "--space", "space.toml", **environment)
        assert out.returncode == 2 and "would fetch 1 of 1" in out.stdout
        out = automask(folder, "weights", "get", "--space", "space.toml", **environment)
        assert out.returncode == 0, out.stderr
        assert "a search would fetch nothing" in out.stdout
        before = sum("/resolve/" in path for path in asked)
        out = automask(folder, "weights", "get", "--space", "space.toml", **environment)
        assert out.returncode == 0, out.stderr
        assert sum("/resolve/" in path for path in asked) == before
    offline = {"HF_HUB_OFFLINE": "1", **caches}
    for command in ("list", "get", "check"):
        out = automask(folder, "weights", command, "--space", "space.toml", **offline)
        assert out.returncode == 0, out.stderr
        assert "cache" in out.stdout and "apache-2.0" in out.stdout
        assert "a search would fetch nothing" in out.stdout


def test_a_file_in_the_cache_that_is_broken(place, checkpoint):
    folder, caches = place
    with hub(checkpoint) as (environment, _):
        automask(folder, "weights", "get", "--space", "space.toml", **environment, **caches)
    (link,) = folder.glob("hf/hub/**/model.safetensors")
    link.resolve().write_bytes(checkpoint.read_bytes()[:1000])
    offline = {"HF_HUB_OFFLINE": "1", **caches}
    out = automask(folder, "weights", "check", "--space", "space.toml", **offline)
    assert out.returncode == 2
    assert "delete it, and fetch it again" in out.stdout


@pytest.mark.parametrize("environment", [{"HF_HUB_OFFLINE": "1"}, address(9)])
def test_what_is_missing_offline_is_told_at_once(place, environment):
    folder, caches = place
    environment |= caches
    out = automask(folder, *WEIGHTS, **environment)
    assert out.returncode == 0, out.stderr
    assert "not known offline" in out.stdout and "a search would fetch 1 of 1" in out.stdout
    out = automask(folder, "weights", "get", "--space", "space.toml", **environment)
    refused(out, "1 of 1 models are missing", "missing: test_resnet", "--weights DIR")


def test_a_hub_that_has_not_what_is_wanted(place, checkpoint):
    folder, caches = place
    text = (folder / "space.toml").read_text().replace("test_resnet", "test_vit")
    (folder / "space.toml").write_text(text)
    with hub(checkpoint) as (environment, _):
        environment |= caches
        out = automask(folder, *WEIGHTS, "--json", **environment)
        assert json.loads(out.stdout)["models"][0]["size"] is None
        out = automask(folder, "weights", "get", "--space", "space.toml", **environment)
        refused(out, "1 of 1 couldn't be fetched:", "test_vit: ")


def test_a_folder_of_weights(place, checkpoint):
    folder, _ = place
    weights = folder / "weights"
    weights.mkdir()
    (weights / "test_resnet.safetensors").write_bytes(checkpoint.read_bytes())
    text = (folder / "space.toml").read_text()
    (folder / "space.toml").write_text(text.replace('"test_resnet"', '["test_resnet", "test_vit"]'))
    out = automask(folder, *WEIGHTS, "--weights", "weights")
    assert out.returncode == 0, out.stderr
    assert "folder" in out.stdout and "not stated" in out.stdout
    assert "left out, as it has none for them: test_vit" in out.stdout
    (weights / "test_resnet.json").write_text('{"license": "mit"}')
    assert "mit" in automask(folder, *WEIGHTS, "--weights", "weights").stdout
    check = ("weights", "check", "--space", "space.toml", "--weights", "weights")
    out = automask(folder, *check)
    assert out.returncode == 0 and "a search needs no hub" in out.stdout
    (weights / "test_vit.safetensors").write_bytes(checkpoint.read_bytes())
    out = automask(folder, *check)
    assert out.returncode == 2 and "doesn't fit timm's test_vit" in out.stdout
    refused(automask(folder, *WEIGHTS, "--weights", "nowhere"), "no such folder of weights")


def test_a_space_that_trains_from_nothing_needs_none(place):
    folder, _ = place
    (folder / "space.toml").write_text(SPACE.format(pretrained="false"))
    for command in ("list", "get", "check"):
        out = automask(folder, "weights", command, "--space", "space.toml")
        assert out.returncode == 0, out.stderr
        assert "needs no weights" in out.stdout


def test_a_model_of_torchvision_tells_its_size_offline(place):
    folder, _ = place
    text = (folder / "space.toml").read_text().replace("timm", "torchvision")
    (folder / "space.toml").write_text(text.replace("test_resnet", "squeezenet1_1"))
    listed = json.loads(automask(folder, *WEIGHTS, "--json").stdout)
    (model,) = listed["models"]
    assert model["place"] == "hub" and model["size"] > 1e6
    assert model["source"].endswith(".pth")
