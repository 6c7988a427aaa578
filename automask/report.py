"""What a report of a study says, gathered as plain facts, and its one file."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from automask import cards, ensembling, looked, markup, members, evaluation, page, submission
from automask import data as dataset
from automask.data import Data
from automask.disk import TOP
from automask.ensembling import Ensemble
from automask.errors import UserError
from automask.machine import cores
from automask.progress import RUNGS
from automask.pruner import STRIDE
from automask.recipe import Recipe
from automask.scores import by_attribute
from automask.session import Session
from automask.study import finished

Facts = dict[str, Any]

HARDEST = 24
LOOKED = 6  # so many mistakes, and as many right answers


def write(
    session: Session,
    file: Path,
    say: Callable[[str], None] = lambda text: None,
    leaks: Sequence[Facts] | None = None,
    suspects: Sequence[Facts] | None = None,
) -> int:
    """Write the report to one HTML file that needs no other; returns its size in bytes.

    `leaks` are findings of `title`, `sentence` and `rows` (lists of ids that belong together);
    `suspects` are train rows of `id`, `given`, `likely` and `probability`. Raises `UserError` where
    no trial is complete.
    """
    facts = gather(session, say)
    facts["leaks"] = None if leaks is None else [dict(finding) for finding in leaks]
    facts["suspects"] = None if suspects is None else [dict(row) for row in suspects]
    text = markup.render(facts, pictures(session.data, cards.shown_ids(facts)))
    submission.put(file, lambda beside: beside.write_text(text, "utf-8"))
    return file.stat().st_size


def gather(session: Session, say: Callable[[str], None] = lambda text: None) -> Facts:
    """Everything that the report says, as JSON would hold it; pictures by the ids of their rows."""
    found = members.load(session, say)
    if not found:
        raise UserError(
            f"study '{session.options.study}' has no complete trial yet: run automask search first"
        )
    data = session.data
    kept = session.store.ensembles()
    method = kept[-1].facts()["method"] if kept else "greedy"
    # Test rows take no part here, and rows that are new need not be predicted for a report.
    still = [replace(member, test=_first_row(member.validation)) for member in found]
    blended = ensembling.fit(
        still, data.labels, session.folds, data.groups, session.metric, method, TOP
    )
    hard = evaluation.hardest(data.labels, blended.validation)
    trials = history(session)
    return {
        "study": session.options.study,
        "metric": session.config.search.metric,
        "date": f"{datetime.now():%Y-%m-%d %H:%M}",
        "data": dataset.describe(data),
        "folds": int(session.folds.max()) + 1,
        "blend": _blend(blended, bool(kept)),
        "scores": _scores(session, blended),
        "history": trials,
        "importance": importance(session),
        "pruning": pruning(trials, int(session.folds.max()) + 1),
        "tables": evaluation.tables(data, blended.validation),
        "reliability": evaluation.reliability(data.labels, blended.validation),
        "hardest": [
            evaluation.described(data, blended.validation, row) for row in hard[:HARDEST].tolist()
        ],
        "looked": _looked(session, blended.validation, hard),
    }


def history(session: Session) -> list[Facts]:
    """Each trial in order, with the best score until then and how far it came."""
    best: float | None = None
    out = []
    for trial in sorted(finished(session.study), key=lambda trial: trial.number):
        state = {"COMPLETE": "complete", "PRUNED": "pruned"}.get(trial.state.name, "failed")
        steps = trial.intermediate_values
        value = trial.values[0] if state == "complete" else None
        if state == "pruned" and steps:
            value = steps[max(steps)]
        if state == "complete" and value is not None:
            best = value if best is None else max(best, value)
        recipe = trial.user_attrs.get("recipe")
        out.append(
            {
                "number": trial.number,
                "state": state,
                "value": value,
                "best": best,
                "seconds": trial.user_attrs.get("seconds"),
                "step": max(steps) if steps else None,
                "recipe": Recipe.from_dict(recipe).describe() if recipe else "",
                "reason": trial.user_attrs.get("reason", ""),
            }
        )
    return out


def importance(session: Session) -> dict[str, float]:
    """Each hyperparameter's share in reaching the best tenth of the complete trials, by PED-ANOVA
    (Watanabe et al., 2023), the largest first; empty where trials are too few or all alike."""
    import optuna

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = optuna.importance.get_param_importances(
                session.study, evaluator=optuna.importance.PedAnovaImportanceEvaluator()
            )
    except (ValueError, RuntimeError, ZeroDivisionError):
        return {}
    finite = {name: float(share) for name, share in found.items() if np.isfinite(share)}
    return finite if sum(finite.values()) > 0 else {}


def pruning(trials: Sequence[Facts], folds: int) -> Facts:
    """How many trials were stopped, the seconds that all took, and roughly those that this saved.

    A trial that came a third of its way would have taken thrice the time that it took.
    """
    saved = 0.0
    for trial in trials:
        if trial["state"] == "pruned" and trial["step"] is not None and trial["seconds"]:
            saved += trial["seconds"] * (1 / share_done(trial["step"], folds) - 1)
    return {
        "pruned": sum(trial["state"] == "pruned" for trial in trials),
        "spent": sum(trial["seconds"] or 0.0 for trial in trials),
        "saved": saved,
    }


def share_done(step: int, folds: int) -> float:
    """The part of a trial that is done at a step as the pruner numbers them."""
    fold, rung = divmod(step, STRIDE)
    return (fold + (RUNGS[rung] if rung < len(RUNGS) else 1)) / folds


def pictures(data: Data, ids: Sequence[str]) -> dict[str, str]:
    """Thumbnails as base64 JPEG by the ids of train and test rows; ids of neither are left out."""
    paths = dict(zip(data.train.ids, data.train.paths, strict=True))
    if data.test is not None:
        paths |= dict(zip(data.test.ids, data.test.paths, strict=True))
    known = [id for id in ids if id in paths]
    with ThreadPoolExecutor(cores()) as pool:
        return dict(zip(known, pool.map(page.thumbnail, (paths[id] for id in known)), strict=True))


def _first_row(table: np.ndarray) -> Callable[[], np.ndarray]:
    return lambda: table[:1]


def _blend(blended: Ensemble, run: bool) -> Facts:
    weights = blended.weights
    rows = [
        {
            "trial": member.number,
            "recipe": member.recipe.describe(),
            "weight": None if weights is None else float(weights[index]),
        }
        for index, member in enumerate(blended.members)
        if weights is None or weights[index]
    ]
    rows.sort(key=lambda row: -(row["weight"] or 0))
    return {"method": blended.method, "run": run, "members": rows}


def _scores(session: Session, blended: Ensemble) -> list[Facts]:
    """The score to trust first, then those that are read beside it, each with its interval."""
    data = session.data
    named = {
        "Ensemble, chosen without the rows scored": blended.nested,
        "Ensemble, out of fold": blended.plain,
        "Best single trial, out of fold": blended.single,
    }
    if len(data.attributes.names) > 1:
        scores = by_attribute(
            session.metric, data.labels, blended.validation, data.attributes, data.groups
        )
        named |= {f"{name} alone, out of fold": value for name, value in scores.items()}
    return [{"name": name, **asdict(value)} for name, value in named.items()]


def _looked(session: Session, probability: np.ndarray, hard: np.ndarray) -> Facts:
    """Maps of the first mistakes and of the surest right answers, one a class."""
    data = session.data
    right = np.flatnonzero(probability.argmax(1) == data.labels)
    right = right[np.argsort(-probability.max(1)[right], kind="stable")]
    _, first = np.unique(data.labels[right], return_index=True)
    rows = np.concatenate([hard[:LOOKED], right[np.sort(first)[:LOOKED]]])
    found = looked.look(session, rows) if len(rows) else "there are no rows to look at"
    if isinstance(found, str):
        return {"why": found, "rows": []}
    return {
        "why": "",
        "trial": found.trial,
        "recipe": found.recipe.describe(),
        "layer": found.layer,
        "rows": [
            {
                "id": data.train.ids[look.row],
                "given": data.attributes.describe(int(data.labels[look.row])),
                "said": data.attributes.describe(look.said),
                "probability": look.probability,
                "image": page.jpeg(looked.painted(look, page.EDGE)),
            }
            for look in found.rows
        ],
    }
