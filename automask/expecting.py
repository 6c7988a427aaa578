"""What one submission may gain over another, by a study's probabilities: an estimate, no score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from automask import comparing
from automask.comparing import Comparison
from automask.storage.study_store import EnsembleFile

DRAWS = 500


@dataclass(frozen=True)
class Effect:
    """By how much B is expected to beat A, with the range of 95 % of the drawn truths."""

    metric: str
    value: float
    low: float
    high: float


def denoise(probability: np.ndarray, pairs: list[list[Any]]) -> np.ndarray:
    """The chances of the true classes `[N, C]` behind those of labels that are given with `noise`."""
    classes = probability.shape[1]
    given = np.zeros((classes, classes))
    for true, label, chance in pairs:
        given[label, true] = chance
    given[np.diag_indices(classes)] = 1 - given.sum(0)
    true = (probability @ np.linalg.pinv(given).T).clip(0)
    return true / true.sum(1, keepdims=True).clip(1e-12)


def effects(a: np.ndarray, b: np.ndarray, probability: np.ndarray) -> list[Effect]:
    """The expected gain in accuracy and macro-F1 of classes `b` `[N]` over `a` `[N]`.

    The true classes are drawn again and again, each row's by its chances `[N, K]` and apart from the
    others', and both are scored on each draw.
    """
    rng, (rows, classes) = np.random.default_rng(0), probability.shape
    cumulative = probability.astype(np.float64).cumsum(1)
    cumulative /= cumulative[:, -1:]
    # All rows in one ascending line, a unit apart, so that one search draws for all.
    line, start = (cumulative + np.arange(rows)[:, None]).ravel(), np.arange(rows)
    gains = np.empty((DRAWS, 2))
    for draw in gains:
        found = np.searchsorted(line, start + rng.random(rows), side="right") - start * classes
        truth = found.clip(0, classes - 1)
        draw[:] = _scores(truth, b, classes) - _scores(truth, a, classes)
    low, high = np.quantile(gains, [0.025, 0.975], axis=0)
    names = ("accuracy", "macro_f1")
    return [Effect(*row) for row in zip(names, gains.mean(0), low, high, strict=True)]


def _scores(truth: np.ndarray, said: np.ndarray, classes: int) -> np.ndarray:
    """Accuracy and macro-F1, over the classes that occur in truth."""
    right, true, all_said = (
        np.bincount(labels, minlength=classes) for labels in (truth[truth == said], truth, said)
    )
    f1 = 2 * right[true > 0] / (true + all_said)[true > 0]
    return np.array([right.sum() / len(truth), f1.mean()])


def show_expected_gain(
    compared: Comparison, ensemble: EnsembleFile, source: str, console: Console
) -> list[str]:
    """Print the expected gain from A to B; returns the same as sentences, none where nothing differs."""
    if not compared.differs.any():
        return []
    facts: Mapping[str, Any] | None = ensemble.facts().get("noise")
    console.print()
    console.print(Text(f"expected gain from A to B, an estimate by {source}", "bold"))
    if facts is None:
        console.print(
            "none: the ensemble was made by an older automask; run automask ensemble again"
        )
        return []
    plain = comparing.probability(compared, ensemble)
    tables = {"labels as in train": plain}
    if pairs := facts["pairs"]:
        name = f"{facts['wrong']:.1%} wrong labels put right"
        tables[name] = comparing.probability(
            compared, ensemble, lambda table: denoise(table, pairs)
        )
    a, b = compared.classes.rows
    shown = Table(header_style="dim", box=None, pad_edge=False)
    for column in ("if the truth is", "metric", "gain", "95 %"):
        shown.add_column(column, justify="left" if column != "gain" else "right", no_wrap=True)
    sentences = []
    for name, table in tables.items():
        for effect in effects(a, b, table):
            interval = f"{effect.low:+.4f} to {effect.high:+.4f}"
            shown.add_row(name, effect.metric, f"{effect.value:+.4f}", interval)
            sentences.append(
                f"Expected gain of B in {effect.metric}, {name}: {effect.value:+.4f} ({interval})"
            )
    console.print(shown)
    said = plain.argmax(1)[compared.differs]
    shares = [(said == rows[compared.differs]).mean() for rows in (a, b)]
    caveat = (
        f"where they differ, {source} itself says what A says in {shares[0]:.0%} and what B says in "
        f"{shares[1]:.0%} of the rows: an estimate by the one that made a file is in its favour"
    )
    console.print(caveat, soft_wrap=True, markup=False)
    return [*sentences, caveat[0].upper() + caveat[1:] + "."]
