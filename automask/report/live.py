"""A study while it is searched: trials, folds, the ensemble so far, workers and the disk."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np

from automask.data.dataset import fold_count
from automask.hpo.attributes import recipe_of
from automask.hpo.trials import by_end, complete_trials, fold_scores
from automask.report import html, study_report
from automask.storage.files import short_hash
from automask.study.ensemble_so_far import scores_so_far
from automask.study.session import Session
from automask.study.status import status
from automask.units import format_bytes

Facts = dict[str, Any]
#: So many of the best trials are told fold by fold.
BEST = 12
#: What files of the cache are called by the beginning of their names.
CACHES = {"images": "maps of images", "features": "features", "embedded": "images of tables"}


def version(session: Session) -> str:
    """Changes when a trial begins, reports or ends."""
    trials = session.study.get_trials(deepcopy=False)
    return short_hash(repr([(t.number, t.state.name, t.last_step) for t in trials]))


def render(session: Session, dashboard: str) -> str:
    """The page's text; it asks for its own anew when the version changes. `dashboard` is the address of
    optuna-dashboard's pages on the study, empty where it isn't installed."""
    # First the version: what changes meanwhile is asked for again.
    now = version(session)
    return html.render("live.html", facts=gather(session), version=now, dashboard=dashboard)


def gather(session: Session) -> Facts:
    """Everything that the page says, as JSON would hold it."""
    trials, now = study_report.history(session), status(session)
    so_far = ensemble(session)
    return {
        "study": session.options.study,
        "metric": session.config.search.metric,
        "date": f"{datetime.now():%Y-%m-%d %H:%M:%S}",
        "folds": fold_count(session.folds),
        "history": trials,
        "importance": study_report.importance(session),
        "pruning": study_report.pruning(trials),
        "best": max((t["value"] for t in trials if t["state"] == "complete"), default=None),
        "ensemble": so_far,
        "running": [
            {
                "number": trial.number,
                "where": trial.where,
                "since": trial.since and f"{datetime.fromtimestamp(trial.since):%H:%M:%S}",
                "recipe": trial.recipe.describe(),
            }
            for trial in now.running
        ],
        "at_work": now.at_work,
        "abandoned": now.abandoned,
        "waiting": now.waiting,
        "seconds": now.overview.mean_seconds,
        "by_fold": by_fold(session),
        "disk": disk(session),
    }


def ensemble(session: Session) -> list[Facts]:
    """The blend's score after each complete trial, as they ended; without those of which nothing is
    kept."""
    scores = scores_so_far(session)
    order = [trial.number for trial in by_end(complete_trials(session.study))]
    return [
        {"trial": number, "value": scores[number]}
        for number in order
        if np.isfinite(scores.get(number, np.nan))
    ]


def by_fold(session: Session) -> list[Facts]:
    """The best complete trials with the score of each fold."""
    count = fold_count(session.folds)
    return [
        {
            "number": trial.number,
            "score": trial.values[0],
            "folds": [fold_scores(trial).get(fold) for fold in range(count)],
            "recipe": recipe_of(trial).describe(),
        }
        for trial in complete_trials(session.study)[:BEST]
    ]


def disk(session: Session) -> Facts:
    """What caches and weights take of what they may take."""
    sizes: Mapping[str, int] = _sizes(session)
    total = sum(sizes.values())
    return {
        "rows": [
            {"name": name, "size": format_bytes(size), "share": size / max(1, total)}
            for name, size in sorted(sizes.items(), key=lambda pair: -pair[1])
        ],
        "total": format_bytes(total),
        "cap": format_bytes(session.cap),
        "share": min(1.0, total / max(1, session.cap)),
        "free": format_bytes(shutil.disk_usage(session.store.runs).free),
    }


def _sizes(session: Session) -> dict[str, int]:
    sizes: dict[str, int] = defaultdict(int)
    for item in session.store.items():
        kind = item.path.name.lstrip(".").partition("-")[0]
        name = CACHES.get(kind, "other caches") if item.cache else "weights of trials"
        sizes[name] += item.size
    return sizes
