"""Pseudo-labels: test rows of which an earlier study is sure, as further rows to train on (Lee, 2013).

Those that fold k trains on are by the earlier study's k-th networks alone, which never saw fold k's
rows. How networks are blended and what counts as sure goes by the other folds' out-of-fold rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from automask.data.dataset import fold_count, test_fingerprint
from automask.errors import UserError
from automask.hpo.attributes import recipe_of
from automask.hpo.trials import complete_trials
from automask.scoring import Metric, difference
from automask.space import registry
from automask.storage.disk import TOP
from automask.storage.study_store import StudyStore
from automask.storage.trial_store import TrialStore, is_same_test
from automask.training.task import Pseudo

if TYPE_CHECKING:
    from automask.study.session import Session


Blend = Callable[[np.ndarray], np.ndarray]
#: Out of fold, predictions as confident as a pseudo-label are right at least so often.
PRECISION = 0.95


def make(source: Session, metric: Metric) -> Pseudo:
    """The pseudo-labels of a study that was searched.

    Raises `UserError` where it has no test rows, predicted other ones, or is sure of none of them.
    """
    name, data, folds = source.options.study, source.data, source.folds
    if data.test is None:
        raise UserError(
            f"--pseudo {name}: there is no test table, so that nothing can be learned of it"
        )
    if not data.target.exclusive:
        raise UserError(
            f"--pseudo {name}: pseudo-labels are single classes, and this study's target is "
            f"{data.target.phrase}: search without --pseudo"
        )
    stores = _complete(source)
    if not stores:
        raise UserError(f"--pseudo {name}: it has no complete trial yet; search it first")
    key, count = test_fingerprint(data), fold_count(folds)
    able = [store for store in stores if all(store.holds(fold, key) for fold in range(count))]
    if not able:
        raise UserError(
            f"--pseudo {name}: what it predicted were other test rows; automask ensemble --study {name} "
            "predicts the present ones by stored weights"
        )
    table = np.stack([store.out_of_fold(folds) for store in able])
    shape = (count, len(data.test), table.shape[2])
    probability, confidence = np.empty(shape, np.float32), np.empty(count)
    for fold in range(count):
        seen = folds != fold
        chosen, blend = _blend(table[:, seen], data.labels[seen], metric)
        probability[fold] = blend(np.stack([able[index].load(fold).test for index in chosen]))
        validation = blend(table[chosen][:, seen])
        confidence[fold] = precision_threshold(
            validation.max(1), validation.argmax(1) == data.labels[seen]
        )
    made = Pseudo(
        name, key, probability, confidence, out_of_fold(table, data.labels, folds, metric)
    )
    if not any(len(made.rows(fold)) for fold in range(count)):
        raise UserError(
            f"--pseudo {name}: of no test row is it as sure as where it is right "
            f"{PRECISION:.0%} of the time out of fold; search without --pseudo"
        )
    return made


def precision_threshold(confidence: np.ndarray, right: np.ndarray) -> float:
    """The smallest confidence from which on predictions are right in `PRECISION` of all cases.

    One right and one wrong are added (Laplace), so that a few right ones prove nothing; infinite where
    there is none. Both are `[N]`.
    """
    order = np.argsort(-confidence, kind="stable")
    falling = confidence[order]
    hits, count = np.cumsum(right[order]), np.arange(1, len(order) + 1)
    # Rows of one confidence stand or fall together.
    last = np.append(np.diff(falling) < 0, True)
    good = falling[last & ((hits + 1) / (count + 2) >= PRECISION)]
    return float(good[-1]) if len(good) else np.inf


def out_of_fold(
    table: np.ndarray, target: np.ndarray, folds: np.ndarray, metric: Metric
) -> np.ndarray:
    """float32 `[N, C]` from members' `[T, N, C]`: each fold by a blend that the others chose."""
    out = np.empty(table.shape[1:], np.float32)
    for fold in range(fold_count(folds)):
        seen, held = folds != fold, folds == fold
        chosen, blend = _blend(table[:, seen], target[seen], metric)
        out[held] = blend(table[chosen][:, held])
    return out


def verdict(session: Session) -> str:
    """Whether the pseudo-labels are worth it, on real rows, in a sentence; empty where none is made yet.

    They are where the score rises by more than the standard error of the difference.
    """
    learned, stores, data = session.pseudo, _complete(session), session.data
    if learned is None or not stores:
        return ""
    table = np.stack([store.out_of_fold(session.folds) for store in stores])
    after = out_of_fold(table, data.labels, session.folds, session.metric)
    gain, error = difference(session.metric, data.labels, learned.before, after, data.groups)
    better = gain > error
    scores = [session.metric(data.labels, some) for some in (learned.before, after)]
    name = session.options.study if better else learned.source
    return (
        f"pseudo-labels: {learned.summary}; out of fold {scores[0]:.4f} → {scores[1]:.4f} "
        f"({gain:+.4f}, standard error {error:.4f}), {'kept' if better else 'not kept'}: "
        f"run automask ensemble --study {name}"
    )


def save(store: StudyStore, learned: Pseudo) -> None:
    store.save_pseudo({name: np.asarray(value) for name, value in asdict(learned).items()})


def load(store: StudyStore, test_key: str) -> Pseudo | None:
    """What the study learns from, as it was when it began; None where it learns from nothing.

    Raises `UserError` where the test rows are others by now.
    """
    arrays = store.load_pseudo()
    if arrays is None:
        return None
    learned = Pseudo(
        source=str(arrays["source"]),
        test_key=str(arrays["test_key"]),
        probability=arrays["probability"],
        confidence=arrays["confidence"],
        before=arrays["before"],
    )
    if not is_same_test(learned.test_key, test_key):
        raise UserError(
            f"study '{store.folder.name}' has pseudo-labels of other test rows than there are now: go "
            "on with those that it began with, or begin another with --study NAME"
        )
    return learned


def _complete(session: Session) -> list[TrialStore]:
    """The complete trials whose probabilities are there, the best first."""
    count = fold_count(session.folds)
    trials = complete_trials(session.study)
    stores = [session.store.trial(recipe_of(t).hash) for t in trials]
    return [store for store in stores if all(store.has(fold) for fold in range(count))]


def _blend(table: np.ndarray, target: np.ndarray, metric: Metric) -> tuple[np.ndarray, Blend]:
    """Which members join, the best on these rows, and how they are blended."""
    scores = np.array([metric(target, member) for member in table])
    chosen = np.argsort(-scores, kind="stable")[:TOP]
    greedy = registry.get("ensemble", "greedy")
    rng = np.random.default_rng(0)
    return chosen, greedy.function(table[chosen], target, metric, rng, **greedy.defaults)
