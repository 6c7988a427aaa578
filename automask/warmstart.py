"""A warm start: recipes that did well in earlier studies, moved into the present space."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from automask.errors import UserError, did_you_mean
from automask.space.distance import GowerDistance, parameters
from automask.space.recipe import Recipe
from automask.space.space import Space
from automask.study import ADVICE, PROBE, WARM

if TYPE_CHECKING:
    import optuna

    from automask.session import Options, Session


#: Recipes that are queued.
TOP = 5


@dataclass(frozen=True)
class Earlier:
    """An earlier study as it was asked for: the recipes of its complete trials, the best first, and
    their scores `[R]`."""

    name: str
    recipes: tuple[Recipe, ...]
    scores: np.ndarray


def read_earlier(where: str, options: Options) -> Earlier:
    """The study of that name, in the storage of `options`, or in that folder of another project.

    Raises `UserError` where there is none, or where it has no complete trial.
    """
    from automask import session, study

    if len(Path(where).parts) > 1:
        found = _elsewhere(Path(where))
    else:
        found = session.find_study(replace(options, study=where))[2]
    trials = study.complete_trials(found)
    if not trials:
        raise UserError(f"--warm-start {where}: that study has no complete trial to begin with")
    recipes = tuple(Recipe.from_dict(trial.user_attrs["recipe"]) for trial in trials)
    return Earlier(where, recipes, np.array([trial.values[0] for trial in trials]))


def queue_earlier(session: Session, earlier: Sequence[Earlier]) -> str:
    """Have a study that has no trial yet try recipes of earlier ones; what was done, as a sentence."""
    study, space = session.study, session.space
    assert space is not None
    if study.trials:
        return (
            f"study '{study.study_name}' is under way, so that --warm-start adds nothing; "
            "begin another with --study NAME"
        )
    known = [space.default()[1]]
    for source in (ADVICE, PROBE):
        known += study.user_attrs.get(source, {}).get("recipes", ())
    chosen = portfolio(earlier, space, known)
    names = [name for name, _ in chosen]
    kept = {"studies": names, "recipes": [free for _, free in chosen]}
    study.set_user_attr(WARM, kept)
    counts = Counter(names)
    told = ", ".join(f"{counts[one.name]} of {one.name}" for one in earlier)
    return (
        f"warm start: a search tries {len(chosen)} best recipes of earlier studies first ({told})"
    )


def portfolio(
    earlier: Sequence[Earlier],
    space: Space,
    known: Sequence[Mapping[str, Any]] = (),
    top: int = TOP,
) -> list[tuple[str, dict[str, Any]]]:
    """Up to `top` recipes, moved into the space, as their study's name and free hyperparameters.

    Chosen greedily: each is the one that most raises the mean over studies of the best score among the
    chosen, then the one with the best mean itself, so that of a single study they are its best in
    order. Recipes that become the same, or one of the `known`, are left out. The greedy portfolio is
    that of Auto-sklearn 2.0 (Feurer et al., JMLR 2022); there every recipe was trained on every task,
    here `predicted` stands in for that.
    """
    moved = [[space.nearest(recipe.values()) for recipe in one.recipes] for one in earlier]
    rows = [[parameters(space, recipe) for recipe, _ in study] for study in moved]
    scores = predicted(rows, [one.scores for one in earlier])
    free = [
        (one.name, free) for one, study in zip(earlier, moved, strict=True) for _, free in study
    ]
    best, seen = np.zeros(len(earlier)), list(known)
    chosen: list[tuple[str, dict[str, Any]]] = []
    while len(chosen) < top:
        left = [index for index, (_, values) in enumerate(free) if values not in seen]
        if not left:
            break
        gains = np.maximum(best, scores[left]).mean(1)
        # Stable: of those that tie, the better one of its study comes first.
        pick = left[np.lexsort((-scores[left].mean(1), -gains))[0]]
        best = np.maximum(best, scores[pick])
        chosen.append(free[pick])
        seen.append(free[pick][1])
    return chosen


def predicted(rows: Sequence[Sequence[dict[str, Any]]], scores: Sequence[np.ndarray]) -> np.ndarray:
    """`[all recipes, studies]`: what each recipe would score in each study, from 0, the study's worst,
    to 1, its best: as the nearest recipe there by Gower's distance, in its own study itself.

    `rows` are the `places.parameters` of each study's recipes, the best first.
    """
    every = [row for study in rows for row in study]
    columns = []
    for study, values in zip(rows, scores, strict=True):
        places, room = GowerDistance(list(study)), np.ptp(values) or 1.0
        nearest = [int(np.argmin(places.distances(row))) for row in every]
        columns.append(((values - values.min()) / room)[nearest])
    return np.stack(columns, axis=1)


def _elsewhere(folder: Path) -> optuna.Study:
    """The study in a folder `runs/NAME` of any project."""
    from automask import study

    file = folder / "study.db"
    if not file.is_file():
        known = [beside.parent.name for beside in folder.parent.glob("*/study.db")]
        raise UserError(
            f"--warm-start {folder}: no study.db there{did_you_mean(folder.name, known)}"
        )
    return study.open_study(f"sqlite:///{file}", folder.resolve().name, 0, 2, make=False)
