"""One recipe trained as a trial of a study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automask.api.plain import listener_or_lines
from automask.api.projects import Folder, open_project
from automask.api.surroundings import working
from automask.errors import UserError
from automask.hpo.attributes import TrialAttributes
from automask.listener import Listener
from automask.space import recipe_file
from automask.space.recipe import Recipe
from automask.storage.files import atomic_write
from automask.study import run
from automask.study.adaptation import refuse_unsuited
from automask.study.session import Options


@dataclass(frozen=True)
class ScoredTrial:
    """A complete trial: its number in the study, its out-of-fold score by `metric`, and its recipe.

    `is_new` is False where the study had it already.
    """

    number: int
    metric: str
    score: float
    recipe: Recipe
    is_new: bool = False


def train(
    recipe: Recipe | Mapping[str, Any] | str | Path,
    *,
    folder: Folder = ".",
    study: str = "main",
    storage: str | None = None,
    space: str | None = None,
    folds: int | None = None,
    metric: str | None = None,
    seed: int | None = None,
    device: str = "auto",
    weights: str | Path | None = None,
    listener: Listener | None = None,
) -> ScoredTrial:
    """Train one recipe as a trial of a study, which it joins, or find the trial that has it.

    A `recipe` is one of a trial, a TOML file, or what such a file holds, as
    ``{"loss": {"focal": {"gamma": 2.0}}}``; the rest is as plugins have it by default. It may be
    outside the study's space. A study that isn't there is begun as `automask.toml` says.

    Raises `UserError` where the recipe is wrong or its training failed, and Ctrl-C again once the trial
    waits in the queue.
    """
    project = open_project(folder)
    path = str(weights) if weights is not None else None
    options = Options(study, storage, space, folds, metric, seed, path, device, project=project)
    return train_with(recipe, options, listener)


def train_with(
    recipe: Recipe | Mapping[str, Any] | str | Path, options: Options, listener: Listener | None
) -> ScoredTrial:
    """The same with a study's options."""
    with working(options.project, listener_or_lines(listener)):
        made = _recipe(recipe)
        session = run.prepare_training(made, options)
        refuse_unsuited(made, session.data.target)
        before = run.find_complete(session, made)
        trial = before or run.train_recipe(session, made)
    if not trial.values:
        noted = TrialAttributes.read(trial)
        source = recipe if isinstance(recipe, str | Path) else "the recipe"
        raise UserError(f"{source}: {noted.reason or 'failed'}: {noted.message or ''}")
    name = session.config.search.metric
    return ScoredTrial(trial.number, name, trial.values[0], made, before is None)


def _recipe(recipe: Recipe | Mapping[str, Any] | str | Path) -> Recipe:
    if isinstance(recipe, Recipe):
        return recipe
    if isinstance(recipe, str | Path):
        return recipe_file.read_recipe(Path(recipe))
    import tomli_w

    return recipe_file.parse_recipe(tomli_w.dumps(recipe), "given to train")


def write_recipe(file: str | Path, recipe: Recipe) -> None:
    """Write a recipe as TOML, for `train`."""
    with atomic_write(Path(file)) as beside:
        beside.write_text(recipe_file.recipe_toml(recipe), encoding="utf-8")
