"""What the ensemble of a study is worth while the search goes on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from optuna.trial import FrozenTrial

from automask.data.dataset import fold_count
from automask.hpo.attributes import TrialAttributes, recipe_of
from automask.hpo.trials import by_end, complete_trials
from automask.label_shift import correct, metric_at
from automask.space import registry
from automask.storage.disk import TOP
from automask.storage.json_cache import get, put
from automask.study.session import Session

#: Members added to a blend, with repeats: enough to compare blends, and done in a moment.
SIZE = 10


def scores_so_far(session: Session) -> dict[int, float]:
    """The ensemble's out-of-fold score after each complete trial, by its number, as they ended.

    A greedy blend of the best trials at that time. It is chosen on the rows that it is scored on, so
    that it serves to be compared with itself and says too much of what a blend is worth. Kept in the
    study's folder a trial; one whose probabilities are gone is no member.
    """
    trials = by_end(complete_trials(session.study))
    file, scores, scored = session.store.so_far, {}, dict[str, float]()
    stored: dict[str, float] = get(file, session.options.study, {}) if trials else {}
    members = hashlib.sha256()
    for count, trial in enumerate(trials, 1):
        # Whatever became of the database, the same members make the same blend.
        members.update((TrialAttributes.read(trial).hash or "").encode())
        key = members.hexdigest()[:16]
        scored[key] = stored[key] if key in stored else _score(session, trials[:count])
        scores[trial.number] = scored[key]
    if scored.keys() != stored.keys():
        put(file, session.options.study, scored)
    return scores


def _score(session: Session, trials: Sequence[FrozenTrial]) -> float:
    count = fold_count(session.folds)
    tables: list[np.ndarray] = []
    for trial in sorted(trials, key=lambda trial: (-trial.values[0], trial.number)):
        store = session.store.trial(recipe_of(trial).hash)
        if len(tables) < TOP and all(store.has(fold) for fold in range(count)):
            tables.append(store.out_of_fold(session.folds))
    if not tables:
        return float("-inf")
    table, rng = np.stack(tables), np.random.default_rng(0)
    greedy = registry.get("ensemble", "greedy").function
    labels, pooling = session.data.labels, session.data.pooling
    if pooling is not None:
        table, labels = np.stack([pooling.mean(one) for one in table]), labels[pooling.first]
    metric = metric_at(session.metric, session.shares)
    if session.shares is not None:
        train = session.data.counts / len(session.data.labels)
        table = np.stack([correct(one, train, session.shares) for one in table])
    blend = greedy(table, labels, metric, rng, size=SIZE, share=1.0)
    return float(metric(labels, blend(table)))
