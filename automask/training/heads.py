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
from automask.training.batches import EpochRows, stack_epochs
from automask.training.features import Features
from automask.training.fold_data import FoldData, fold_data
from automask.training.network import build_head, parameter_groups, predict
from automask.training.optim import Optimization
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
    trainer = HeadsTrainer(task, recipes, features)
    for epoch in range(epochs):
        losses = trainer.epoch(epoch)
        report(Step(0, epoch + 1, epochs, losses[0, 0].item()))
    return trainer.results()


class HeadsTrainer:
    """Heads `[recipes, folds]` in training, each on its own fold, by as few courses as will do."""

    def __init__(self, task: Task, recipes: Sequence[Recipe], features: Features) -> None:
        recipe = recipes[0]
        self.task, self.recipes, self.features = task, recipes, features
        self.folds = [fold_data(task, recipe, fold) for fold in range(task.fold_count)]
        self.heads = [[self._head(fold) for fold in self.folds] for _ in recipes]
        self.shape = len(recipes), len(self.folds)
        self.stacked = Stacked(
            self.heads,
            functools.partial(
                registry.get("loss", recipe["loss"].name).function, **recipe["loss"].params
            ),
            torch.stack([fold.targets for fold in self.folds]),
            torch.stack([fold.target_of_row for fold in self.folds]),
            torch.stack([fold.class_counts for fold in self.folds]),
            registry.get("loss", recipe["loss"].name).abilities["per_row"],
            registry.get("head", recipe["head"].name).abilities["per_row"],
            [functools.partial(mixing.mix_batch, recipe, fold.streams.mix) for fold in self.folds]
            if mixing.has_mix(recipe)
            else [],
        )
        self.augment = call_plugin(recipe, "augmentation", recipe.training["image_size"])
        self.courses: list[_Course] = []
        torch.manual_seed(task.seed)

    def epoch(self, epoch: int) -> Tensor:
        """Train one epoch; the mean losses `[recipes, folds]`.

        Raises `TrialError` where no recipe's are finite.
        """
        table = self.features.tables(self.augment, epoch, len(self.folds))
        rows, lengths = self._batches()
        if not self.courses:
            self._begin(lengths)
        totals = torch.zeros(self.shape, device=self.task.device)
        counts = torch.from_numpy(lengths).to(self.task.device)
        for step, resting in enumerate(lengths == 0):
            parameters = _join([course.parameters for course in self.courses], self.shape)
            totals += self.stacked(parameters, table, rows.at(step), counts[step])
            self._step(resting)
        means = totals / counts.sum(0)
        if not means.isfinite().all(1).any():
            losses = means[0].tolist()
            raise TrialError(
                "not-a-number", f"the folds' losses were {losses} in epoch {epoch + 1}"
            )
        by_course = means.view(len(self.courses), -1).mean(1).tolist()
        for course, mean in zip(self.courses, by_course, strict=True):
            course.optimization.end(mean)
        return means

    def results(self) -> list[list[FoldResult]]:
        """Each recipe's predictions, fold by fold, by the averages of its heads."""
        averages = _join([course.averaged for course in self.courses], self.shape)
        with torch.no_grad():
            for name, values in averages.items():
                every = itertools.chain(*self.heads)
                for head, value in zip(every, values.flatten(0, 1), strict=True):
                    head.get_parameter(name).copy_(value)
        return [
            [self._result(fold, head) for fold, head in zip(self.folds, row, strict=True)]
            for row in self.heads
        ]

    def _head(self, data: FoldData) -> nn.Module:
        """A fresh one, the same every time."""
        choice, D = self.recipes[0]["head"], self.features.facts.D
        attributes, seed = self.task.data.attributes, self.task.seed
        return build_head(choice, D, attributes, seed, data.fold).to(self.task.device)

    def _batches(self) -> tuple[EpochRows, np.ndarray]:
        """An epoch's rows `[steps, folds, B]`, and how many of `B` count `[steps, folds]`."""
        drawn = [fold.draw(self.recipes[0], self.features) for fold in self.folds]
        orders = [np.arange(len(own.rows)) for own in drawn]
        places, lengths = _pad(_parts(orders, self.recipes[0].training["batch_size"]))
        return stack_epochs([own.at(places[:, k]) for k, own in enumerate(drawn)]), lengths

    def _begin(self, lengths: np.ndarray) -> None:
        alike = bool((lengths > 0).all())
        for recipe, row in zip(self.recipes, self.heads, strict=True):
            self.courses += _courses(recipe, row, len(lengths), alike)

    def _step(self, resting: np.ndarray) -> None:
        """Move all heads but those of folds that rest `[folds]`, which have courses of their own."""
        folds = len(self.folds)
        for index, course in enumerate(self.courses):
            course.step(rests=len(self.courses) >= folds and resting[index % folds])

    def _result(self, data: FoldData, head: nn.Module) -> FoldResult:
        plain, device = self.features.plain(data.fold), self.task.device
        target = self.task.data.target
        return FoldResult(
            validation=predict(head, plain, data.scored, device, target),
            test=predict(head, plain, self.task.test_rows, device, target),
            test_key=self.task.test_key,
            state={f"head.{key}": value.cpu() for key, value in head.state_dict().items()},
        )


def _join(courses: Sequence[Mapping[str, Tensor]], shape: tuple[int, int]) -> dict[str, Tensor]:
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


def _pad(parts: Sequence[Sequence[np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Rows `[steps, folds, B]`, short batches filled up by repeating, and lengths `[steps, folds]`.

    A fold that needs fewer steps than another rests for the last ones, with a length of 0. Even then
    its rows are its own: a head that keeps count must never see those that it will be scored on.
    """
    steps, longest = max(map(len, parts)), max(len(part) for batches in parts for part in batches)
    rows = np.zeros((steps, len(parts), longest), np.int64)
    lengths = np.zeros((steps, len(parts)), np.int64)
    for k, batches in enumerate(parts):
        rows[:, k] = np.resize(batches[-1], longest)
        for index, part in enumerate(batches):
            rows[index, k], lengths[index, k] = np.resize(part, longest), len(part)
    return rows, lengths


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
        module = nn.ParameterList(self.parameters.values())
        self.optimization = Optimization(recipe, module, groups)
        self.optimization.begin(steps_per_epoch)

    @property
    def averaged(self) -> dict[str, Tensor]:
        """What predicts: the parameters' average."""
        average = self.optimization.average.module
        return dict(zip(self.parameters, average.parameters(), strict=True))

    def step(self, rests: bool = False) -> None:
        if rests:
            self.optimization.optimizer.zero_grad(set_to_none=True)
        else:
            self.optimization.step()


def _courses(
    recipe: Recipe, heads: Sequence[nn.Module], steps_per_epoch: int, alike: bool
) -> list[_Course]:
    """One for the heads of all folds, or one each where that would be another training.

    It would be where the folds' steps aren't as many (`alike`), where the learning rate goes by a
    fold's own loss, and with an optimizer that goes by more than each number's own gradient.
    """
    together = _Course(recipe, heads, steps_per_epoch)
    elementwise = registry.get("optimizer", recipe["optimizer"].name).abilities["elementwise"]
    if alike and not together.optimization.by_loss and elementwise:
        return [together]
    return [_Course(recipe, [head], steps_per_epoch) for head in heads]
