"""Advice before anything trains: the transfer matrix (`automask.matrix`), measured.

Both of its sides are told by a closed-form probe on features (`automask.probing`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automask.errors import DiskError, UserError, full
from automask.matrix import MATTERS, Case, Evidence, decide, recipes
from automask.recipe import Recipe
from automask.space import Space
from automask.weights import Weights

if TYPE_CHECKING:
    from automask.probing import Estimate
    from automask.session import Session
    from automask.task import Task

#: Rows that the probe sees at most.
ROWS = 1000


def probed(space: Space, weights: Mapping[str, Weights]) -> Recipe:
    """The recipe whose backbone is probed: the default one's, or that of the lightest weights given.

    Of weights in a hub the size isn't known before they are fetched.
    """
    wishes: dict[str, Any] = {"training.pretrained": True, "augmentation": "none"}
    files = {weights[m].file: (lib, m) for lib, m in space.models() if m in weights}
    if files:
        library, model = files[min(files, key=lambda file: (Path(file).stat().st_size, file))]
        wishes |= {"backbone": library, f"backbone.{library}.model": model}
    return space.preferring(wishes)[0]


def measure(task: Task, recipe: Recipe) -> Evidence | str:
    """Both figures by the recipe's backbone, as it is and with random weights; or why there are none.

    The test rows take no part, and of more than `ROWS` train rows a draw does, group after group.
    """
    begin = time.perf_counter()
    import numpy as np

    from automask.features import Features
    from automask.probing import Probe, by_units

    rng = np.random.default_rng(task.seed)
    labels = task.data.labels
    units = np.arange(len(labels)) if task.data.groups is None else task.data.groups
    share = -(-ROWS // (int(task.folds.max()) + 1))
    drawn = [
        by_units(np.flatnonzero(task.folds == fold), units, rng)[:share]
        for fold in range(int(task.folds.max()) + 1)
    ]
    rows = np.sort(np.concatenate(drawn))
    present, known = np.unique(labels[rows], return_inverse=True)
    if len(present) < 2:
        return "the rows drawn for it are of one class"
    columns = _widened(task.score, present, len(task.data.counts))
    probe = Probe(columns, known, task.folds[rows], units[rows], task.seed)
    chance, perfect = probe.room
    if not (math.isfinite(chance) and math.isfinite(perfect) and perfect > chance):
        return f"{task.metric} is {chance:.3g} by chance and {perfect:.3g} at best"
    try:
        features = Features(task, recipe).of(rows)
        others = None
        if recipe.training["pretrained"]:
            plain = Recipe(recipe.choices, {**recipe.training, "pretrained": False})
            others = Features(task, plain).of(rows)
    except (UserError, OSError, RuntimeError, ValueError) as error:
        # Weights that can't be had, a network that can't take this size, memory: trials will tell.
        if isinstance(error, DiskError) or full(error) is not None:
            raise
        return f"no features of {recipe.describe()}: {str(error).strip().splitlines()[0]}"
    if not (np.isfinite(features).all() and (others is None or np.isfinite(others).all())):
        return f"the features of {recipe.describe()} aren't finite"
    gain, lift = probe.compare(features, others)
    if not all(math.isfinite(e.value + e.error) for e in (gain, lift) if e is not None):
        return f"{task.metric} isn't finite"
    model = recipe["backbone"].params.get("model", recipe["backbone"].name)
    size, seconds = recipe.training["image_size"], time.perf_counter() - begin
    return Evidence(gain, lift, chance, perfect, model, size, len(rows), seconds)


def advise(session: Session) -> tuple[list[str], dict[str, Any]]:
    """The advice as lines of text, and what a study keeps of it."""
    assert session.space is not None
    task = session.task()
    evidence = measure(task, probed(session.space, session.weights))
    if isinstance(evidence, str):
        return [f"no advice: {evidence}"], {"recipes": [], "reason": evidence}
    case = decide(evidence)
    chosen = recipes(case, session.space)
    lines = [
        *figures(evidence, case, session.config.search.metric, len(task.data.labels)),
        f"{case.name}: {case.sentence}",
        *(f"  {line}" for line in case.follows),
    ]
    if chosen:
        lines.append("a search tries these after the default recipe:")
        for recipe, _ in chosen:
            optimizer = recipe["optimizer"].params
            rate = f", lr {optimizer['lr']:.2g}" if "lr" in optimizer else ""
            lines.append(f"  {recipe.describe()}{rate}")
    kept = {
        "case": case.name,
        "evidence": asdict(evidence),
        "recipes": [free for _, free in chosen],
    }
    return lines, kept


def figures(evidence: Evidence, case: Case, metric: str, rows: int) -> list[str]:
    """The two figures in words."""
    lines = [
        f"probe: {evidence.model} at {evidence.image_size} px, {evidence.rows:,} of {rows:,} train "
        f"rows, {evidence.seconds:.1f} s; in % of {metric}'s way from {evidence.chance:.3g} by chance "
        f"to {evidence.perfect:.3g}",
        f"enough? the second half of the rows gains {_told(evidence.gain)}: "
        f"{'surely less than' if case.enough else 'not surely less than'} {MATTERS:.0%}",
    ]
    if evidence.lift is None:
        return [*lines, "similar? the space has nothing pretrained to measure it by"]
    return [
        *lines,
        f"similar? the pretraining gains {_told(evidence.lift)} over random weights: "
        f"{'surely more than' if case.similar else 'not surely more than'} {MATTERS:.0%}",
    ]


def _told(estimate: Estimate) -> str:
    low, high = estimate.interval
    return f"{100 * estimate.value:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def _widened(metric: Any, present: Any, classes: int) -> Any:
    """The metric of the task's classes, for probabilities `[N, present]` of some of them."""
    import numpy as np

    def widened(target: Any, probability: Any) -> float:
        wide = np.zeros((len(probability), classes))
        wide[:, present] = probability
        return float(metric(present[target], wide))

    return widened
