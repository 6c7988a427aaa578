"""The `ensemble` command: the blend, what is kept of it, and the submission file."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress

from automask.data.dataset import Dataset
from automask.diagnostics import label_errors
from automask.ensembles import calibration, members, priors
from automask.ensembles.ensemble import AUTO, PLAIN, Ensemble, Member
from automask.errors import UserError
from automask.study.session import Session


def candidate_views(
    session: Session, tta: str, top: int, console: Console
) -> dict[str, list[Member]]:
    """The members as they are, the best first, and under the views that compete.

    Where there are views only the `top` best stand for choice, as each costs its predictions.
    """
    found = members.load_members(session, lambda text: console.print(text, markup=False))
    if not found:
        raise UserError(
            f"study '{session.options.study}' has no complete trial yet: run automask search first"
        )
    if tta == PLAIN:
        return {PLAIN: found}
    from automask.ensembles.tta import candidates, member_views

    def say(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    names = candidates(session, say) if tta == AUTO else [PLAIN, tta]
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("predicting views", total=None)
        return member_views(
            session,
            found[:top],
            names,
            say,
            lambda done, total: bar.update(task, completed=done, total=total),
        )


def blend_facts(session: Session, blended: Ensemble) -> dict[str, Any]:
    """What is kept of the blend, as JSON: what was chosen, its scores, and its members by trial, recipe
    and weight. Lists by class are in the order of `classes`."""
    data = session.data
    before = calibration.reliability(data.labels, blended.honest)
    after = calibration.reliability(data.labels, blended.calibrated)
    shares = class_shares(data, blended)
    return {
        "study": session.options.study,
        "metric": session.config.search.metric,
        "asked": blended.asked,
        "method": blended.method,
        "chosen": dict(blended.chosen),
        "view": blended.view,
        "classes": [data.attributes.describe(label) for label in range(len(data.counts))],
        "biases": None if blended.biases is None else blended.biases.tolist(),
        "temperature": blended.temperature,
        "cv": {"nested": asdict(blended.nested), "plain": asdict(blended.plain)},
        "single": asdict(blended.single),
        "methods": {name: asdict(scores) for name, scores in blended.methods.items()},
        "views": {name: asdict(score) for name, score in blended.views.items()},
        "members": [
            {
                "trial": part.member.number,
                "recipe": part.member.recipe.hash,
                "weight": part.weight,
                "score": part.score,
                "differs": part.differs,
                "adds": part.adds,
            }
            for part in blended.parts
        ],
        "disagreement": blended.disagreement,
        "calibration": {
            name: {
                "log_loss": -calibration.log_likelihood(data.labels, probability),
                "expected_error": calibration.expected_error(table),
                "reliability": [asdict(bin) for bin in table],
            }
            for name, probability, table in (
                ("before", blended.honest, before),
                ("after", blended.calibrated, after),
            )
        },
        "noise": label_errors.noise_matrix(data.labels, blended.honest, session.folds),
        "priors": {name: values.tolist() for name, values in shares.items()},
        "moved": changed_predictions(blended, shares),
    }


def class_shares(data: Dataset, blended: Ensemble) -> dict[str, np.ndarray]:
    """Shares of the classes `[C]`: in train, as predicted (of the test rows where there are some), and
    among the test rows as their probabilities tell together."""
    train = data.counts / data.counts.sum()
    probability = blended.test if len(blended.test) else blended.honest
    said = np.bincount(probability.argmax(1), minlength=len(train)) / len(probability)
    found = {"train": train, "predicted": said}
    if len(blended.test):
        test = blended.test
        if blended.biases is not None:
            # The biases aren't what the rows look like: they come off again.
            test = priors.reweight(test, np.exp(-blended.biases / (blended.temperature or 1)))
        found["estimated"] = priors.estimate(test, train)
    return found


def changed_predictions(blended: Ensemble, found: dict[str, np.ndarray]) -> int | None:
    """How many test rows would be given another class if their classes were as common as estimated."""
    if "estimated" not in found:
        return None
    shifted = priors.reweight(blended.test, found["estimated"] / found["train"])
    return int((shifted.argmax(1) != blended.test.argmax(1)).sum())
