"""What could tell a row's class or group without a look at its image: names, order, sizes, columns."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from automask.data.dataset import one_hot
from automask.data.decoding import image_size
from automask.data.tables import Rows
from automask.diagnostics.linear_probe import (
    discriminants,
    principal_components,
    shuffle_units,
    softmax,
)
from automask.errors import UserError
from automask.scoring import resample_groups
from automask.space import registry

#: Shuffled labels that a probe is held against, and the least macro-F1 above them that counts.
SHUFFLES, MATTERS = 20, 0.05
#: Rows that a probe sees at most, random draws of folds, and resamples for its error.
ROWS, DRAWS, RESAMPLES = 1500, 3, 100
#: A candidate's values repeat: rows a value on average at least.
REPEATS = 1.5


@dataclass(frozen=True)
class Leak:
    """A probe's macro-F1 out of fold, its mean over shuffled labels, and the share of shuffles that
    reach it."""

    source: str
    score: float
    chance: float
    p: float

    @property
    def counts(self) -> bool:
        return self.p < 0.05 and self.score - self.chance > MATTERS


def sources(train: Rows) -> dict[str, np.ndarray]:
    """Numbers `[N, F]` of each row that have nothing to do with what its image shows."""
    sizes = []
    for path in train.paths:
        try:
            sizes.append(image_size(path))
        except UserError:
            # Whoever trains on it will tell.
            sizes.append((1, 1))
    size = np.array(sizes, float).reshape(-1, 2)
    files = [path.stem for path in train.paths]
    numbers = {
        "row order": np.arange(len(train), dtype=float)[:, None],
        "file size": np.array([[path.stat().st_size] for path in train.paths], float),
        "image size": np.column_stack([size, size[:, 0] / size[:, 1]]),
        "ids": _name_numbers(train.ids),
    }
    return numbers if files == train.ids else {**numbers, "file names": _name_numbers(files)}


def _name_numbers(names: list[str]) -> np.ndarray:
    """Names as numbers `[N, F]`: the place in sorted order, the length, the last number, and whether
    it has each of the commonest words."""
    from sklearn.feature_extraction.text import CountVectorizer

    place = np.argsort(np.argsort(np.array(names), kind="stable"), kind="stable")
    digits = [re.findall(r"\d+", name) for name in names]
    last = [float(runs[-1][-15:]) if runs else -1.0 for runs in digits]
    numbers = np.column_stack([place, [len(name) for name in names], last]).astype(float)
    try:
        words = CountVectorizer(
            token_pattern=r"[^\W\d_]+", binary=True, min_df=2, max_features=50
        ).fit_transform(names)
    except ValueError:
        # No word is there twice.
        return numbers
    return np.column_stack([numbers, words.toarray()])


def leak(
    source: str, numbers: np.ndarray, labels: np.ndarray, folds: np.ndarray, seed: int
) -> Leak:
    """How well a small tree tells the labels from those numbers, on folds that it hasn't seen."""
    from sklearn.tree import DecisionTreeClassifier

    def tree_score(target: np.ndarray) -> float:
        predicted = np.empty_like(target)
        for fold in np.unique(folds):
            train, held = folds != fold, folds == fold
            leaf = max(2, len(target) // 200)
            tree = DecisionTreeClassifier(
                min_samples_leaf=leaf, class_weight="balanced", random_state=seed
            )
            predicted[held] = tree.fit(numbers[train], target[train]).predict(numbers[held])
        return float(macro_f1(target, one_hot(predicted, classes)))

    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(len(labels))[:ROWS])
    numbers, labels, folds = numbers[rows], labels[rows], folds[rows]
    macro_f1, classes = registry.get("metric", "macro_f1").function, int(labels.max()) + 1
    own = tree_score(labels)
    null = [tree_score(rng.permutation(labels)) for _ in range(SHUFFLES)]
    reached = (1 + sum(score >= own for score in null)) / (1 + SHUFFLES)
    return Leak(source, own, float(np.mean(null)), reached)


def candidates(train: Rows, labels: np.ndarray, folds: int) -> dict[str, np.ndarray]:
    """Groups `[N]` that nobody declared, by what betrays them: parts of file names, columns.

    Their values repeat, none has more rows than a fold, and they aren't the classes.
    """
    parents = [path.parent.name for path in train.paths]
    texts: dict[str, list[str]] = {"the folder of the image": parents}
    for what, names in (("file name", [p.stem for p in train.paths]), ("id", train.ids)):
        texts[f"the {what} without its last part"] = [
            re.sub(r"[\W_]+[^\W_]+$", "", name) for name in names
        ]
        texts[f"the {what} up to its first separator"] = [re.split(r"[\W_]", n)[0] for n in names]
    for column in train.extra.columns:
        values = train.extra[column].astype(str).tolist()
        # A row that says nothing is a group of its own.
        texts[f"column '{column}'"] = [
            value if value.strip() else f"\0{row}" for row, value in enumerate(values)
        ]
    declared = None if train.groups is None else np.unique(train.groups, return_inverse=True)[1]
    partitions = [part for part in (labels, declared) if part is not None]
    groupings: dict[str, np.ndarray] = {}
    for what, values in texts.items():
        _, groups, counts = np.unique(values, return_inverse=True, return_counts=True)
        repeats = len(groups) / max(1, len(counts)) >= REPEATS
        if len(counts) < 2 * folds or not repeats or counts.max() > len(groups) / folds:
            continue
        if not any(_same(groups, other) for other in [*partitions, *groupings.values()]):
            groupings[what] = groups
    return groupings


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    """Do both divide the rows alike?"""
    both = len(np.unique(np.stack([one, other]), axis=1).T)
    return both == len(np.unique(one)) == len(np.unique(other))


@dataclass(frozen=True)
class Gap:
    """A probe's score on random folds and on folds by group, and the error of their difference."""

    random: float
    grouped: float
    error: float

    @property
    def value(self) -> float:
        return self.random - self.grouped

    @property
    def sure(self) -> bool:
        return self.value > 1.96 * self.error


def draw_rows(units: np.ndarray, seed: int) -> np.ndarray:
    """At most `ROWS` rows, unit after unit."""
    rng = np.random.default_rng(seed)
    return np.sort(shuffle_units(np.arange(len(units)), units, rng)[:ROWS])


def gap(
    features: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray,
    folds: int,
    seed: int,
) -> Gap:
    """What a linear probe on features `[n, D]` gains in macro-F1 where splits divide groups.

    The means over `DRAWS` draws of the folds; the error is the bootstrap's over groups.
    """
    split = registry.get("split", "stratified").function
    metric = registry.get("metric", "macro_f1").function
    components, classes = principal_components(features), int(labels.max()) + 1

    def out_of_fold(by: np.ndarray | None, draw: int) -> np.ndarray:
        fold = split(labels, by, folds, seed + draw)
        out = np.empty((len(labels), classes))
        for index in np.unique(fold):
            rows, held = fold != index, fold == index
            likelihood, prior = discriminants(
                components[rows], labels[rows], components[held], classes
            )
            out[held] = softmax(likelihood + prior)
        return out

    both = [[out_of_fold(by, draw) for draw in range(DRAWS)] for by in (None, groups)]

    def scores(rows: np.ndarray) -> list[float]:
        return [float(np.mean([metric(labels[rows], p[rows]) for p in kind])) for kind in both]

    resampled = [scores(rows) for rows in resample_groups(groups, RESAMPLES, seed)]
    random, grouped = scores(np.arange(len(labels)))
    return Gap(random, grouped, float(np.std([a - b for a, b in resampled], ddof=1)))
