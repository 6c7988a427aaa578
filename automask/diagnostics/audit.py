"""The audit of a study's data: copies, conflicts, undeclared groups and what else predicts labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from automask.data import dataset
from automask.diagnostics import leakage, near_duplicates
from automask.diagnostics.advice import probe_recipe
from automask.diagnostics.near_duplicates import Pairs
from automask.errors import DiskError, UserError
from automask.storage.disk import out_of_space

if TYPE_CHECKING:
    from automask.study.session import Session


#: The edge in pixels of what a probe sees where no pretrained weights are at hand.
COARSE = 16


@dataclass(frozen=True)
class Finding:
    """Something in the data to know of: JSON throughout.

    `kind` is copies, test_copies, conflicts, blank, groups, gap or label_leak. `rows` are the images
    that it is about, each with its table, id and path (and label where it is known); `pairs` are two
    places in `rows` each, with `similarity`, `mirrored` and `exact`.
    """

    kind: str
    title: str
    sentence: str
    advice: str
    counts: dict[str, float] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    pairs: list[dict[str, Any]] = field(default_factory=list)


def findings(session: Session) -> list[Finding] | None:
    """What the study's audit found, as it is kept; None where there was none."""
    records = session.store.load_findings()
    return None if records is None else [Finding(**facts) for facts in records]


def find_all(session: Session) -> list[Finding]:
    """Look for everything; nothing is kept."""
    pairs = near_duplicates.cached_pairs(session.data.paths, session.store, session.data.depth)
    return [*copies(session, pairs), *_label_leaks(session), *_gaps(session)]


def save(session: Session, findings: Sequence[Finding]) -> None:
    session.store.save_findings([asdict(finding) for finding in findings])


def copies(session: Session, pairs: Pairs) -> list[Finding]:
    """Near-duplicates within train, over train and test, with different labels; images of nothing."""
    inside = pairs.rows < len(session.data.labels)
    within = pairs.take(np.asarray(inside.all(1)))
    across = pairs.take(inside[:, 0] & ~inside[:, 1])
    findings = (
        _train_copies(session, within),
        _test_copies(session, across),
        _conflicts(session, within),
        _blank(session, pairs.blank),
    )
    return [finding for finding in findings if finding is not None]


def _train_copies(session: Session, pairs: Pairs) -> Finding | None:
    """Pairs within train that no declared group has."""
    declared = dataset.declared_groups(session.data.train)
    units = np.arange(len(session.data.labels)) if declared is None else declared
    first, second = pairs.rows.T
    pairs = pairs.take(units[first] != units[second])
    if not len(pairs):
        return None
    first, second = pairs.rows.T
    apart = int((session.folds[first] != session.folds[second]).sum())
    what = "images" if declared is None else "images in different groups"
    consequence = (
        "they are held together on one side of every split"
        if not apart
        else f"{apart:,} pairs are on two sides of a split, so that scores are too high"
    )
    return _about(
        session,
        pairs,
        "copies",
        "near-duplicates in train",
        f"{len(pairs):,} pairs of {what} show the same picture; {consequence}",
        "nothing to do"
        if not apart
        else "begin another study, or take one of each pair out of the table",
        {"apart": apart},
    )


def _test_copies(session: Session, pairs: Pairs) -> Finding | None:
    """Pairs of a train and a test image."""
    if not len(pairs):
        return None
    count = len(np.unique(pairs.rows[:, 1]))
    return _about(
        session,
        pairs,
        "test_copies",
        "near-duplicates of train in test",
        f"{count:,} of {len(session.data.test or ()):,} test images show the picture of a train "
        "image: a test score is too high for new pictures",
        "expect a test score above the validation score; look whether the rules allow it",
        {"test rows": count},
    )


def _conflicts(session: Session, pairs: Pairs) -> Finding | None:
    """Pairs within train that have different labels."""
    first, second = (session.data.labels[pairs.rows[:, side]] for side in (0, 1))
    pairs = pairs.take(session.data.target.differ(first, second))
    if not len(pairs):
        return None
    mirrored = int(pairs.mirrored.sum())
    return _about(
        session,
        pairs,
        "conflicts",
        "near-duplicates with different labels",
        f"{len(pairs):,} pairs of train images show the same picture and have different "
        f"labels ({mirrored:,} of them mirrored)",
        "look at them and mend the labels; if only mirrored ones differ, left and right matter",
        {"mirrored": mirrored},
    )


def _blank(session: Session, rows: np.ndarray) -> Finding | None:
    if not len(rows):
        return None
    return Finding(
        "blank",
        "images of nothing",
        f"{len(rows):,} images are of one colour or nearly so",
        "look whether they belong to the data; they take no part in the search for copies",
        {"images": len(rows)},
        [_row(session, int(row)) for row in rows],
    )


def _about(
    session: Session,
    pairs: Pairs,
    kind: str,
    title: str,
    sentence: str,
    advice: str,
    counts: dict[str, float],
) -> Finding:
    """A finding on pairs, the most alike first."""
    order = np.argsort(-pairs.similarity, kind="stable")
    pairs = pairs.take(order)
    involved, place = np.unique(pairs.rows, return_inverse=True)
    records = [
        {
            "rows": two,
            "similarity": round(float(pairs.similarity[i]), 4),
            "mirrored": bool(pairs.mirrored[i]),
            "exact": bool(pairs.exact[i]),
        }
        for i, two in enumerate(place.reshape(-1, 2).tolist())
    ]
    counts = {"pairs": len(pairs), "exact": int(pairs.exact.sum()), **counts}
    rows = [_row(session, int(row)) for row in involved]
    return Finding(kind, title, sentence, advice, counts, rows, records)


def _row(session: Session, row: int) -> dict[str, Any]:
    """An image of train or, after them, of test."""
    data, count = session.data, len(session.data.labels)
    if row < count:
        path, label = str(data.train.paths[row]), data.describe_answer(data.labels[row])
        return {"table": "train", "id": data.train.ids[row], "path": path, "label": label}
    assert data.test is not None
    test = row - count
    return {"table": "test", "id": data.test.ids[test], "path": str(data.test.paths[test])}


def _label_leaks(session: Session) -> list[Finding]:
    """Names, order and sizes that predict labels, on folds of the study."""
    seed, findings, labels = session.config.search.seed, [], session.data.single_labels
    for source, numbers in leakage.sources(session.data.train).items():
        leak = leakage.leak(source, numbers, labels, session.folds, seed)
        if leak.counts:
            findings.append(
                Finding(
                    "label_leak",
                    f"{source} predicts the label",
                    f"a tree that sees nothing but {source} has a macro-F1 of {leak.score:.3f} out of "
                    f"fold, where shuffled labels give {leak.chance:.3f}",
                    "networks see pixels only, but what made the difference may be in them: ask how the "
                    "images of each class were collected",
                    {"macro_f1": leak.score, "chance": leak.chance, "p": leak.p},
                )
            )
    return findings


def _gaps(session: Session) -> list[Finding]:
    """What random folds would promise too much, by the study's groups and by undeclared ones."""
    data, folds = session.data, dataset.fold_count(session.folds)
    groupings = leakage.candidates(data.train, data.single_labels, folds)
    if data.groups is not None:
        groupings = {"": data.groups, **groupings}
    findings = (_gap(session, what, groups, folds) for what, groups in groupings.items())
    return [finding for finding in findings if finding is not None]


def _gap(session: Session, what: str, groups: np.ndarray, folds: int) -> Finding | None:
    """The same by some groups; `what` says what they are, "" being those of the study."""
    seed = session.config.search.seed
    rows = leakage.draw_rows(groups, seed)
    _, labels = np.unique(session.data.single_labels[rows], return_inverse=True)
    if len(np.unique(labels)) < 2 or len(np.unique(groups[rows])) < folds:
        return None
    features, by = _features(session, rows)
    gap = leakage.gap(features, labels, groups[rows], folds, seed)
    sentence = (
        f"a probe on {by} has a macro-F1 of {gap.random:.3f} on random folds and {gap.grouped:.3f} "
        f"on folds by group: a gap of {gap.value:.3f} ± {1.96 * gap.error:.3f}"
    )
    counts = {"groups": len(np.unique(groups)), "gap": gap.value, "error": gap.error}
    if what:
        sentence = (
            f"{what} repeats: {counts['groups']:,} values in {len(groups):,} rows; {sentence}"
        )
        advice = (
            "make it a column and declare it: group = 'COLUMN' under [data]"
            if gap.sure
            else "declare it if its rows belong together; the scores hardly depend on it"
        )
        return Finding("groups", "a group nobody declared?", sentence, advice, counts)
    if not gap.sure:
        return None
    advice = "nothing to do: the study's folds are by group; trust no score on random ones"
    return Finding("gap", "random folds promise too much", sentence, advice, counts)


def _features(session: Session, rows: np.ndarray) -> tuple[np.ndarray, str]:
    """Features `[n, D]` of train rows by pretrained weights where they are at hand, or coarse pixels."""
    from automask.training.features import Features

    if session.space is not None:
        recipe = probe_recipe(session.space, session.weights)
        if recipe.training["pretrained"]:
            try:
                model = recipe["backbone"].params.get("model", recipe["backbone"].name)
                return Features(session.task(), recipe).read(rows), f"features of {model}"
            except (UserError, OSError, RuntimeError, ValueError) as error:
                # Weights that can't be had: the pixels are at hand.
                if isinstance(error, DiskError) or out_of_space(error) is not None:
                    raise
    small = near_duplicates.thumbnails(
        [session.data.train.paths[row] for row in rows], session.data.depth
    )
    side = COARSE
    blocks = small.reshape(len(rows), side, -1, side, small.shape[2] // side, 3)
    pixels = blocks.mean((2, 4), dtype=np.float32).reshape(len(rows), -1)
    return pixels, "coarse pixels (no pretrained weights at hand)"
