"""How long `auto` takes to choose and score a blend, on drawn members."""

from __future__ import annotations

import numpy as np

from automask.ensembles import ensemble
from automask.ensembles.ensemble import AUTO, PLAIN, Member
from automask.space import registry
from benchmarks.measure import SMALLER, Figure, seconds

#: Rows, classes, and what choosing may take in seconds.
SIZES = ((1166, 10, 5.0), (3563, 33, 15.0))
MEMBERS, FOLDS = 60, 5


def figures() -> list[Figure]:
    return [figure(*size) for size in SIZES]


def figure(rows: int, classes: int, goal: float, count: int = MEMBERS) -> Figure:
    target, members = draw(rows, classes, count)
    metric, folds = registry.get("metric", "macro_f1").function, np.arange(rows) % FOLDS
    chosen: list[str] = []

    def blend() -> None:
        made = ensemble.fit({PLAIN: members}, target, folds, None, metric, AUTO, count)
        chosen.append(made.method)

    took = seconds(blend)
    name = f"an ensemble of {count} members, {rows:,} rows, {classes} classes"
    return Figure(name, took, goal, "s", SMALLER, note=f"{chosen[0]} was chosen")


def draw(rows: int, classes: int, count: int) -> tuple[np.ndarray, list[Member]]:
    """Labels of unequal classes, and members that err together as well as each by itself."""
    rng = np.random.default_rng(0)
    target = rng.choice(classes, rows, p=rng.dirichlet(np.full(classes, 1.5)))
    right = np.eye(classes)[target]
    common = rng.normal(size=(rows, classes)) + 1.3 * right
    members = []
    for number in range(count):
        own = rng.normal(size=(rows, classes)) + rng.uniform(0.2, 1.6) * right
        odds = np.exp(rng.uniform(0.5, 3) * (0.8 * common + own))
        table = (odds / odds.sum(1, keepdims=True)).astype(np.float32)
        members.append(Member(number, None, table, lambda table=table: table[:50]))
    return target, members
