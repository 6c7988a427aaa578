"""TODO warmstart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from automask.errors import UserError, did_you_mean
from automask.hpo.trials import ADVICE, PROBE, WARM
from automask.hpo.warm_start import Earlier, portfolio
from automask.space.recipe import Recipe

if TYPE_CHECKING:
    import optuna

    from automask.session import Options, Session


def read_earlier(where: str, options: Options) -> Earlier:
    """The study of that name, in the storage of `options`, or in that folder of another project.

    Raises `UserError` where there is none, or where it has no complete trial.
    """
    from automask import session
    from automask.hpo.trials import complete_trials

    if len(Path(where).parts) > 1:
        found = _elsewhere(Path(where))
    else:
        found = session.find_study(replace(options, study=where))[2]
    trials = complete_trials(found)
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


def _elsewhere(folder: Path) -> optuna.Study:
    """The study in a folder `runs/NAME` of any project."""
    from automask.hpo import optuna_study

    file = folder / "study.db"
    if not file.is_file():
        known = [beside.parent.name for beside in folder.parent.glob("*/study.db")]
        raise UserError(
            f"--warm-start {folder}: no study.db there{did_you_mean(folder.name, known)}"
        )
    return optuna_study.open_study(f"sqlite:///{file}", folder.resolve().name, 0, 2, make=False)
