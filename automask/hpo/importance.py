"""What mattered: the importance of what trials differ in, and the values that the best of them have."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState, create_trial

from automask.hpo.attributes import StudyAttributes, recipe_of
from automask.space.recipe import Recipe

#: Below this many complete trials nothing is said, below the second it is said with a warning.
LEAST, FEW = 10, 30


@dataclass(frozen=True)
class Factor:
    """Something that trials differ in: its share of all importance, in how many trials it is, and
    what the best quarter of the complete ones has, beside what all have."""

    name: str
    share: float
    trials: int
    best: str
    all: str


@dataclass(frozen=True)
class Importance:
    """What mattered for a metric, by so many complete and pruned trials; no factors where these are too
    few."""

    LEAST: ClassVar[int] = LEAST
    FEW: ClassVar[int] = FEW
    metric: str
    complete: int
    pruned: int
    factors: Sequence[Factor]


def importance(study: optuna.Study) -> Importance:
    """What mattered in a study."""
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    complete = sum(trial.state == TrialState.COMPLETE for trial in trials)
    ranking = factors(trials) if complete >= LEAST else []
    return Importance(StudyAttributes.read(study).metric, complete, len(trials) - complete, ranking)


def factors(trials: Sequence[FrozenTrial]) -> list[Factor]:
    """What complete and pruned trials differ in, the most important first.

    By PED-ANOVA, which compares the best tenth with all trials and therefore needs ranks alone: a
    pruned trial ranks below every complete one. A hyperparameter that only some trials have counts by
    how often they are among the best (Watanabe et al., 2023; its conditional form, 2026).
    """
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    pruned = [trial for trial in trials if trial.state == TrialState.PRUNED]
    worst = min((trial.values[0] for trial in complete), default=0.0)
    values = [trial.values[0] for trial in complete] + [worst - 1.0] * len(pruned)
    rows = [_values(recipe_of(t)) for t in (*complete, *pruned)]
    ranges = _ranges(rows)
    study = optuna.create_study(direction="maximize")
    for row, value in zip(rows, values, strict=True):
        own = {name: row[name] for name in ranges if name in row}
        distributions = {name: ranges[name] for name in own}
        study.add_trial(create_trial(params=own, distributions=distributions, value=value))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shares = optuna.importance.get_param_importances(study) if ranges else {}
    ranked = sorted(zip(values, rows, strict=True), key=lambda pair: -pair[0])[: len(complete)]
    top = [row for _, row in ranked[: max(3, math.ceil(len(complete) / 4))]]
    return [
        Factor(
            name,
            share,
            sum(name in row for row in rows),
            _summarize([row[name] for row in top if name in row]),
            _summarize([row[name] for row in rows if name in row]),
        )
        for name, share in shares.items()
    ]


def _values(recipe: Recipe) -> dict[str, Any]:
    return {name: value for name, value in recipe.values().items() if value is not None}


def _ranges(rows: Sequence[dict[str, Any]]) -> dict[str, BaseDistribution]:
    """What each name ranges over in these recipes; names that never differ are left out."""
    ranges: dict[str, BaseDistribution] = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        values = list(dict.fromkeys(row[name] for row in rows if name in row))
        if len(values) < 2:
            continue
        if not all(_is_number(value) for value in values):
            ranges[name] = CategoricalDistribution(values)
            continue
        low, high = min(values), max(values)
        # Spread over more than a factor of ten, it was sampled by its logarithm.
        log = low > 0 and high / low > 10
        whole = all(isinstance(value, int) for value in values)
        ranges[name] = (
            IntDistribution(low, high, log) if whole else FloatDistribution(low, high, log)
        )
    return ranges


def _summarize(values: Sequence[Any]) -> str:
    """Values in a few words: from the least to the largest, or each with how often it is there."""
    if not values:
        return "none of them"
    if all(_is_number(value) for value in values) and len(set(values)) > 1:
        return f"{min(values):.3g} to {max(values):.3g}"
    counts = Counter(
        f"{value:.3g}" if isinstance(value, float) else str(value) for value in values
    ).most_common()
    more = f" and {len(counts) - 4} more" if len(counts) > 4 else ""
    return ", ".join(f"{value} {count}×" for value, count in counts[:4]) + more


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
