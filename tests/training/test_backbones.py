"""Backbones of both libraries: what comes out, in which order their stages lie, what freezing keeps."""

import hashlib

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from automask.errors import UserError
from automask.space import registry
from automask.training.network import NAMED_NORM, NORMS, Network, norm_names, parameter_groups
from automask.training.pretrained import Checkpoint

SIZE = 64

MODELS = {
    "timm": [
        "vgg11_bn",
        "densenet121",
        "resnet50",
        "resnext50_32x4d",
        "convnext_atto",
        "vit_tiny_patch16_224",
        "deit_tiny_distilled_patch16_224",
        "swin_tiny_patch4_window7_224",
        "efficientnet_b0",
        "mobilenetv3_small_050",
        "regnetx_002",
        "poolformer_s12",  # has no group_matcher
    ],
    "torchvision": [
        "vgg16",
        "densenet121",
        "resnet50",
        "resnext50_32x4d",
        "convnext_tiny",
        "vit_b_32",
        "swin_t",
        "efficientnet_b0",
        "mobilenet_v3_small",
        "regnet_y_400mf",
        "googlenet",
    ],
}
EVERY = [(library, model) for library, models in MODELS.items() for model in models]
WIDTHS = {"vgg": 4096, "densenet121": 1024, "resnet50": 2048, "resnext50": 2048}


def build(library, model, size=SIZE, pretrained=False, **params):
    torch.manual_seed(0)
    return registry.get("backbone", library).function(size, pretrained, model=model, **params)


@pytest.fixture(scope="module", params=EVERY, ids="-".join)
def network(request):
    backbone = build(*request.param)
    return Network(backbone, nn.Linear(backbone.D, 3))


def images(rows=4, size=SIZE):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (rows, size, size, 3), dtype=torch.uint8, generator=generator)


def test_features_are_as_wide_as_told(network, request):
    network.eval()
    with torch.no_grad():
        assert network.features(images(2)).shape == (2, network.backbone.D)
    name = request.node.callspec.id
    for part, width in WIDTHS.items():
        if part in name:
            assert width == network.backbone.D


def test_stages_hold_every_parameter_once_from_the_stem_to_the_last(network):
    stage = {name: i for i, names in enumerate(network.stages) for name in names}
    assert sorted(stage) == sorted(name for name, _ in network.named_parameters())
    assert sum(map(len, network.stages)) == len(stage)
    assert len(network.stages) > 4, "a share of the stages must mean something"
    run, hooks = [], []
    for prefix, layer in network.named_modules():
        own = [f"{prefix}.{name}" for name, _ in layer.named_parameters(recurse=False)]
        if own and not list(layer.children()):
            hooks.append(
                layer.register_forward_pre_hook(lambda *_, name=own[0]: run.append(stage[name]))
            )
    network.eval()
    with torch.no_grad():
        network(images(2))
    for hook in hooks:
        hook.remove()
    assert run == sorted(run), "stages must lie in the order in which images pass them"
    assert set(run) == set(range(len(network.stages)))


def test_no_stage_is_a_norm_alone(network):
    for names in network.stages[:-1]:
        assert not all(name.norm for name in names)


def test_layer_decay_goes_by_the_stages(network):
    rates = registry.get("optimizer", "adamw").function(
        parameter_groups(network), lr=1e-3, head_lr_ratio=4.0, layer_decay=0.5
    )
    of = {id(p): group["lr"] for group in rates.param_groups for p in group["params"]}
    last = len(network.stages) - 1
    for index, names in enumerate(network.stages):
        wanted = 1e-3 * 0.5 ** (last - index) * (4.0 if index == last else 1.0)
        for name in names:
            assert of[id(network.get_parameter(name))] == pytest.approx(wanted)


def digests(network):
    return {
        name: hashlib.blake2b(value.contiguous().numpy().tobytes()).digest()
        for name, value in network.state_dict().items()
    }


def test_a_step_of_the_last_stages_leaves_the_early_ones_to_the_bit(network):
    """Norms' running statistics too; what is said to train does. Changes the network, so the last."""
    names = registry.get("freeze", "last_stages").function(network.stages, 0.0, share=0.25)
    frozen = {name for name, _ in network.named_parameters()} - names
    assert frozen and set(network.stages[-2]) <= names
    network.train_only(names)
    before = digests(network)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, weight_decay=0.1)
    nn.functional.cross_entropy(network(images()), torch.tensor([0, 1, 2, 0])).backward()
    assert {n for n, p in network.named_parameters() if p.grad is not None} <= names
    optimizer.step()
    after = digests(network)
    changed = {name for name in after if after[name] != before[name]}
    buffers = {name for name, _ in network.named_buffers()}
    for index, stage in enumerate(network.stages):
        if stage[0] in names:
            assert changed & set(stage), f"stage {index} has not trained"
    assert not changed & frozen
    for name in changed & buffers:
        layer = name.rpartition(".")[0]
        assert f"{layer}.weight" in names, f"{name} moved and is of a layer that stays"
    for name in buffers & changed | {n for n in buffers if n.endswith("running_mean")}:
        weight = f"{name.rpartition('.')[0]}.weight"
        assert (name in changed) == (weight in names)


def differs(library, model, **params):
    """Do two looks at the same images differ where only dropout is random?"""
    backbone = build(library, model, **params).train()
    for layer in backbone.modules():
        if isinstance(layer, nn.modules.batchnorm._NormBase):
            layer.eval()
    inputs = torch.randn(4, 3, SIZE, SIZE)
    with torch.no_grad():
        return not torch.equal(backbone(inputs), backbone(inputs))


@pytest.mark.parametrize(
    ("library", "model"),
    [
        ("timm", "test_resnet"),
        ("timm", "test_vit"),
        ("timm", "test_convnext"),
        ("timm", "test_efficientnet"),
        ("timm", "densenet121"),
        ("timm", "mobilenetv3_small_050"),
        ("timm", "regnetx_002"),
        ("torchvision", "densenet121"),
        ("torchvision", "mobilenet_v3_small"),
        ("torchvision", "squeezenet1_1"),
        ("torchvision", "efficientnet_b0"),
    ],
)
def test_drop_rate_drops_while_training(library, model):
    plain = {"drop_path_rate": 0.0} if library == "timm" else {}
    if (library, model) != ("torchvision", "efficientnet_b0"):  # it skips blocks by itself
        assert not differs(library, model, drop_rate=0.0, **plain)
    assert differs(library, model, drop_rate=0.5, **plain)


def test_drop_path_rate_skips_blocks_while_training():
    assert differs("timm", "test_convnext", drop_path_rate=0.4)


@pytest.mark.parametrize(
    ("library", "model"),
    [("torchvision", "shufflenet_v2_x0_5"), ("timm", "ghostnet_050"), ("timm", "hrnet_w18_small")],
)
def test_what_a_model_does_not_know_it_ignores(library, model):
    plain = {"drop_path_rate": 0.4} if library == "timm" else {}
    assert build(library, model, drop_rate=0.5, **plain).D == 1024 or library == "timm"


def test_a_type_error_of_the_model_itself_is_not_hidden(monkeypatch):
    import timm

    tried = []

    def create(model, **options):
        tried.append(sorted(options))
        if "drop_path_rate" in options:
            raise TypeError("VGG.__init__() got an unexpected keyword argument 'drop_path_rate'")
        raise TypeError("unsupported operand type(s)")

    monkeypatch.setattr(timm, "create_model", create)
    with pytest.raises(TypeError, match="unsupported operand"):
        build("timm", "test_resnet")
    assert [("drop_path_rate" in names, "drop_rate" in names) for names in tried] == [
        (True, True),
        (False, True),
    ]


@pytest.mark.parametrize(
    ("library", "model"), [("timm", "crossvit_tiny_240"), ("torchvision", "vit_b_16")]
)
def test_an_image_size_that_does_not_go_names_the_model(library, model):
    with pytest.raises(UserError, match=rf"{library}'s {model} .* 52 px"):
        build(library, model, 52)


@pytest.mark.parametrize("library", MODELS)
def test_an_unknown_model_gets_a_suggestion(library):
    with pytest.raises(UserError, match="did you mean 'resnet50'"):
        build(library, "resnett50")


@pytest.mark.parametrize("model", ["test_resnet", "test_vit"])
def test_weights_from_a_file_and_weights_from_random(tmp_path, model):
    """A transformer's positions are fitted to another image size; without a file all is random."""
    import timm

    torch.manual_seed(5)
    file = tmp_path / f"{model}.safetensors"
    source = timm.create_model(model).state_dict()
    save_file(source, file)
    loaded, fresh = build("timm", model, pretrained=Checkpoint(str(file))), build("timm", model)
    torch.manual_seed(7)
    again = registry.get("backbone", "timm").function(SIZE, False, model=model)
    weights = [name for name, p in fresh.net.named_parameters() if p.ndim > 1]
    for name in weights:
        value = loaded.net.get_parameter(name)
        if value.shape == source[name].shape:
            assert torch.equal(value, source[name])
        else:
            assert name == "pos_embed"
        assert not torch.equal(value, fresh.net.get_parameter(name))
        assert not torch.equal(fresh.net.get_parameter(name), again.net.get_parameter(name))


@pytest.mark.parametrize(
    ("library", "model"),
    [
        ("timm", "test_resnet"),
        ("timm", "test_vit"),
        ("timm", "test_convnext"),
        ("torchvision", "swin_t"),
    ],
)
def test_the_names_of_norms_are_those_of_norm_layers(library, model):
    backbone = build(library, model)
    found = norm_names(backbone)
    for prefix, layer in backbone.named_modules():
        norm = isinstance(layer, NORMS) or bool(NAMED_NORM.search(type(layer).__name__))
        for name, parameter in layer.named_parameters(recurse=False):
            assert (f"{prefix}.{name}" in found) == norm
            assert not norm or parameter.ndim == 1
    assert found and not norm_names(nn.Sequential(nn.Linear(2, 2), nn.Conv2d(1, 1, 1)))


def test_a_norm_free_block_is_no_norm():
    class NormFreeBlock(nn.Module):
        def __init__(self):
            super().__init__()
            self.gain = nn.Parameter(torch.zeros(1))

    class RmsNormAct2d(NormFreeBlock):
        pass

    assert not norm_names(NormFreeBlock())
    assert norm_names(RmsNormAct2d()) == {"gain"}
