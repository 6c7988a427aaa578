"""Backbones: networks from images to features (`automask.space.protocols.BackbonePlugin`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from automask import Float, Text, backbone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from torch import nn

    from automask.training.pretrained import Checkpoint

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

DROP_RATE = Float(0.0, 0.5)


@backbone(
    model=Text("test_resnet", "test_convnext", "test_vit"),
    drop_rate=DROP_RATE,
    drop_path_rate=Float(0.0, 0.4),
)
def timm(
    image_size: int,
    pretrained: bool | Checkpoint,
    *,
    model: str = "resnet18",
    drop_rate: float = 0.0,
    drop_path_rate: float = 0.0,
) -> nn.Module:
    """Any image model of timm by its name, such as resnet18, convnext_tiny or vit_small_patch16_224.

    `drop_rate` is dropout where the model has its own, on the pooled features as a rule, and
    `drop_path_rate` skips residual blocks at random while training (Huang et al., 2016); models
    without them ignore them.
    When to use: the first choice; it has more models and weights than any other library.
    """
    import timm
    from timm.models import group_parameters

    from automask.training.pretrained import Checkpoint

    if not timm.is_model(model):
        _refuse_unknown("timm", model, timm.list_models())
    options: dict[str, Any] = {"drop_rate": drop_rate, "drop_path_rate": drop_path_rate}
    if getattr(timm.get_pretrained_cfg(model), "fixed_input_size", False):
        options["img_size"] = image_size

    def make(**options: Any) -> nn.Module:
        if file:
            options["pretrained_cfg_overlay"] = file.overlay()
        return timm.create_model(model, pretrained=bool(pretrained), num_classes=0, **options)

    file = pretrained if isinstance(pretrained, Checkpoint) else None
    module = _made(make, options, f"timm's {model}", image_size)
    if file:
        file.check(module)
    try:
        groups = group_parameters(module, module.group_matcher(coarse=True))
        stages = [groups[index] for index in sorted(groups)]
    except (AttributeError, AssertionError):  # a few families tell nothing, or nothing coarse
        stages = _by_module(module)
    config = module.pretrained_cfg
    return _described(
        module,
        f"timm's {model}",
        image_size,
        stages=stages,
        mean=tuple(config.get("mean", IMAGENET_MEAN)),
        std=tuple(config.get("std", IMAGENET_STD)),
    )


@backbone(model=Text("squeezenet1_1", "shufflenet_v2_x0_5"), drop_rate=DROP_RATE)
def torchvision(
    image_size: int,
    pretrained: bool | Checkpoint,
    *,
    model: str = "resnet18",
    drop_rate: float = 0.0,
) -> nn.Module:
    """Any classification model of torchvision by its name, such as resnet50, vgg16 or densenet121.

    `drop_rate` is the model's own dropout; models without any ignore it.
    When to use: weights that timm doesn't have, or to repeat what was made with torchvision.
    """
    from torch import nn
    from torchvision import models

    names = models.list_models(module=models)
    if model not in names:
        _refuse_unknown("torchvision", model, names)
    options = {"dropout": drop_rate, "drop_rate": drop_rate}
    if model.startswith("vit_"):
        options["image_size"] = image_size

    def make(**options: Any) -> nn.Module:
        return models.get_model(model, weights="DEFAULT" if pretrained else None, **options)

    module = _made(make, options, f"torchvision's {model}", image_size)
    # Heads beside the way to the last one, which answer in training alone.
    for name in {"aux1", "aux2", "AuxLogits"} & set(dict(module.named_children())):
        setattr(module, name, None)
        module.aux_logits = False
    # The last layer with weights gives the classes; without it the features come out.
    last = [name for name, m in module.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)][-1]
    parent, _, child = last.rpartition(".")
    setattr(module.get_submodule(parent), child, nn.Identity())
    return _described(
        module,
        f"torchvision's {model}",
        image_size,
        stages=_by_module(module),
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
    )


def _made(
    make: Callable[..., nn.Module], options: dict[str, Any], model: str, image_size: int
) -> Any:
    """`make(**options)` without those options that this model's constructor doesn't know."""
    import re

    options = dict(options)
    while True:
        try:
            return make(**options)
        except TypeError as error:
            refused = re.search(r"unexpected keyword argument\W*(?:s\W+)?'(\w+)'", str(error))
            if refused is None or options.pop(refused[1], None) is None:
                raise
        except (AssertionError, ValueError) as error:
            raise _refusal(model, image_size, error) from error


#: How deep blocks lie in a child that holds nearly everything.
DEPTH = {
    **dict.fromkeys(("stages", "dense_stages", "transformers", "features", "layers"), 2),
    **{"trunk_output": 2, "encoder": 3, "blocks": 4},
}


def _by_module(module: nn.Module) -> list[list[str]]:
    """Stages by the modules as they were made: top-level children or, as in VGG, the blocks of one."""
    stages: dict[str, list[str]] = {}
    for name, _ in module.named_parameters():
        *modules, _ = name.split(".")
        stage = ".".join(modules[: DEPTH.get(modules[0], 1)]) if modules else ""
        stages.setdefault(stage, []).append(name)
    return list(stages.values())


def _refuse_unknown(library: str, model: str, names: Iterable[str]) -> None:
    from automask.errors import UserError, did_you_mean

    raise UserError(f"{library} has no model '{model}'{did_you_mean(model, names)[:200]}")


def _refusal(model: str, image_size: int, error: object) -> Exception:
    from automask.errors import UserError

    why = (str(error).strip() or type(error).__name__).splitlines()[0]
    return UserError(
        f"{model} can't be had for images of {image_size} px; "
        f"another size or another model may do: {why}"
    )


def _described(
    module: nn.Module,
    model: str,
    image_size: int,
    stages: Sequence[Sequence[str]],
    mean: Sequence[float],
    std: Sequence[float],
) -> nn.Module:
    """The module with the facts that training asks for; D is measured, as libraries misstate it."""
    import torch

    from automask.training.hardware import out_of_memory
    from automask.training.network import Backbone

    try:
        with torch.no_grad():
            out = module.eval()(torch.zeros(1, 3, image_size, image_size))
    except (AssertionError, RuntimeError, ValueError, IndexError) as error:
        if out_of_memory(error):
            raise
        raise _refusal(model, image_size, error) from error
    if not isinstance(out, torch.Tensor) or out.ndim != 2:
        raise _refusal(model, image_size, "its features aren't one vector an image")
    return Backbone(module.train(), out.shape[1], _joined(module, stages), mean, std)


def _joined(module: nn.Module, stages: Sequence[Sequence[str]]) -> list[list[str]]:
    """The stages that hold a weight matrix; a norm or a token of its own joins the one before it."""
    joined: list[list[str]] = []
    waiting: list[str] = []
    for stage in stages:
        heavy = any(n.endswith("weight") and module.get_parameter(n).ndim > 1 for n in stage)
        if heavy:
            joined.append([*waiting, *stage])
            waiting = []
        elif joined:
            joined[-1] += stage
        else:
            waiting += stage
    return joined or [waiting]
