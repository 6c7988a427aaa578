"""Backbones: `(image_size, pretrained) -> module` from images `[B, 3, S, S]` to features `[B, D]`.

`pretrained` is False, True (the library's own weights) or an `automask.weights.Weights` (a file). The
module carries `D`, `stages` (tuples of parameter names from the stem up), `mean` and `std`, as an
`automask.network.Backbone` does.

`drop_rate` and `drop_path_rate`, by these names, act in training alone: trials whose backbone stays
as it is share cached features across them.
"""

from __future__ import annotations

from automask import Float, Text, backbone

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

DROP_RATE = Float(0.0, 0.5)


@backbone(
    model=Text("test_resnet", "test_convnext", "test_vit"),
    drop_rate=DROP_RATE,
    drop_path_rate=Float(0.0, 0.4),
)
def timm(image_size, pretrained, *, model="resnet18", drop_rate=0.0, drop_path_rate=0.0):
    """Any image model of timm by its name, such as resnet18, convnext_tiny or vit_small_patch16_224.

    `drop_rate` is dropout where the model has its own, on the pooled features as a rule, and
    `drop_path_rate` skips residual blocks at random while training (Huang et al., 2016); models
    without them ignore them.
    When to use: the first choice; it has more models and weights than any other library.
    """
    import timm as library
    from timm.models import group_parameters

    if not library.is_model(model):
        _refuse_unknown("timm", model, library.list_models())
    options = {"drop_rate": drop_rate, "drop_path_rate": drop_path_rate}
    if library.get_pretrained_cfg(model).fixed_input_size:
        options["img_size"] = image_size

    def make(**options):
        overlay = {"pretrained_cfg_overlay": pretrained.overlay()} if file else {}
        return library.create_model(
            model, pretrained=bool(pretrained), num_classes=0, **overlay, **options
        )

    file = hasattr(pretrained, "file")
    module = _made(make, options, f"timm's {model}", image_size)
    if file:
        pretrained.check(module)
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
def torchvision(image_size, pretrained, *, model="resnet18", drop_rate=0.0):
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

    def make(**options):
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


def _made(make, options, model, image_size):
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


def _by_module(module):
    """Stages by the modules as they were made: top-level children or, as in VGG, the blocks of one."""
    stages: dict[str, list[str]] = {}
    for name, _ in module.named_parameters():
        *modules, _ = name.split(".")
        stage = ".".join(modules[: DEPTH.get(modules[0], 1)]) if modules else ""
        stages.setdefault(stage, []).append(name)
    return list(stages.values())


def _refuse_unknown(library, model, names):
    from automask.errors import UserError, did_you_mean

    raise UserError(f"{library} has no model '{model}'{did_you_mean(model, names)[:200]}")


def _refusal(model, image_size, error):
    from automask.errors import UserError

    why = (str(error).strip() or type(error).__name__).splitlines()[0]
    return UserError(
        f"{model} can't be had for images of {image_size} px; "
        f"another size or another model may do: {why}"
    )


def _described(module, model, image_size, stages, mean, std):
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


def _joined(module, stages):
    """The stages that hold a weight matrix; a norm or a token of its own joins the one before it."""
    joined, waiting = [], []
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
