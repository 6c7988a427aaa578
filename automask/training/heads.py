"""Training heads on cached features, those of all folds and of several recipes at once.

Each head has weights, batches and a course of its own; only the arithmetic is shared: in every step
their parameters are stacked, and one batched computation serves all of them.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from automask.errors import TrialError
from automask.hpo.progress import Report, Step
from automask.space import registry
from automask.space.recipe import Recipe
from automask.storage.trial_store import FoldResult
from automask.training import mixing
from automask.training.batches import EpochRows, draw_epoch, stack_epochs
from automask.training.features import Features
from automask.training.network import build_head, parameter_groups, predict
from automask.training.optim import Average, Schedule
from automask.training.stacked_heads import Stacked
from automask.training.task import Task, call_plugin


def fit_heads(
    task: Task, recipes: Sequence[Recipe], features: Features, report: Report
) -> list[list[FoldResult]]:
    """Train a fresh head a recipe and fold; each recipe's predictions, fold by fold.

    The recipes differ in nothing but the optimizer, and `features` are theirs. A result's `state`
    holds the head alone: the backbone is the recipe's, untouched. Raises `TrialError` where no recipe
    has a finite loss, or where the mix needs pixels, of which there are none.
    """
    recipe, epochs = recipes[0], recipes[0].training["epochs"]
    if not mixing.takes_features(recipe):
        raise TrialError(
            "bad recipe",
            f"mix '{recipe['mix'].name}' can't be had with freeze '{recipe['freeze'].name}', which "
            f"trains on cached features alone: it takes pixels; choose another of one of them",
        )
    sides = [_Side(task, recipe, features, fold) for fold in range(int(task.folds.max()) + 1)]
    heads = [[side.head() for side in sides] for _ in recipes]
    shape = (len(recipes), len(sides))
    stacked = Stacked(
        heads,
        functools.partial(
            registry.get("loss", recipe["loss"].name).function, **recipe["loss"].params
        ),
        torch.stack([side.targets for side in sides]),
        torch.stack([side.target_of_row for side in sides]),
        torch.stack([side.counts for side in sides]),
        registry.get("loss", recipe["loss"].name).abilities["per_row"],
        registry.get("head", recipe["head"].name).abilities["per_row"],
        [side.mix for side in sides] if mixing.has_mix(recipe) else [],
    )
    courses: list[_Course] = []
    augment = call_plugin(recipe, "augmentation", recipe.training["image_size"])
    torch.manual_seed(task.seed)
    for epoch in range(epochs):
        view = features.together(augment, epoch, len(sides))
        drawn = [side.draw() for side in sides]
        orders = [np.arange(len(own.rows)) for own in drawn]
        places, lengths = _padded(_parts(orders, recipe.training["batch_size"]))
        rows = stack_epochs([own.at(places[:, k]) for k, own in enumerate(drawn)])
        if not courses:
            alike = bool((lengths > 0).all())
            courses = [
                course
                for own, row in zip(recipes, heads, strict=True)
                for course in _courses(own, row, len(lengths), alike)
            ]
        totals = torch.zeros(shape, device=task.device)
        for step, (counted, resting) in enumerate(
            zip(torch.from_numpy(lengths).to(task.device), lengths == 0, strict=True)
        ):
            totals += stacked(
                _joined([c.parameters for c in courses], shape), view, rows.at(step), counted
            )
            for index, course in enumerate(courses):
                course.step(rests=len(courses) >= len(sides) and resting[index % len(sides)])
        means = totals / torch.from_numpy(lengths.sum(0)).to(task.device)
        if not means.isfinite().all(1).any():
            told = means[0].tolist()
            raise TrialError("not-a-number", f"the folds' losses were {told} in epoch {epoch + 1}")
        for course, mean in zip(
            courses, means.view(len(courses), -1).mean(1).tolist(), strict=True
        ):
            course.schedule.epoch(mean)
        report(Step(0, epoch + 1, epochs, means[0, 0].item()))
    with torch.no_grad():
        for name, values in _joined([course.averaged for course in courses], shape).items():
            for head, value in zip(itertools.chain(*heads), values.flatten(0, 1), strict=True):
                head.get_parameter(name).copy_(value)
    return [[side.result(head) for side, head in zip(sides, row, strict=True)] for row in heads]


def _joined(courses: Sequence[Mapping[str, Tensor]], shape: tuple[int, int]) -> dict[str, Tensor]:
    """The courses' parameters by name, `[recipes, folds, ...]`."""
    return {
        name: torch.cat([course[name] for course in courses]).unflatten(0, shape)
        if len(courses) > 1
        else first[None]
        for name, first in courses[0].items()
    }


def _parts(drawn: Sequence[np.ndarray], batch_size: int) -> list[list[np.ndarray]]:
    """Each fold's batches: equally many where the folds have about as many rows."""
    counts = [max(1, -(-len(rows) // batch_size)) for rows in drawn]
    if max(counts) <= 1.25 * min(counts):
        counts = [max(counts)] * len(counts)
    return [
        np.array_split(rows, min(count, len(rows)))
        for rows, count in zip(drawn, counts, strict=True)
    ]


def _padded(parts: Sequence[Sequence[np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Rows `[steps, folds, B]`, short batches filled up by repeating, and lengths `[steps, folds]`.

    A fold that needs fewer steps than another rests for the last ones, with a length of 0. Even then
    its rows are its own: a head that keeps count must never see those that it will be scored on.
    """
    steps, longest = max(map(len, parts)), max(len(part) for of_fold in parts for part in of_fold)
    rows = np.zeros((steps, len(parts), longest), np.int64)
    lengths = np.zeros((steps, len(parts)), np.int64)
    for k, of_fold in enumerate(parts):
        rows[:, k] = np.resize(of_fold[-1], longest)
        for index, part in enumerate(of_fold):
            rows[index, k], lengths[index, k] = np.resize(part, longest), len(part)
    return rows, lengths


class _Side:
    """One fold: its rows, an epoch of them, and what a head of it predicts."""

    def __init__(self, task: Task, recipe: Recipe, features: Features, fold: int) -> None:
        self.task, self.recipe, self.features, self.fold = task, recipe, features, fold
        _, self.scored = task.fold_rows(fold)
        self.rows, self.labels = task.training_part(recipe, fold)
        table = np.zeros(len(task.data.labels) + len(task.test_rows), np.int64)
        table[self.rows] = task.target_of(self.rows, self.labels)
        self.target_of_row = torch.as_tensor(table, device=task.device)
        self.targets = torch.from_numpy(task.targets(fold)).to(task.device)
        self.rng = np.random.default_rng([task.seed, fold])
        mixer = np.random.default_rng([task.seed, fold, 2])
        self.mix = functools.partial(mixing.mix_batch, recipe, mixer)
        counts = np.bincount(self.labels, minlength=len(task.data.attributes.classes))
        self.counts = torch.as_tensor(counts, dtype=torch.float32, device=task.device)

    def head(self) -> nn.Module:
        """A fresh one, the same every time."""
        attributes, seed = self.task.data.attributes, self.task.seed
        made = build_head(self.recipe["head"], self.features.D, attributes, seed, self.fold)
        return made.to(self.task.device)

    def draw(self) -> EpochRows:
        """An epoch of this fold as rows of the whole table."""
        return draw_epoch(self.recipe, self.labels, self._own_features, self.rng).of(self.rows)

    def result(self, head: nn.Module) -> FoldResult:
        plain, device = self.features.plain(self.fold), self.task.device
        return FoldResult(
            validation=predict(head, plain, self.scored, device),
            test=predict(head, plain, self.task.test_rows, device),
            test_key=self.task.test_key,
            state={f"head.{key}": value.cpu() for key, value in head.state_dict().items()},
        )

    def _own_features(self) -> np.ndarray:
        return self.features.plain(self.fold)[self.rows]


class _Course:
    """Heads that one optimizer steps by one learning rate, their parameters stacked `[n, ...]`."""

    def __init__(self, recipe: Recipe, heads: Sequence[nn.Module], steps_per_epoch: int) -> None:
        self.parameters = {
            name: nn.Parameter(torch.stack([head.get_parameter(name).detach() for head in heads]))
            for name, _ in heads[0].named_parameters()
        }
        named = {id(parameter): name for name, parameter in heads[0].named_parameters()}
        groups = parameter_groups(nn.ModuleDict({"head": heads[0]}))
        for group in groups:
            group["params"] = [self.parameters[named[id(p)]] for p in group["params"]]
        self.optimizer = call_plugin(recipe, "optimizer", groups)
        self.schedule = Schedule(recipe, self.optimizer, steps_per_epoch)
        held = nn.ParameterList(self.parameters.values())
        self.average = Average(held, recipe.training["ema_decay"])

    @property
    def averaged(self) -> dict[str, Tensor]:
        """What predicts: the parameters' average."""
        return dict(zip(self.parameters, self.average.module.parameters(), strict=True))

    def step(self, rests: bool = False) -> None:
        if not rests:
            self.optimizer.step()
            self.average.step()
            self.schedule.step()
        self.optimizer.zero_grad(set_to_none=True)


def _courses(
    recipe: Recipe, heads: Sequence[nn.Module], steps_per_epoch: int, alike: bool
) -> list[_Course]:
    """One for the heads of all folds, or one each where that would be another training.

    It would be where the folds' steps aren't as many (`alike`), where the learning rate goes by a
    fold's own loss, and with an optimizer that goes by more than each number's own gradient.
    """
    together = _Course(recipe, heads, steps_per_epoch)
    elementwise = registry.get("optimizer", recipe["optimizer"].name).abilities["elementwise"]
    if alike and not together.schedule.by_loss and elementwise:
        return [together]
    return [_Course(recipe, [head], steps_per_epoch) for head in heads]
