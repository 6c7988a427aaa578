"""Drawn labels of every target, on which plugins are tried that declare to take it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from automask.space.abilities import TARGET
from automask.target import ANY, MULTI, ORDERED, SINGLE, Number, Target

CLASSES = 3


@dataclass(frozen=True)
class Drawn:
    """Rows of a target: every class or label occurs, and no two rows in a row are alike."""

    target: Target
    labels: np.ndarray
    predictions: np.ndarray

    @property
    def classes(self) -> int:
        """The columns of predictions."""
        classes: int = self.predictions.shape[1]
        return classes


def draw(target: Target, rows: int) -> Drawn:
    """Labels of so many rows, and predictions that say them, but not quite surely."""
    classes = np.arange(rows) % CLASSES
    one_hot = np.eye(CLASSES)[classes]
    # Every other row, from the first on, has a second label.
    sets = np.maximum(one_hot, np.roll(one_hot, 1, axis=1) * (np.arange(1, rows + 1) % 2)[:, None])
    numbers = np.linspace(-2.0, 5.0, rows)
    labels, predictions = {
        SINGLE.name: (classes, one_hot * 0.9 + 0.1 / CLASSES),
        ORDERED.name: (classes, one_hot * 0.9 + 0.1 / CLASSES),
        MULTI.name: (sets.astype(np.int64), sets * 0.9 + 0.05),
        Number.name: (numbers, numbers[:, None]),
    }[target.name]
    return Drawn(target, labels, predictions)


def on_each_target(abilities: Mapping[str, Any], rows: int, check: Callable[[Drawn], None]) -> None:
    """Check a plugin on drawn rows of all targets that it declares; an error says of which."""
    declared = abilities[TARGET.name]
    names: Collection[str] = {declared} if isinstance(declared, str) else declared
    for target in (SINGLE, ORDERED, MULTI, Number(center=1.5, scale=2.0)):
        if target.name in names or ANY in names:
            try:
                check(draw(target, rows))
            except Exception as error:
                detail = str(error) or f"a {type(error).__name__}"
                raise AssertionError(f"{detail} (with {target.phrase})") from error
