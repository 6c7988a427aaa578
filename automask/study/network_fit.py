"""Networks fitted to what is there: those that the libraries have, at the sizes that suit each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from automask.errors import UserError, did_you_mean
from automask.space import registry
from automask.space.ranges import Categorical
from automask.space.space import Space
from automask.training.pretrained import Checkpoint

Model = tuple[str, str]
#: What torchvision's classification weights were made at, in pixels.
TORCHVISION = 224
#: Smaller and larger images, as shares of the size that a network was made at, than are worth trying.
SMALLEST, LARGEST = 0.4, 2.0
#: At which size in pixels networks are asked for their layers.
SIDE = 224
#: Licences that ask for no more than to be named.
PERMISSIVE = ("apache-2.0", "mit", "bsd-3-clause", "cc-by-4.0")


def drop_unknown(chosen: Space) -> tuple[Space, list[str]]:
    """The space without models that timm, as it is installed, hasn't got.

    Raises `UserError` where none is left, or where a user's own space names one.
    """
    unknown = [name for library, name in chosen.models() if library == "timm" and _lacks(name)]
    if not unknown:
        return chosen, []
    import timm

    what = f"timm {timm.__version__} has no {', '.join(unknown)}"
    left = [pair for pair in chosen.models() if pair[0] != "timm" or pair[1] not in unknown]
    if not chosen.adapts or not left:
        near = did_you_mean(unknown[0], timm.list_models())[:200]
        raise UserError(f"search space {chosen.name}: [backbone.timm] model: {what}{near}")
    return chosen.with_models(left), [f"left out, as {what}; pip install --upgrade timm"]


def _lacks(name: str) -> bool:
    import timm
    from timm.models import is_model_pretrained

    tagged = "." in name
    return not (timm.is_model(name) and (not tagged or is_model_pretrained(name)))


def suit_sizes(
    chosen: Space, checkpoints: Mapping[str, Checkpoint], pretrained: bool, longest: int
) -> tuple[Space, list[str]]:
    """The space with the image sizes that suit each of its networks, and a sentence on them.

    `longest` is the longest side of the images in pixels.
    """
    sizes = getattr(chosen.training["image_size"], "choices", ())
    if not sizes:
        return chosen, []
    suited = {
        pair: fitting_sizes(sizes, longest, made_at(checkpoints, pair) if pretrained else None)
        for pair in chosen.models()
    }
    every = sorted({size for own in suited.values() for size in own})
    every = every or fitting_sizes(sizes, longest, None)
    chosen = chosen.with_training(image_size=Categorical(*every))
    less = {pair: own for pair, own in suited.items() if own != every}
    if not less and len(every) == len(sizes):
        return chosen, []
    by_sizes = defaultdict[tuple[int, ...], list[str]](list)
    for pair, own in suited.items():
        by_sizes[tuple(own)].append(pair[1])
    parts = [f"{', '.join(map(str, own))} for {_names(names)}" for own, names in by_sizes.items()]
    note = f"image sizes {'; '.join(parts) or ', '.join(map(str, every))}"
    return chosen.with_suited("training.image_size", less), [note]


def _names(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def fitting_sizes(sizes: Iterable[int], longest: int, made_at: int | None) -> list[int]:
    """The image sizes worth trying, in pixels; at least one is left.

    A network goes by the size that it was made at: 32 px upscaled to it are seen better than as
    they are. One that was made at none goes by the images, as upscaling gives it nothing.
    """
    sizes = sorted(sizes)
    low, high = (
        (0.0, float(longest)) if made_at is None else (SMALLEST * made_at, LARGEST * made_at)
    )
    fitting = [size for size in sizes if low <= size <= high]
    return fitting or [min(sizes, key=lambda size: abs(size - (made_at or high)))]


def made_at(checkpoints: Mapping[str, Checkpoint], model: Model) -> int | None:
    """The edge in pixels of the images that a network's weights were made at; None where nobody says."""
    library, name = model
    if library == "torchvision":
        return TORCHVISION
    if name in checkpoints and (size := checkpoints[name].input_size):
        return size
    config = _config(name)
    return None if config is None else int(config.input_size[-1])


def licence_notes(chosen: Space, checkpoints: Mapping[str, Checkpoint]) -> list[str]:
    """A sentence on the weights of a hub whose licence asks for more than to be named."""
    names = [name for library, name in chosen.models() if library == "timm"]
    licences = defaultdict[str, list[str]](list)
    for name in names:
        config = None if name in checkpoints else _config(name)
        if config is not None and config.license and config.license not in PERMISSIVE:
            licences[config.license].append(name)
    if not licences:
        return []
    parts = [f"{', '.join(of)} under {licence}" for licence, of in sorted(licences.items())]
    return [
        f"weights whose licence isn't permissive: {'; '.join(parts)}: read it before you hand in or "
        "sell what comes of them, or take the models out of the space"
    ]


def _config(name: str) -> Any:
    """What timm says of a model's own weights, or None."""
    from timm.models import get_pretrained_cfg

    return get_pretrained_cfg(name, allow_unregistered=True)


def suit_freezes(chosen: Space) -> tuple[Space, list[str]]:
    """The space in which freeze strategies that adapt a network go with those that they can adapt.

    Raises `UserError` where that leaves no recipe.
    """
    freezes = tuple(chosen.competitors["freeze"])
    suited = {pair: list(freezes) for pair in chosen.models()}
    notes = []
    for name in freezes:
        step = registry.get("freeze", name).abilities["adapt"]
        reasons = {pair: _refusal(step, pair) for pair in suited} if step is not None else {}
        unfit = {pair: why for pair, why in reasons.items() if why}
        for pair in unfit:
            suited[pair].remove(name)
        if unfit:
            which = "" if len(unfit) == len(suited) else f" for {_names([m for _, m in unfit])}"
            notes.append(f"freeze '{name}' is left out{which}: {next(iter(unfit.values()))}")
    models = [pair for pair in chosen.models() if suited[pair]]
    if not models and suited:
        raise UserError(f"search space {chosen.name}: no freeze is left: {'; '.join(notes)}")
    if len(models) < len(suited):
        chosen = chosen.with_models(models)
    left = [name for name in freezes if not suited or any(name in own for own in suited.values())]
    competitors = {name: chosen.competitors["freeze"][name] for name in left}
    chosen = replace(chosen, competitors={**chosen.competitors, "freeze": competitors})
    less = {pair: suited[pair] for pair in models if len(suited[pair]) < len(left)}
    return chosen.with_suited("freeze", less), notes


def _refusal(step: Callable[..., Any], model: Model) -> str:
    """Why a network can't be adapted by the step of a freeze strategy; empty where it can."""
    import torch

    library, name = model
    # Without memory, as layers are all that is asked; not every version of timm builds like that.
    for device in ("meta", "cpu"):
        try:
            with torch.device(device):
                backbone = registry.get("backbone", library).function(SIDE, False, model=name)
                step(backbone, SIDE)
        except UserError as error:
            return str(error)
        except Exception:
            # Whatever is wrong on both, a trial of it says so, with its state and reason.
            continue
        break
    return ""
