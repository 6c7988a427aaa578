"""TODO blending."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from automask import outcome
from automask.ensembles.blend import blend_facts, candidate_views
from automask.ensembles.ensemble import AUTO, PLAIN, Ensemble, fit
from automask.report import submission
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
    blended = fit(views, data.labels, session.folds, data.groups, session.metric, method, top)
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
