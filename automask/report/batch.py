"""The first batch of a training as its network saw it: prepared, resized, augmented and mixed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from automask.errors import TrialError, UserError
from automask.hpo.attributes import recipe_of
from automask.hpo.trials import complete_trials
from automask.space.recipe import Choice, Recipe
from automask.study.session import Session
from automask.target import Number

if TYPE_CHECKING:
    from automask.training.batches import EpochRows
    from automask.training.fold_data import FoldData
    from automask.training.task import Task

#: So many pictures of a batch are shown.
SHOWN = 16
#: What a picture counts for at least, to be named.
LEAST = 0.01


@dataclass(frozen=True)
class Seen:
    """A picture of a batch, uint8 `[S, S, 3]`: the row that it begins with, and what it counts as."""

    id: str
    pixels: np.ndarray
    aims: str


@dataclass(frozen=True)
class Batch:
    """The first pictures of the first batch of a trial's first fold, and what isn't as in training."""

    trial: int
    recipe: Recipe
    rows: tuple[Seen, ...]
    remarks: tuple[str, ...]


def first_batch(session: Session) -> Batch | str:
    """That of the best trial, or why there is none. Nothing is trained."""
    trials = complete_trials(session.study)
    if not trials:
        return "no trial is complete"
    recipe = recipe_of(trials[0])
    try:
        rows, remarks = _draw(session, recipe)
    except (TrialError, UserError) as error:
        return str(error)
    return Batch(trials[0].number, recipe, rows, remarks)


def _draw(session: Session, recipe: Recipe) -> tuple[tuple[Seen, ...], tuple[str, ...]]:
    import torch

    from automask.training import mixing
    from automask.training.batches import Inputs
    from automask.training.fold_data import fold_data
    from automask.training.random_streams import torch_seed
    from automask.training.task import call_plugin

    task = session.task()
    data = fold_data(task, recipe, 0)
    drawn, remarks = _rows(recipe, data)
    every = drawn.rows if drawn.partners is None else np.append(drawn.rows, drawn.partners)
    needed, place = np.unique(every, return_inverse=True)
    pixels = task.pixels_of(recipe, 0, needed)
    augment = call_plugin(recipe, "augmentation", recipe.training["image_size"])
    own, partners = place[: len(drawn.rows)], place[len(drawn.rows) :]
    inputs = Inputs(pixels, augment, task.device, data.streams.augmentation)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(task.seed, 0))
        images = inputs(own, partners if len(partners) else None, drawn.weights)
        target = data.target(drawn.rows)
        images, target = mixing.mix_batch(recipe, data.streams.mix, images, target)
    if recipe["freeze"].name == "head_only" and mixing.has_mix(recipe):
        remarks += ("its head trained on features, which were mixed in place of the pictures",)
    shown = images.float().cpu().numpy().clip(0, 255).astype(np.uint8)
    seen = [
        Seen(_name(task, row), picture, _describe(task, aim))
        for row, picture, aim in zip(drawn.rows.tolist(), shown, target.cpu().numpy(), strict=True)
    ]
    return tuple(seen), remarks


def _rows(recipe: Recipe, data: FoldData) -> tuple[EpochRows, tuple[str, ...]]:
    """The first rows of the first epoch, by the recipe's sampling."""
    from automask.training.batches import draw_epoch

    def no_features() -> NoReturn:
        raise _NeedsFeatures

    sampling, remarks = data.streams.sampling, list[str]()
    try:
        drawn = draw_epoch(recipe, data.labels, no_features, sampling)
    except _NeedsFeatures:
        plain = Recipe({**recipe.choices, "sampling": _all()}, recipe.training)
        drawn = draw_epoch(plain, data.labels, no_features, sampling)
        name = recipe["sampling"].name
        remarks.append(f"drawn as if by 'all': sampling '{name}' asks for features first")
    count = min(SHOWN, recipe.training["batch_size"], len(drawn.rows))
    return drawn.at(np.arange(count)).renumber(data.rows), tuple(remarks)


class _NeedsFeatures(Exception):
    """A sampling looks at features, which it would take a pass through the network to have."""


def _all() -> Choice:
    return Choice("all", {})


def _name(task: Task, row: int) -> str:
    count = len(task.data.labels)
    if row < count or task.data.test is None:
        return task.data.train.ids[row]
    return f"{task.data.test.ids[row - count]} (test)"


def _describe(task: Task, aim: np.ndarray) -> str:
    """What a picture is to be predicted as, float `[C]`, in words."""
    target, name = task.data.target, task.data.attributes.describe
    if isinstance(target, Number):
        return f"{aim[0] * target.scale + target.center:.4g}"
    order = [label for label in np.argsort(-aim, kind="stable") if aim[label] >= LEAST]
    if not order:
        return "no label"
    whole = all(aim[label] > 1 - LEAST for label in order)
    return ", ".join(name(i) if whole else f"{name(i)} {aim[i]:.0%}" for i in map(int, order[:4]))
