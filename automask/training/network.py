"""The network of a recipe: a backbone, a head, and which of its parameters train."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from automask.data.labels import Attributes
from automask.space import registry
from automask.space.recipe import Choice, Recipe
from automask.target import Target
from automask.training.batches import to_device
from automask.training.hardware import run_halving
from automask.training.pretrained import Checkpoint
from automask.training.random_streams import torch_seed

NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
#: Of norms that descend from none of torch's; a "norm-free" block is none.
NAMED_NORM = re.compile("Norm(?!Free)")
#: Rows at once where nothing trains.
BATCH = 128


class ParameterName(str):
    """A parameter's name that knows whether a normalisation layer holds it, as `norm`, and whether it
    came beside the weights that a backbone has (`training.adapters`), as `adapter`."""

    norm: bool
    adapter: bool

    def __new__(cls, name: str, norm: bool, adapter: bool = False) -> ParameterName:
        made = super().__new__(cls, name)
        made.norm, made.adapter = norm, adapter
        return made


class Backbone(nn.Module):
    """A library's network with the facts that training asks for.

    A wrapper, since many networks have a child named `stages` of their own. `stages` are given in the
    network's parameter names.
    """

    def __init__(
        self,
        net: nn.Module,
        D: int,
        stages: Sequence[Sequence[str]],
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        super().__init__()
        self.net, self.D, self.mean, self.std = net, D, tuple(mean), tuple(std)
        self.stages = tuple(tuple(f"net.{name}" for name in stage) for stage in stages)

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.net(images)
        return features


class Network(nn.Module):
    """Joint logits `[B, C]` from images `[B, S, S, 3]` of 0 to 255, or from features by `head`."""

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.scale: Tensor
        self.shift: Tensor
        self.backbone, self.head = backbone, head
        mean, std = torch.tensor(backbone.mean), torch.tensor(backbone.std)
        self.register_buffer("scale", 1 / (255 * std), persistent=False)
        self.register_buffer("shift", -mean / std, persistent=False)

    def features(self, images: Tensor) -> Tensor:
        width = images.shape[2]
        # A whole row of pixels at a time: over three channels alone nothing is vectorised.
        # And a copy, also of pixels that are floats already: the batch may be asked for again.
        rows = images.flatten(2).to(torch.float32, copy=True)
        rows.mul_(self.scale.repeat(width)).add_(self.shift.repeat(width))
        # Interleaved pixels, seen as [B, 3, S, S], already are channels_last.
        features: Tensor = self.backbone(rows.view(images.shape).permute(0, 3, 1, 2))
        return features

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(images))
        return logits

    @property
    def head_names(self) -> tuple[str, ...]:
        return tuple(f"head.{name}" for name, _ in self.head.named_parameters())

    @property
    def stages(self) -> tuple[tuple[str, ...], ...]:
        """Parameter names from the stem to the head, the head being the last stage."""
        own: Any = self.backbone.stages
        norms, adapters = norm_names(self.backbone), getattr(self.backbone, "adapters", ())
        stages = tuple(
            tuple(ParameterName(f"backbone.{n}", n in norms, n in adapters) for n in stage)
            for stage in own
        )
        head = norm_names(self.head)
        names = (name for name, _ in self.head.named_parameters())
        return (*stages, tuple(ParameterName(f"head.{name}", name in head) for name in names))

    def train_only(self, names: Collection[str]) -> None:
        """Let just these parameters train; what is frozen whole is in eval mode.

        A frozen batch norm that went on counting would give other features than those cached.
        """
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(name in names)
        _set_mode(self)


def build(
    recipe: Recipe, attributes: Attributes, weights: Mapping[str, Checkpoint], seed: int, fold: int
) -> Network:
    """Fresh weights: the pretrained (or, by `seed`, random) backbone, and a new head for the fold."""
    backbone: Any = build_backbone(recipe, weights, seed)
    return Network(backbone, build_head(recipe["head"], backbone.D, attributes, seed, fold))


def build_backbone(recipe: Recipe, weights: Mapping[str, Checkpoint], seed: int) -> nn.Module:
    torch.manual_seed(seed)
    choice = recipe["backbone"]
    pretrained: Checkpoint | bool = recipe.training["pretrained"]
    if pretrained and weights:
        pretrained = weights.get(choice.params.get("model", ""), True)
    function = registry.get("backbone", choice.name).function
    module: nn.Module = function(recipe.training["image_size"], pretrained, **choice.params)
    return module.to(memory_format=torch.channels_last)


def build_head(choice: Choice, D: int, attributes: Attributes, seed: int, fold: int) -> nn.Module:
    torch.manual_seed(torch_seed(seed, fold))
    head: nn.Module = registry.get("head", choice.name).function(D, attributes, **choice.params)
    return head


def predict(
    network: nn.Module,
    inputs: np.ndarray,
    rows: np.ndarray,
    device: torch.device,
    target: Target,
) -> np.ndarray:
    """float32 predictions `[n, C]` of the given rows of `inputs`, in eval mode.

    In full precision whatever training used, so that stored weights give the same again.
    """
    network.eval()

    def batch(part: np.ndarray) -> Tensor:
        return target.activate(network(to_device(inputs[part], device)).float())

    with torch.inference_mode():
        return in_batches(batch, rows).numpy()


def in_batches(run: Callable[[np.ndarray], Tensor], rows: np.ndarray) -> Tensor:
    """`run` of all rows, a batch that fits the memory at a time, joined on the processor."""

    def all_rows(size: int) -> Tensor:
        parts = np.array_split(rows, max(1, -(-len(rows) // size)))
        # All at once to the processor: a GPU works on while the next batch is read.
        return torch.cat([run(part) for part in parts]).cpu()

    return run_halving(all_rows, BATCH)[0]


def parameter_groups(network: nn.Module) -> list[dict[str, Any]]:
    """All parameters in groups by `stage`, `head` and `decay`, whatever trains now.

    `stage` counts from the stem (0) to the head, which is the last. Norms and biases have one
    dimension or none, and weight decay would only shrink them.
    """
    depth = {name: index for index, stage in enumerate(_stages(network)) for name in stage}
    groups: dict[tuple[int, bool, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        key = (depth[name], name.startswith("head."), parameter.ndim > 1)
        groups.setdefault(key, []).append(parameter)
    return [
        {"params": params, "stage": stage, "head": head, "decay": decay}
        for (stage, head, decay), params in groups.items()
    ]


def norm_names(module: nn.Module) -> set[str]:
    """The parameters of normalisation layers: batch, layer, group norm and what libraries call so."""
    return {
        f"{prefix}.{name}" if prefix else name
        for prefix, layer in module.named_modules()
        if isinstance(layer, NORMS) or NAMED_NORM.search(type(layer).__name__)
        for name, _ in layer.named_parameters(recurse=False)
    }


def _stages(network: nn.Module) -> Sequence[Sequence[str]]:
    """A network's own stages; of a module that has none, what isn't the head and the head."""
    if isinstance(network, Network):
        return network.stages
    names = [name for name, _ in network.named_parameters()]
    head = [name for name in names if name.startswith("head.")]
    return [stage for stage in ([n for n in names if n not in head], head) if stage]


def _set_mode(module: nn.Module) -> None:
    parameters = list(module.parameters())
    if parameters and not any(parameter.requires_grad for parameter in parameters):
        module.eval()
        return
    module.training = True
    for child in module.children():
        _set_mode(child)
