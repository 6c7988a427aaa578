"""Figures that compare two sides in one run, and how they are told."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

BIGGER, SMALLER = "bigger", "smaller"


@dataclass(frozen=True)
class Figure:
    """A measured number with its goal; `spread` is the least and the largest of several rounds."""

    name: str
    value: float
    goal: float
    unit: str = "ratio"
    better: str = BIGGER
    spread: tuple[float, float] | None = None
    note: str = ""

    @property
    def met(self) -> bool:
        return self.value >= self.goal if self.better == BIGGER else self.value <= self.goal


def seconds(run: Callable[[], object]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def in_turn(sides: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each side in each round, after one that doesn't count; the sides take turns."""
    for run in sides.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in sides}
    for index in range(rounds):
        order = list(sides) if index % 2 else list(sides)[::-1]
        for name in order:
            times[name].append(seconds(sides[name]))
    return times


def ratio(
    name: str, numerator: Sequence[float], denominator: Sequence[float], goal: float, note: str = ""
) -> Figure:
    """The median over rounds of one side's seconds by the other's: bigger is better."""
    ratios = [a / b for a, b in zip(numerator, denominator, strict=True)]
    return Figure(
        name,
        statistics.median(ratios),
        goal,
        spread=(min(ratios), max(ratios)),
        note=note,
    )
