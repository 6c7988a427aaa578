"""Backbones: `(image_size, pretrained) -> module` from images `[B, 3, S, S]` to features `[B, D]`.

`pretrained` is False, True (the library's own weights) or an `automask.weights.Weights` (a file). The
module carries `D`, `stages` (tuples of parameter names from the stem up), `mean` and `std`, as an
`automask.network.Backbone` does.
"""

from __future__ import annotations

from automask import Float, Text, backbone

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@backbone(model=Text("test_resnet", "test_convnext", "test_vit"), drop_path_rate=Float(0.0, 0.4))
def timm(image_size, pretrained, *, model="resnet18", drop_path_rate=0.0):
    """Any image model of timm by its name, such as resnet18, convnext_tiny or vit_small_patch16_224.

    `drop_path_rate` skips residual blocks at random while training; models without them ignore it.
    """
    import timm as library
    from timm.models import group_parameters

    options = {"num_classes": 0, "pretrained": bool(pretrained)}
    if not library.is_model(model):
        _refuse_unknown("timm", model, library.list_models())
    if library.get_pretrained_cfg(model).fixed_input_size:
        options["img_size"] = image_size
    if hasattr(pretrained, "file"):
        options["pretrained_cfg_overlay"] = pretrained.overlay()
    try:
        module = library.create_model(model, drop_path_rate=drop_path_rate, **options)
    except TypeError:
        module = library.create_model(model, **options)
    if hasattr(pretrained, "file"):
        pretrained.check(module)
    groups = group_parameters(module, module.group_matcher(coarse=True))
    config = module.pretrained_cfg
    return _described(
        module,
        image_size,
        stages=tuple(tuple(groups[index]) for index in sorted(groups)),
        mean=tuple(config.get("mean", IMAGENET_MEAN)),
        std=tuple(config.get("std", IMAGENET_STD)),
    )


@backbone(model=Text("squeezenet1_1", "shufflenet_v2_x0_5"))
def torchvision(image_size, pretrained, *, model="resnet18"):
    """Any classification model of torchvision by its name, such as resnet50, vgg16 or densenet121."""
    from torch import nn
    from torchvision import models

    names = models.list_models(module=models)
    if model not in names:
        _refuse_unknown("torchvision", model, names)
    options = {"image_size": image_size} if model.startswith("vit_") else {}
    module = models.get_model(model, weights="DEFAULT" if pretrained else None, **options)
    # The last layer with weights gives the classes; without it the features come out.
    last = [name for name, m in module.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)][-1]
    parent, _, child = last.rpartition(".")
    setattr(module.get_submodule(parent), child, nn.Identity())
    stages: dict[str, list[str]] = {}
    for name, _ in module.named_parameters():
        stages.setdefault(_stage(name), []).append(name)
    return _described(
        module,
        image_size,
        stages=tuple(map(tuple, stages.values())),
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
    )


def _stage(name):
    """A top-level child, and the blocks of a child that holds nearly everything, as in VGG."""
    parts = name.split(".")
    return ".".join(parts[:2]) if parts[0] in ("features", "encoder") else parts[0]


def _refuse_unknown(library, model, names):
    from automask.errors import UserError, did_you_mean

    raise UserError(f"{library} has no model '{model}'{did_you_mean(model, names)[:200]}")


def _described(module, image_size, stages, mean, std):
    """The module with the facts that training asks for; D is measured, as libraries misstate it."""
    import torch

    from automask.network import Backbone

    with torch.no_grad():
        D = module.eval()(torch.zeros(1, 3, image_size, image_size)).shape[1]
    return Backbone(module.train(), D, stages, mean, std)
