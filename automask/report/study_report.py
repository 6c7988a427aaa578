"""What a report of a study says, gathered as plain facts, and its one file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from optuna.trial import TrialState

from automask.data import dataset
from automask.data.dataset import Dataset, fold_count
from automask.diagnostics.audit import findings
from automask.diagnostics.suspects import find_suspects
from automask.ensembles import members
from automask.ensembles.blend import blend_facts, fit_members
from automask.ensembles.ensemble import PLAIN
from automask.hpo.attributes import recipe_of
from automask.hpo.importance import LEAST, factors
from automask.report import evaluation, grad_cam, html, submission
from automask.report.batch import first_batch
from automask.report.learning import learning_curves
from automask.report.pictures import EDGE, jpeg, thumbnails
from automask.scoring import by_attribute
from automask.storage.disk import TOP
from automask.study import summary
from automask.study.session import Session
from automask.target import MULTI

Facts = dict[str, Any]
HARDEST = 24
SHOWN = 24  # so many suspects, and groups of a finding, have pictures; the rest are counted
LOOKED = 6  # so many mistakes, and as many right answers


def write(session: Session, file: Path) -> None:
    """Write the report to one HTML file that needs no other.

    Raises `UserError` where no trial is complete.
    """
    facts = gather(session)
    text = render(facts, pictures(session.data, shown(facts)))
    submission.put(file, lambda beside: beside.write_text(text, "utf-8"))


def render(facts: Facts, pictures: Mapping[str, str]) -> str:
    """The page's text; `pictures` are base64 JPEGs by id."""
    return html.render("report.html", facts=facts, pictures=pictures, shown=SHOWN)


def shown(facts: Facts) -> list[str]:
    """The ids whose pictures the page shows."""
    ids = [row["id"] for row in [*facts["hardest"], *facts["suspects"][:SHOWN]]]
    for finding in facts["leaks"] or []:
        ids += [id for group in finding["rows"][:SHOWN] for id in group]
    return list(dict.fromkeys(ids))


def gather(session: Session) -> Facts:
    """Everything that the report says, as JSON would hold it; pictures by the ids of their rows."""
    data, (blend, honest, stored) = session.data, _blend(session)
    rows = data.scored_rows
    hard = rows[evaluation.hardest_rows(data.target, data.labels[rows], honest[rows])]
    trials, folds = history(session), fold_count(session.folds)
    return {
        "study": session.options.study,
        "metric": session.config.search.metric,
        "date": f"{datetime.now():%Y-%m-%d %H:%M}",
        "data": dataset.describe(data),
        "folds": folds,
        "blend": {**blend, "members": _members(session, blend), "run": stored},
        "scores": _scores(session, blend, honest),
        "history": trials,
        "importance": importance(session),
        "pruning": pruning(trials),
        "tables": evaluation.tables(data, honest),
        "thresholds": thresholds(data, blend),
        "numbers": evaluation.numbers(data, honest),
        "reliability": reliability(data, blend, honest),
        "curves": learning_curves(session, _members(session, blend)),
        "batch": batch(session),
        "hardest": [evaluation.describe_row(data, honest, row) for row in hard[:HARDEST].tolist()],
        "looked": _looked(session, honest, hard),
        "confusable": data.target.exclusive,
        "judged": bool(data.target.questions(data.labels, honest)),
        "suspects": suspects(session, honest),
        "leaks": leaks(session),
    }


def history(session: Session) -> list[Facts]:
    """Each trial in order, with the best score until then and the share of it that was trained."""
    best: float | None = None
    out = []
    for trial in sorted(summary.overview(session).ended, key=lambda trial: trial.number):
        state = trial.state if trial.state in ("complete", "pruned") else "failed"
        if trial.value is not None:
            best = trial.value if best is None else max(best, trial.value)
        steps = session.study.get_trials(deepcopy=False)[trial.number].intermediate_values
        out.append(
            {
                "number": trial.number,
                "state": state,
                # Of a pruned trial the last score that it reported.
                "value": steps[max(steps)] if state == "pruned" and steps else trial.value,
                "best": best,
                "seconds": trial.seconds,
                "share": trial.share,
                "recipe": trial.recipe.describe(),
                "reason": trial.state if state == "failed" else "",
            }
        )
    return out


def importance(session: Session) -> dict[str, float]:
    """Each factor's share of what mattered, the largest first; empty where trials are too few."""
    states = (TrialState.COMPLETE, TrialState.PRUNED)
    trials = session.study.get_trials(deepcopy=False, states=states)
    if sum(trial.state == TrialState.COMPLETE for trial in trials) < LEAST:
        return {}
    return {factor.name: factor.share for factor in factors(trials)}


def pruning(trials: Sequence[Facts]) -> Facts:
    """How many trials were stopped, the seconds that all took, and roughly those that this saved.

    A trial that came a third of its way would have taken thrice the time that it took.
    """
    stopped = [trial for trial in trials if trial["state"] == "pruned"]
    return {
        "pruned": len(stopped),
        "spent": sum(trial["seconds"] for trial in trials),
        "saved": sum(t["seconds"] * (1 / t["share"] - 1) for t in stopped if t["share"]),
    }


def thresholds(data: Dataset, blend: Facts) -> dict[str, float] | None:
    """From what probability on each label is given, by its name; None where they are no labels."""
    if data.target != MULTI:
        return None
    biases = np.zeros(len(data.counts)) if blend["biases"] is None else np.array(blend["biases"])
    shares = 1 / (1 + np.exp(biases))
    return {data.attributes.describe(label): float(share) for label, share in enumerate(shares)}


def reliability(data: Dataset, blend: Facts, honest: np.ndarray) -> Facts | None:
    """The blend's reliability table and errors as it predicts, and by how much its probabilities are
    above the share that is right; of several labels a row, all together. None of a number."""
    if "calibration" in blend:
        table = blend["calibration"]["after" if blend["temperature"] else "before"]
    elif (labels := evaluation.label_reliability(data, honest)) is not None:
        table = asdict(labels)
    else:
        return None
    bins = table["reliability"]
    above = sum(row["count"] * (row["confidence"] - row["accuracy"]) for row in bins)
    return {**table, "overconfidence": above / sum(row["count"] for row in bins)}


def batch(session: Session) -> Facts:
    """The first batch of the best trial as its network saw it, or why there is none."""
    seen = first_batch(session)
    if isinstance(seen, str):
        return {"why": seen, "rows": []}
    return {
        "why": "",
        "trial": seen.trial,
        "recipe": seen.recipe.describe(),
        "remarks": list(seen.remarks),
        "rows": [{"id": row.id, "aims": row.aims, "image": jpeg(row.pixels)} for row in seen.rows],
    }


def suspects(session: Session, honest: np.ndarray) -> list[Facts]:
    """The train rows whose label confident learning takes for wrong, the most suspect first."""
    if not session.data.target.questions(session.data.labels, honest):
        return []
    return [
        {
            "id": row.id,
            "given": row.given,
            "likely": row.likely,
            "probability": row.likely_probability,
        }
        for row in find_suspects(session.data, honest, session.folds).rows
        if row.flagged
    ]


def leaks(session: Session) -> list[Facts] | None:
    """What the audit of the data found, with the ids of the images that belong together."""
    audit = findings(session)
    if audit is None:
        return None
    return [
        {
            "title": finding.title,
            "sentence": finding.sentence,
            "rows": [
                [finding.rows[place]["id"] for place in pair["rows"]] for pair in finding.pairs
            ],
        }
        for finding in audit
    ]


def pictures(data: Dataset, ids: Sequence[str]) -> dict[str, str]:
    """Thumbnails as base64 JPEG by the ids of train and test rows; ids of neither are left out."""
    paths = dict(zip(data.train.ids, data.train.paths, strict=True))
    if data.test is not None:
        paths |= dict(zip(data.test.ids, data.test.paths, strict=True))
    shown = [id for id in ids if id in paths]
    return dict(zip(shown, thumbnails([paths[id] for id in shown], data.depth), strict=True))


def _blend(session: Session) -> tuple[Facts, np.ndarray, bool]:
    """What is known of the last ensemble, the honest probabilities `[N, C]`, and whether there was one.

    Without one it is a greedy blend, of which nothing is kept.
    """
    if ensembles := session.store.ensembles():
        return ensembles[-1].facts(), ensembles[-1].honest(), True
    # Test rows take no part here, and rows that are new need not be predicted for a report.
    still = [
        replace(member, test=_first_row(member.validation))
        for member in members.load_members(session)
    ]
    blended = fit_members(session, {PLAIN: still}, "greedy", TOP, session.shares)
    return blend_facts(session, blended), blended.honest, False


def _first_row(table: np.ndarray) -> Callable[[], np.ndarray]:
    return lambda: table[:1]


def _members(session: Session, blend: Facts) -> list[Facts]:
    """The blend's members with their recipes, those of the largest weight first."""
    trials = session.study.get_trials(deepcopy=False)
    rows = [
        {
            **member,
            "recipe": recipe_of(trials[member["trial"]]).describe(),
        }
        for member in blend["members"]
    ]
    return sorted(rows, key=lambda row: -(row["weight"] or 0))


def _scores(session: Session, blend: Facts, honest: np.ndarray) -> list[Facts]:
    """The score to trust first, then those that are read beside it, each with its interval."""
    data = session.data
    named = {
        "Ensemble, chosen without the rows scored": blend["cv"]["nested"],
        "Ensemble, out of fold": blend["cv"]["plain"],
        "Best single trial, out of fold": blend["single"],
    }
    if len(data.attributes.names) > 1 and data.target.exclusive:
        rows = data.scored_rows
        groups = None if data.groups is None else data.groups[rows]
        scores = by_attribute(session.metric, data, honest, rows, groups)
        named |= {f"{name} alone": asdict(value) for name, value in scores.items()}
    return [{"name": name, **value} for name, value in named.items()]


def _looked(session: Session, probability: np.ndarray, hard: np.ndarray) -> Facts:
    """Maps of the first mistakes and of the surest right answers, one a class."""
    data = session.data
    right = np.flatnonzero(~data.target.differ(data.target.decide(probability), data.labels))
    right = right[np.argsort(-probability.max(1)[right], kind="stable")]
    _, first = np.unique(data.single_labels[right], return_index=True)
    rows = np.concatenate([hard[:LOOKED], right[np.sort(first)[:LOOKED]]])
    looks = grad_cam.look_at(session, rows) if len(rows) else "there are no rows to look at"
    if isinstance(looks, str):
        return {"why": looks, "rows": []}
    return {
        "why": "",
        "trial": looks.trial,
        "recipe": looks.recipe.describe(),
        "layer": looks.layer,
        "rows": [
            {
                "id": data.train.ids[look.row],
                "given": data.describe_answer(data.labels[look.row]),
                "said": look.answer,
                "probability": look.probability,
                "image": jpeg(grad_cam.painted(look, EDGE)),
            }
            for look in looks.rows
        ],
    }
