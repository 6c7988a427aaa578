"""A space fitted to what is there: models, images, and room for them."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import replace
from typing import Any

from automask import machine
from automask.data.dataset import Dataset
from automask.data.decoding import longest_side
from automask.data.preprocessing import is_fitted
from automask.errors import UserError
from automask.hpo.attributes import StudyAttributes
from automask.space import registry
from automask.space.kinds import DEFAULTS, KINDS
from automask.space.ranges import Categorical, Int, Range
from automask.space.recipe import Recipe
from automask.space.space import Space
from automask.study import network_fit
from automask.target import Target
from automask.training.pretrained import Checkpoint, drop_unfit, reachable


def drop_unavailable(
    chosen: Space, checkpoints: dict[str, Checkpoint], attributes: StudyAttributes
) -> tuple[Space, list[str]]:
    """The space with the pretrained models that are to be had, and what that leaves out.

    `attributes` are those of a study that goes on, which without a folder of weights keeps its
    models. Raises `UserError` where none is left.
    """
    if not may_be_pretrained(chosen):
        return network_fit.drop_unknown(chosen)
    if not checkpoints:
        left = _left(chosen.models(), attributes)
        out = [model for pair in chosen.models() if pair not in left for model in pair[1:]]
        note = f"not in the hubs' caches, and no hub answers, so left out: {', '.join(out)}"
        chosen, notes = network_fit.drop_unknown(chosen.with_models(left))
        return chosen, ([note] if out else []) + notes
    here, reasons = drop_unfit(checkpoints)
    if not here:
        raise UserError(f"no weights given fit: {'; '.join(reasons)}")
    out = [model for lib, model in chosen.models() if lib != "timm" or model not in checkpoints]
    notes = [f"pretrained candidates are the weights given: {', '.join(here)}"]
    if reasons:
        notes.append(f"left out: {'; '.join(reasons)}")
    if out:
        notes.append(f"left out, as there are no weights for them: {', '.join(out)}")
    return chosen.with_models([("timm", name) for name in here]), notes


def for_target(chosen: Space, target: Target) -> tuple[Space, list[str]]:
    """The space without plugins that don't take the target, and what a user's own space loses by that.

    A kind of which none is left has its default for that target.
    """
    competitors, out = dict(chosen.competitors), []
    for kind, plugins in chosen.competitors.items():
        left = {n: r for n, r in plugins.items() if registry.get(kind, n).takes(target)}
        out += [f"{kind}.{name}" for name in plugins.keys() - left.keys()]
        default = KINDS[kind].default_for(target)
        competitors[kind] = left or {default: registry.get(kind, default).ranges}
    note = f"left out, as they aren't for {target.phrase}: {', '.join(sorted(out))}"
    chosen = replace(chosen, competitors=competitors)
    return chosen, [note] if out and not chosen.adapts else []


def refuse_unsuited(recipe: Recipe, target: Target) -> None:
    """Raise `UserError` where a recipe's plugin doesn't take the target, with what takes its place."""
    for kind, choice in recipe.choices.items():
        if not registry.get(kind, choice.name).takes(target):
            raise UserError(
                f"{kind} '{choice.name}' isn't for {target.phrase}: write [{kind}."
                f"{KINDS[kind].default_for(target)}] in the recipe"
            )


def may_be_pretrained(space: Space) -> bool:
    """May networks of the space be pretrained?"""
    return True in getattr(space.training["pretrained"], "choices", ())


def _left(models: list[tuple[str, str]], attributes: StudyAttributes) -> list[tuple[str, str]]:
    """The models to be had: a study's own ones, whether or not a hub answers, and of new ones those
    that it has."""
    had = [(lib, name) for lib, name in attributes.models or ()]
    if not set(had) & set(models):
        return reachable(models)
    asked = [(lib, name) for lib, name in attributes.models_asked or had]
    with suppress(UserError):
        had += reachable(pair for pair in models if pair not in asked)
    return [pair for pair in models if pair in had]


def adapt(
    chosen: Space, data: Dataset, checkpoints: dict[str, Checkpoint], device: str
) -> tuple[Space, list[str]]:
    """A shipped space without what makes no sense for these data, or on that device."""
    notes = []
    longest = longest_side(data.train.paths)
    chosen, more = network_fit.suit_sizes(chosen, checkpoints, may_be_pretrained(chosen), longest)
    notes += more
    epochs = fitting_epochs(chosen.training["epochs"], len(data.train))
    notes.append(f"epochs {epochs}, for {len(data.train):,} train images")
    chosen = chosen.with_training(epochs=epochs)
    heads = chosen.competitors["head"]
    if len(data.attributes.names) == 1 and len(heads) > 1 and "factored" in heads:
        applicable = {name: ranges for name, ranges in heads.items() if name != "factored"}
        chosen = replace(chosen, competitors={**chosen.competitors, "head": applicable})
    chosen, more = _without_muon(chosen, device)
    notes += more
    if not data.numbers:
        plain = DEFAULTS["labelling"]
        applicable = {plain: chosen.competitors["labelling"].get(plain, {})}
        chosen = replace(chosen, competitors={**chosen.competitors, "labelling": applicable})
    return chosen, notes


def _without_muon(chosen: Space, device: str) -> tuple[Space, list[str]]:
    """The space without muon where timm has none or its products of bfloat16 would be emulated, and a
    note of it.

    Training steps of mobilenetv3_small_050 at 48 px took 8 times as long on one core, of regnetx_002
    49 times.
    """
    optimizers = dict(chosen.competitors["optimizer"])
    if optimizers.pop("muon", None) is None or not optimizers:
        return chosen, []
    import timm.optim

    from automask.training import hardware

    if not hasattr(timm.optim, "Muon"):
        reason = f"timm {timm.__version__} has none; pip install --upgrade timm"
    elif hardware.emulated(machine.device(device)):
        reason = "it multiplies in bfloat16, which this device lacks and is slow to emulate"
    else:
        return chosen, []
    less = replace(chosen, competitors={**chosen.competitors, "optimizer": optimizers})
    return less, [f"muon left out: {reason}"]


def refuse_idle(chosen: Space, data: Dataset) -> None:
    """Raise `UserError` where the space has labellings that the data give nothing to do."""
    idle = sorted(chosen.competitors["labelling"].keys() - {DEFAULTS["labelling"]})
    if idle and not data.numbers:
        raise UserError(
            f"search space {chosen.name}: [labelling.{idle[0]}] moves the limits of a target that is a "
            "number, such as an age, and these data have none: take it out of the space"
        )


def map_bytes(chosen: Space, data: Dataset, folds: int, trials: int, decoded: int = 0) -> int:
    """The bytes of the memory maps that so many trials side by side may need at once.

    That is every decoded map, from which smaller ones are made, and a smaller one a trial. A fitted
    preprocessing has a map a fold, and reads one after the other. `decoded` is the edge in pixels at
    which images are decoded, where that is more than the space has.
    """
    sizes, resizes = chosen.training["image_size"], chosen.competitors["resize"]
    *smaller, largest = sorted({*sizes.corners(), max(decoded, *sizes.corners())})
    second = 0 if not smaller else largest - 1 if isinstance(sizes, Int) else smaller[-1]
    fitted = sum(fitted_preprocessings(chosen).values())
    ways = len(fitted_preprocessings(chosen)) - fitted + fitted * folds
    row = min(trials, len(resizes) * ways) * largest**2 + trials * second**2
    size: int = len(data.paths) * 3 * row
    return size


def cache_bytes(chosen: Space, data: Dataset, folds: int, trials: int, decoded: int | None) -> int:
    """The bytes of maps and features that so many trials side by side may need at once, a quarter of
    the maps' for the features; of images that aren't `decoded` to maps, what 1,024 features take.

    Heads of all folds read theirs at once, which are a table a fold after a fitted preprocessing.
    """
    tables = folds if any(fitted_preprocessings(chosen).values()) else 1
    if decoded is None:
        return len(data.paths) * 4 * 1024 * tables
    return map_bytes(chosen, data, folds, trials, decoded) * (4 + tables) // 4


def fitted_preprocessings(chosen: Space) -> dict[str, bool]:
    """The preprocessings that compete: is it fitted to every fold?"""
    return {name: is_fitted(name) for name in chosen.competitors["preprocessing"]}


def has_open_flips(space: Space) -> bool:
    """Does an augmentation of the space have a `flip` to choose?"""
    return any(
        len(getattr(ranges.get("flip"), "choices", ())) > 1
        for ranges in space.competitors["augmentation"].values()
    )


def without_flips(space: Space) -> Space:
    """The space with every augmentation's `flip` fixed to False."""
    augmentations = {
        name: {**ranges, "flip": Categorical(False)} if "flip" in ranges else ranges
        for name, ranges in space.competitors["augmentation"].items()
    }
    return replace(space, competitors={**space.competitors, "augmentation": augmentations})


def fitting_epochs(epochs: Range, rows: int) -> Range:
    """A shipped space's epochs, which are meant for 1,000 rows, for another number of rows.

    They go by the inverse square root, at most doubled or halved: twice the rows make more steps an
    epoch, and need more steps in all.
    """
    factor = min(2.0, max(0.5, math.sqrt(1000 / rows)))
    values: list[Any] = list(epochs.corners())
    scaled = [max(1, round(value * factor)) for value in values]
    if isinstance(epochs, Int):
        return Int(min(scaled), max(scaled), epochs.log)
    return Categorical(*dict.fromkeys(scaled))
