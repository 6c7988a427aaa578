"""Freeze strategies: which parameters train when (`automask.space.protocols.FreezePlugin`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automask import Categorical, Float, Int, UserError, freeze

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from torch import nn

    from automask.training.network import ParameterName


@freeze()
def full(stages: Sequence[Sequence[ParameterName]], progress: float) -> Collection[str]:
    """Everything trains from the first epoch on.

    When to use: enough data, or data unlike the pretraining.
    """
    return _names(stages)


@freeze()
def head_only(stages: Sequence[Sequence[ParameterName]], progress: float) -> Collection[str]:
    """Only the head trains, on cached features: seconds a trial.

    When to use: little data that resembles the pretraining, and as a first look at any data.
    """
    return _names(stages[-1:])


@freeze(share=Categorical(0.25, 0.5, 0.75))
def last_stages(
    stages: Sequence[Sequence[ParameterName]], progress: float, *, share: float = 0.5
) -> Collection[str]:
    """The head and the last share of the backbone's stages train, the early ones stay.

    When to use: data that resembles the pretraining in its edges and textures, not in its objects.
    """
    return _names(stages[-1 - max(1, round(share * (len(stages) - 1))) :])


@freeze(head_share=Float(0.1, 0.5))
def gradual(
    stages: Sequence[Sequence[ParameterName]], progress: float, *, head_share: float = 0.2
) -> Collection[str]:
    """The head first, then stage after stage from the top down (Howard and Ruder, 2018).

    The head trains alone for `head_share` of the epochs, the last stage joins then, and the stem
    joins half-way through what remains.
    When to use: little data and good pretrained weights, which a random head's first steps would harm.
    """
    opened = max(0.0, progress - head_share) / (1 - head_share) * 2
    count = 0 if progress < head_share else 1 + int(opened * (len(stages) - 1))
    return _names(stages[-1 - min(count, len(stages) - 1) :])


@freeze(head_share=Float(0.1, 0.5))
def probe_then_tune(
    stages: Sequence[Sequence[ParameterName]], progress: float, *, head_share: float = 0.3
) -> Collection[str]:
    """The head alone first, on cached features, then everything (Kumar et al., 2022).

    A head that fits already sends small gradients down, so that the pretrained features are bent less
    than by a random one: that keeps what they know of images unlike those in train.
    When to use: good pretrained weights and test images that differ from the train images.
    """
    return _names(stages if progress >= head_share else stages[-1:])


@freeze()
def norm_and_head(stages: Sequence[Sequence[ParameterName]], progress: float) -> Collection[str]:
    """The head and the scale and shift of every normalisation layer train (Frankle et al., 2021).

    A per cent of a backbone's parameters, or less, and yet they carry it to another domain, as do the
    running statistics of batch norms, which follow the images of the training (Li et al., 2017). A
    backbone without such layers (VGG) trains its head alone.
    When to use: little data whose colours and contrast differ from the pretraining's.
    """
    return {name for stage in stages[:-1] for name in stage if name.norm} | _names(stages[-1:])


def _low_rank(
    backbone: nn.Module, image_size: int, *, rank: int = 8
) -> Callable[[nn.Module], None]:
    """Give every linear layer of a transformer a product of two thin matrices, 0 at first."""
    import torch
    from torch import nn

    try:
        from peft import LoraConfig, inject_adapter_in_model
        from peft.tuners.tuners_utils import BaseTunerLayer
    except ImportError as error:
        raise UserError("freeze 'lora' needs a package: pip install 'automask[lora]'") from error

    # Of some transformers (EVA's older ones) the attention reads a layer's weight and never calls it.
    called = set[str]()
    linear = {name: m for name, m in backbone.named_modules() if type(m) is nn.Linear}
    hooks = [
        module.register_forward_hook(lambda *_, name=name: called.add(name))
        for name, module in linear.items()
    ]
    training, device = backbone.training, next(backbone.parameters()).device
    with torch.no_grad():
        backbone.eval()(torch.zeros(1, 3, image_size, image_size, device=device))
    backbone.train(training)
    for hook in hooks:
        hook.remove()
    if not any("attn" in name for name in called):
        raise UserError(
            "freeze 'lora' is for transformers, and this network has no linear layers of attention: "
            "choose another freeze, or a model such as vit_small_patch16_224"
        )
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=sorted(called))
    inject_adapter_in_model(config, backbone)

    def merge(module: nn.Module) -> None:
        for name, layer in list(module.named_modules()):
            if isinstance(layer, BaseTunerLayer):
                layer.merge()
                parent, _, child = name.rpartition(".")
                setattr(module.get_submodule(parent), child, layer.get_base_layer())

    return merge


@freeze(rank=Int(2, 64, log=True), adapt=_low_rank)
def lora(
    stages: Sequence[Sequence[ParameterName]], progress: float, *, rank: int = 8
) -> Collection[str]:
    """The head and a low-rank change of a transformer's linear layers train (Hu et al., 2022).

    The weights themselves stay, and what was learnt is added to them when a fold is stored.
    When to use: large transformers, whose optimizer and gradients wouldn't fit the memory.
    """
    return {n for stage in stages[:-1] for n in stage if n.adapter} | _names(stages[-1:])


def _names(stages: Sequence[Sequence[str]]) -> set[str]:
    return {name for stage in stages for name in stage}
