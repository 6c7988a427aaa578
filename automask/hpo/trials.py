"""The trials of a study by state, end and score, and the names of their attributes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from automask.errors import UserError, did_you_mean
from automask.hpo import attributes
from automask.hpo.attributes import StudyAttributes, TrialAttributes
from automask.hpo.optuna_internals import queued_params
from automask.hpo.progress import LOOK
from automask.hpo.pruners import STRIDE
from automask.space import registry
from automask.space.kinds import DEFAULTS
from automask.space.recipe import TRAINING, Recipe
from automask.storage.disk import TOP

#: Why a trial that waited ended when the space changed and left it out.
LEFT = "left out of the space"
#: Trials that nobody trained to the end: there already, too long for the time left, of a kind that
#: others beat, or left out.
UNUSED = ("duplicate", "too long", "beaten", LEFT)
#: The share of a fold that an earlier version's last score inside it spoke of.
EARLIER = 2 / 3


def last_failures(trials: list[FrozenTrial], since: datetime) -> list[FrozenTrial]:
    """The trials that failed since then and since the last one that didn't."""
    failed: list[FrozenTrial] = []
    for trial in trials:
        if not _trained(trial) or trial.datetime_complete is None:
            continue
        if trial.datetime_complete < since:
            continue
        failed = [*failed, trial] if trial.state == TrialState.FAIL else []
    return failed


def finished_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Complete, pruned and failed trials, without proposals that nobody trained."""
    trials = study.get_trials(deepcopy=False)
    return [trial for trial in trials if trial.state.is_finished() and _trained(trial)]


def _trained(trial: FrozenTrial) -> bool:
    return TrialAttributes.read(trial).reason not in UNUSED


def trials_without_rise(trials: list[FrozenTrial], scores: Sequence[float]) -> int:
    """How many trials ended since the ensemble's score last rose.

    `trials` are complete or pruned, `scores` those after each complete one, both as they ended.
    """
    best, count, left = -math.inf, 0, iter(scores)
    for trial in trials:
        score = next(left, best) if trial.state == TrialState.COMPLETE else best
        count = 0 if score > best else count + 1
        best = max(best, score)
    return count


def complete_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Complete trials, the best first."""
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return sorted(trials, key=lambda trial: (-trial.values[0], trial.number))


def by_end(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """Trials in the order in which they ended."""
    return sorted(trials, key=lambda trial: (trial.datetime_complete or datetime.max, trial.number))


def outranked_hashes(study: optuna.Study) -> list[str]:
    """The hashes of complete trials that are out of the running, the worst first."""
    ranked = (TrialAttributes.read(trial) for trial in reversed(complete_trials(study)[TOP:]))
    return [attributes.hash for attributes in ranked if attributes.hash]


def state(trial: FrozenTrial) -> str:
    """complete, pruned, running, waiting, or why it failed."""
    name = trial.state.name.lower()
    return (
        (TrialAttributes.read(trial).reason or "failed") if trial.state == TrialState.FAIL else name
    )


def trained(trial: FrozenTrial, folds: int) -> float:
    """The share of a trial's training that the scores it reported speak of."""
    if trial.state == TrialState.COMPLETE or trial.last_step is None:
        return float(trial.state == TrialState.COMPLETE)
    fold, part = divmod(trial.last_step, STRIDE)
    return (fold + (LOOK, EARLIER, 1.0)[part]) / folds


def has_trained(study: optuna.Study) -> bool:
    """Has any trial finished a fold?"""
    trials = study.get_trials(deepcopy=False)
    return any(
        t.state in (TrialState.COMPLETE, TrialState.PRUNED) or fold_scores(t) for t in trials
    )


def fold_scores(trial: FrozenTrial) -> dict[int, float]:
    """The scores of the folds that are finished, by fold."""
    values = trial.intermediate_values.items()
    return {step // STRIDE: value for step, value in values if step % STRIDE == STRIDE - 1}


def early_scores(trial: FrozenTrial) -> list[float]:
    """The scores before the first fold's: that of the look, or an earlier version's inside the fold."""
    values = trial.intermediate_values
    return [values[step] for step in range(STRIDE - 1) if step in values]


STATES = {
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
    "running": TrialState.RUNNING,
    "waiting": TrialState.WAITING,
}


def score(trial: FrozenTrial) -> float | None:
    """The score of a complete trial."""
    return trial.values[0] if trial.state == TrialState.COMPLETE else None


def _by_score(trial: FrozenTrial) -> float:
    value = score(trial)
    return float("inf") if value is None else -value


SORTS: dict[str, Callable[[FrozenTrial], float]] = {
    "number": lambda trial: trial.number,
    "score": _by_score,
    "seconds": lambda trial: -(TrialAttributes.read(trial).seconds or 0.0),
}


def recipe_of(trial: FrozenTrial) -> Recipe | None:
    """The trial's recipe; None for one in the queue that nobody has taken up."""
    return attributes.recipe_of(trial) if TrialAttributes.read(trial).recipe else None


def explain_empty(trial: FrozenTrial) -> str:
    """Why a trial has no recipe."""
    if trial.state == TrialState.WAITING:
        return "it waits in the queue"
    reason = TrialAttributes.read(trial).reason or "interrupted"
    return f"it was proposed and never trained ({reason})"


def trained_trials(study: optuna.Study) -> list[FrozenTrial]:
    """All trials but proposals that nobody trained."""
    trials = study.get_trials(deepcopy=False)
    return [trial for trial in trials if TrialAttributes.read(trial).reason not in UNUSED]


def filter_trials(
    trials: Sequence[FrozenTrial],
    state: str | None = None,
    where: Sequence[str] = (),
    sort: str = "number",
    top: int | None = None,
) -> list[FrozenTrial]:
    """The trials in a state and with the values that each `where` names, as ``backbone.model=resnet18``.

    Raises `UserError` for an unknown state, name or order, and for a value that can't be there.
    """
    if state is not None and state not in STATES:
        raise UserError(f"--state {state}: no such state{did_you_mean(state, STATES)}")
    if sort not in SORTS:
        raise UserError(f"--sort {sort}: no such order{did_you_mean(sort, SORTS)}")
    flat = {trial.number: recipe.flat() for trial in trials if (recipe := recipe_of(trial))}
    pairs = [_pair(text, list(flat.values())) for text in where]
    chosen = [
        trial
        for trial in trials
        if (state is None or trial.state == STATES[state])
        and all(_same(flat.get(trial.number, {}).get(key), value) for key, value in pairs)
    ]
    return sorted(chosen, key=SORTS[sort])[:top]


def _pair(text: str, recipes: Sequence[dict[str, Any]]) -> tuple[str, str]:
    """The name and the value of a ``name=value``, both known."""
    key, sign, value = (part.strip() for part in text.partition("="))
    if not sign:
        raise UserError(f"--where {text}: write it as loss=focal or backbone.model=resnet18")
    plugins = {kind: registry.plugins(kind) for kind in DEFAULTS}
    declared = {
        f"{k}.{key}" for k, offered in plugins.items() for p in offered.values() for key in p.ranges
    }
    names = {*DEFAULTS, *declared, *(f"training.{key}" for key in TRAINING)}
    names.update(*recipes)
    if key not in names:
        raise UserError(f"--where {text}: unknown '{key}'{did_you_mean(key, names)}")
    present = {str(recipe[key]) for recipe in recipes if key in recipe}
    values = present | set(plugins.get(key, ()))
    if not any(_same(one, value) for one in values):
        raise UserError(f"--where {text}: no trial has that {key}{did_you_mean(value, values)}")
    return key, value


def _same(present: Any, wanted: str) -> bool:
    """Is a recipe's value what was written, as a number where both are one?"""
    try:
        return float(present) == float(wanted)
    except (TypeError, ValueError):
        return present is not None and str(present).lower() == wanted.lower()


def find_trial(study: optuna.Study, number: int) -> FrozenTrial:
    """The trial of that number; raises `UserError` where there is none."""
    trials = study.get_trials(deepcopy=False)
    if not 0 <= number < len(trials):
        numbers = f"they are 0 to {len(trials) - 1}" if trials else "it has none yet"
        raise UserError(f"study '{study.study_name}' has no trial {number}: {numbers}")
    return trials[number]


def origin(study: optuna.Study, trial: FrozenTrial) -> str:
    """How the trial came into the study."""
    record = TrialAttributes.read(trial)
    if record.again is not None:
        return f"the recipe of trial {record.again}, trained in the time that was left"
    if record.smaller:
        return "one of the first recipes, at a smaller image size for the time that was left"
    if record.given:
        return f"given to automask train{', from outside the space' if record.outside else ''}"
    return f"{_source(study, trial)}{', in an earlier space' if record.outside else ''}"


def _source(study: optuna.Study, trial: FrozenTrial) -> str:
    """How a trial that nobody gave came into the study."""
    if TrialAttributes.read(trial).drawn:
        return "drawn at random"
    if TrialAttributes.read(trial).joined:
        return "the best recipe with what joined the space"
    queued = queued_params(trial)
    if queued is None:
        return "sampled"
    record = StudyAttributes.read(study)
    if queued in record.queue("start"):
        return "what a search begins with: heads alone, and what did best elsewhere"
    if queued in record.queue("advice"):
        return "advice from measuring the data"
    if queued in record.queue("probe"):
        return "one of the probe's best networks"
    warm = record.warm_start or {"recipes": (), "studies": ()}
    earlier = [
        s for s, params in zip(warm["studies"], warm["recipes"], strict=True) if params == queued
    ]
    return f"a best recipe of study {earlier[0]}" if earlier else "the default recipe"
