"""A plugin tried in one short trial, against the default of its kind."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from automask.errors import UserError, collect
from automask.hpo.trial_outcome import outcome
from automask.listener import progress
from automask.space import registry, rules
from automask.space.kinds import DEFAULTS, KINDS
from automask.space.ranges import Categorical
from automask.space.recipe import Recipe
from automask.space.space import Space
from automask.storage.trial_store import TrialStore
from automask.study.session import Session
from automask.target import Target

#: What to do with plugins that no recipe has one of.
OTHERWISE = {
    "metric": "a search counts by it with --metric {name}",
    "split": 'a new study has it with split = "{name}" under [search] in automask.toml',
    "reader": "automask init DATA asks every reader",
    "ensemble": "automask ensemble --method {name} blends the trials of a study by it",
    "tta": "automask ensemble --tta {name} predicts by it",
}


@dataclass(frozen=True)
class PluginTrial:
    """The scores of a fold each, by `metric`, of two recipes that differ in one plugin.

    `recipe` has it, and `base` has the default of its kind; `rows` train rows are in the folds.
    """

    kind: str
    name: str
    default: str
    metric: str
    recipe: Recipe
    scores: tuple[float, ...]
    base: tuple[float, ...]
    rows: int

    @property
    def differences(self) -> np.ndarray:
        """`[K]` by how much the plugin is better, a fold each."""
        differences: np.ndarray = np.array(self.scores) - np.array(self.base)
        return differences

    @property
    def gain(self) -> float:
        """The mean of the differences."""
        return float(self.differences.mean())

    @property
    def spread(self) -> float:
        """Their standard deviation."""
        return float(self.differences.std(ddof=1))

    @property
    def interval(self) -> tuple[float, float]:
        """Of the gain, by Student's t at 95 %; folds share training rows, so it is rather too narrow."""
        from scipy import stats

        count = len(self.scores)
        reach = float(stats.t.ppf(0.975, count - 1)) * self.spread / count**0.5
        return self.gain - reach, self.gain + reach

    @property
    def verdict(self) -> str:
        """What the folds tell, as a sentence."""
        low, high = self.interval
        shown = f"the 95 % interval of the mean, {low:+.4f} to {high:+.4f},"
        if low <= 0 <= high:
            return f"{shown} holds 0: so few folds and epochs don't tell them apart"
        return f"{shown} is all {'above' if low > 0 else 'below'} 0, in a training as short as this"


def try_plugin(session: Session, kind: str, name: str) -> PluginTrial:
    """Train the default recipe with a plugin and without it, each fold once, and keep nothing.

    It is the default recipe of the session's space at its fewest epochs and its smallest images. Raises
    `UserError` where the plugin is no part of a recipe, is the default, or isn't for the data, and where
    a training fails.
    """
    from automask.training.trial import fit

    assert session.space is not None
    tried, base = recipe_pair(session.space, session.data.target, kind, name)
    if kind == "labelling" and not session.data.numbers:
        raise UserError(
            f"{kind}.{name} is for a target that is a number cut into classes, such as an age, and "
            "these data have none"
        )
    task, folds = session.task(), session.config.search.folds
    names, scores = (f"{kind}.{name}", f"{kind}.{base[kind].name}"), []
    with tempfile.TemporaryDirectory(prefix="automask-try-") as folder:
        for index, recipe in enumerate((tried, base)):
            store = TrialStore(Path(folder) / str(index))
            progress(f"training {names[index]}", 0, folds)

            def report(step: Any, label: str = names[index]) -> None:
                progress(f"training {label}", step.fold + int(step.epoch == step.epochs), folds)

            train = partial(fit, task, recipe, store, report)
            ended = outcome(train, math.inf, None, "")
            if ended.value is None:
                raise UserError(f"{names[index]}: {ended.reason}: {ended.message}")
            rows = [task.fold_rows(fold)[1] for fold in range(task.fold_count)]
            predictions = [store.load(fold).validation for fold in range(task.fold_count)]
            scores.append(tuple(map(task.score, rows, predictions)))
    metric = session.config.search.metric
    return PluginTrial(
        kind, name, base[kind].name, metric, tried, scores[0], scores[1], len(session.folds)
    )


def recipe_pair(space: Space, target: Target, kind: str, name: str) -> tuple[Recipe, Recipe]:
    """The shortest default recipe of the space with a plugin, and the same with its kind's default."""
    plugin = registry.get(kind, name)
    if kind not in DEFAULTS:
        why = OTHERWISE[kind].format(name=name)
        raise UserError(f"no recipe has a {kind}, so that a trial can't show what it does: {why}")
    default = KINDS[kind].default_for(target)
    if name == default:
        raise UserError(f"{kind}.{name} is the default itself: name one to hold against it")
    if not plugin.takes(target):
        raise UserError(
            f'{kind}.{name} isn\'t for {target.phrase}: @{kind}(target="{target.name}") would say that '
            "it is; or run this in a project whose data it is for"
        )
    shortest = {
        key: Categorical(min(space.training[key].corners())) for key in ("epochs", "image_size")
    }
    short = space.with_training(**shortest)
    collect(rules.mistakes({kind: [name]}, _with(short, kind, name).domains), f"{kind}.{name}:")
    tried = _with(short, kind, name).nearest({})[0]
    choice = _with(short, kind, default).nearest({})[0][kind]
    base = Recipe({**tried.choices, kind: choice}, tried.training)
    values: Mapping[str, Any] = base.values()
    clashes = [str(rule) for rule in rules.RULES if rule.forbids(values)]
    collect(clashes, f"{kind}.{name} can't be held against {kind}.{default}, which can't be had:")
    return tried, base


def _with(space: Space, kind: str, name: str) -> Space:
    """The space with one plugin of the kind."""
    ranges = space.competitors[kind].get(name) or registry.get(kind, name).ranges
    return replace(space, competitors={**space.competitors, kind: {name: ranges}})
