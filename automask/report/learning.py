"""How the members of a blend learned, by what their trials reported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from automask.data.dataset import fold_count
from automask.hpo.trials import early_scores, fold_scores
from automask.study.session import Session

Facts = dict[str, Any]
#: So many members have curves, those of the largest weight.
DRAWN = 8


def learning_curves(session: Session, members: Sequence[Facts]) -> list[Facts]:
    """Of the heaviest `members` the scores of the look and of the first fold, where there was a look,
    and those of all folds (None where one has none)."""
    trials, count = session.study.get_trials(deepcopy=False), fold_count(session.folds)
    curves = []
    for member in members[:DRAWN]:
        trial = trials[member["trial"]]
        folds = fold_scores(trial)
        early = early_scores(trial)
        curves.append(
            {
                "name": f"trial {trial.number}",
                "recipe": member["recipe"],
                "rungs": [*early, folds.get(0)] if early else [],
                "folds": [folds.get(fold) for fold in range(count)],
            }
        )
    return curves
