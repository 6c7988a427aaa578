"""The `ensemble` command: the blend, what is kept of it, and the submission file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from automask import calibration, ensembling, members, outcome, submission
from automask.diagnostics import label_errors
from automask.ensembling import AUTO, PLAIN, Ensemble, Member
from automask.errors import UserError
from automask.space import registry
from automask.study.session import Session


def run_ensemble(
    session: Session,
    method: str,
    top: int,
    output: Path | None,
    console: Console,
    tta: str = PLAIN,
) -> Ensemble:
    """Blend, print and write; returns the ensemble. Raises `UserError` where nothing is complete.

    `tta` is a view that competes with the plain one, or `auto` for all of them.
    """
    if method != AUTO:
        registry.get("ensemble", method)
    if tta != AUTO:
        registry.get("tta", tta)
    data = session.data
    views = candidate_views(session, tta, top, console)
    blended = ensembling.fit(
        views, data.labels, session.folds, data.groups, session.metric, method, top
    )
    outcome.show_ensemble(session, blended, console)
    file = output or Path("submission.csv" if data.test else "out_of_fold.csv")
    if data.test:
        frame = submission.table(data, data.test.ids, blended.test)
        submission.check(frame, data)
        submission.write(frame, file)
        against = " checked against the sample submission" if data.sample is not None else ""
        console.print(f"wrote {file}: {len(frame):,} rows{against}", markup=False)
    else:
        frame = submission.out_of_fold(data, blended.validation)
        submission.write(frame, file)
        console.print(
            f"there is no test table: wrote the out-of-fold predictions to {file}. To predict "
            "later, put the test images in place, run 'automask init DATA --force' and 'automask "
            "ensemble' again: the members' weights are kept, and nothing is trained again",
            markup=False,
            soft_wrap=True,
        )
    ids = data.test.ids if data.test else ()
    session.store.save_ensemble(
        file, blend_facts(session, blended), ids, blended.test, blended.honest
    )
    return blended


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
    from automask import viewing

    def say(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    names = viewing.candidates(session, say) if tta == AUTO else [PLAIN, tta]
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("predicting views", total=None)
        return viewing.member_views(
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
    shares = outcome.class_shares(data, blended)
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
        "moved": outcome.changed_predictions(blended, shares),
    }
