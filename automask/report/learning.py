"""How the members of a blend learned, by what their trials reported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from automask.data.dataset import fold_count
from automask.hpo.trials import fold_scores, rung_scores
from automask.study.session import Session

Facts = dict[str, Any]
#: So many members have curves, those of the largest weight.
DRAWN = 8


def learning_curves(session: Session, members: Sequence[Facts]) -> list[Facts]:
    """Of the heaviest `members` the scores at the rungs and the end of the first fold (None where none
    was taken), and those of the folds."""
    trials, count = session.study.get_trials(deepcopy=False), fold_count(session.folds)
    curves = []
    for member in members[:DRAWN]:
        trial = trials[member["trial"]]
        folds = fold_scores(trial)
        rungs = [*rung_scores(trial), folds.get(0)]
        curves.append(
            {
                "name": f"trial {trial.number}",
                "recipe": member["recipe"],
                "rungs": rungs if sum(score is not None for score in rungs) > 1 else [],
                "folds": [folds.get(fold) for fold in range(count)],
            }
        )
    return curves
