"""The trials of a study: chosen, sorted and listed; one of them with all that is known of it."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from rich.table import Table
from rich.text import Text

from automask.display import STYLES, one_line
from automask.errors import UserError, did_you_mean
from automask.overview import fold_scores, state
from automask.space import recipe_file, registry
from automask.space.kinds import SEARCHED
from automask.space.recipe import TRAINING, Recipe
from automask.storage.files import atomic_write
from automask.storage.study_store import StudyStore
from automask.study import ADVICE, DRAWN, GIVEN, JOINED, OUTSIDE, PROBE, UNUSED, WARM
from automask.units import duration

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
    "seconds": lambda trial: -trial.user_attrs.get("seconds", 0.0),
}


def recipe_of(trial: FrozenTrial) -> Recipe | None:
    """The trial's recipe; None for one in the queue that nobody has taken up."""
    known = trial.user_attrs.get("recipe")
    return Recipe.from_dict(known) if known else None


def explain_empty(trial: FrozenTrial) -> str:
    """Why a trial has no recipe."""
    if trial.state == TrialState.WAITING:
        return "it waits in the queue"
    return f"it was proposed and never trained ({trial.user_attrs.get('reason', 'interrupted')})"


def trained_trials(study: optuna.Study) -> list[FrozenTrial]:
    """All trials but proposals that nobody trained."""
    trials = study.get_trials(deepcopy=False)
    return [trial for trial in trials if trial.user_attrs.get("reason") not in UNUSED]


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
    flat = {trial.number: made.flat() for trial in trials if (made := recipe_of(trial))}
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
    plugins = {kind: registry.plugins(kind) for kind in SEARCHED}
    declared = {
        f"{k}.{key}" for k, known in plugins.items() for p in known.values() for key in p.ranges
    }
    names = {*SEARCHED, *declared, *(f"training.{key}" for key in TRAINING)}
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


def trials_table(trials: Sequence[FrozenTrial], metric: str) -> Table:
    """A row a trial."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("trial", "state", metric, "time"):
        shown.add_column(name, justify="left" if name == "state" else "right", no_wrap=True)
    shown.add_column("recipe")
    for trial in trials:
        value, seconds = score(trial), trial.user_attrs.get("seconds")
        recipe = recipe_of(trial)
        shown.add_row(
            str(trial.number),
            Text(state(trial), STYLES.get(state(trial), "")),
            "" if value is None else f"{value:.4f}",
            "" if seconds is None else duration(seconds),
            one_line(recipe) if recipe else "in the queue",
        )
    return shown


def write_csv(trials: Sequence[FrozenTrial], metric: str, file: Path) -> None:
    """Write a CSV with a row a trial: its state, scores and every value of its recipe."""
    rows: list[dict[str, Any]] = []
    for trial in trials:
        recipe = recipe_of(trial)
        scores = {f"fold {fold + 1}": value for fold, value in sorted(fold_scores(trial).items())}
        rows.append(
            {
                "trial": trial.number,
                "state": state(trial),
                metric: score(trial),
                "seconds": trial.user_attrs.get("seconds"),
                **scores,
                **(recipe.flat() if recipe else {}),
            }
        )
    # Folds stay together, whichever trial is first to have them.
    columns = dict.fromkeys(key for row in rows for key in row if key.startswith("fold "))
    first = ("trial", "state", metric, "seconds", *sorted(columns, key=lambda c: int(c[5:])))
    columns = dict.fromkeys((*first, *(key for row in rows for key in row)))
    with atomic_write(file) as beside, open(beside, "w", newline="", encoding="utf-8") as opened:
        writer = csv.DictWriter(opened, list(columns))
        writer.writeheader()
        writer.writerows(rows)


def find_trial(study: optuna.Study, number: int) -> FrozenTrial:
    """The trial of that number; raises `UserError` where there is none."""
    trials = study.get_trials(deepcopy=False)
    if not 0 <= number < len(trials):
        known = f"they are 0 to {len(trials) - 1}" if trials else "it has none yet"
        raise UserError(f"study '{study.study_name}' has no trial {number}: {known}")
    return trials[number]


def origin(study: optuna.Study, trial: FrozenTrial) -> str:
    """How the trial came into the study."""
    left = OUTSIDE in trial.user_attrs
    if GIVEN in trial.user_attrs:
        return f"given to automask train{', from outside the space' if left else ''}"
    return f"{_came(study, trial)}{', in an earlier space' if left else ''}"


def _came(study: optuna.Study, trial: FrozenTrial) -> str:
    """How a trial that nobody gave came into the study."""
    if DRAWN in trial.user_attrs:
        return "drawn at random"
    if JOINED in trial.user_attrs:
        return "the best recipe with what joined the space"
    queued = trial.system_attrs.get("fixed_params")
    if queued is None:
        return "sampled"
    known = study.user_attrs
    if queued in known.get(ADVICE, {}).get("recipes", ()):
        return "advice from measuring the data"
    if queued in known.get(PROBE, {}).get("recipes", ()):
        return "one of the probe's best networks"
    warm = known.get(WARM, {"recipes": (), "studies": ()})
    earlier = [
        s for s, free in zip(warm["studies"], warm["recipes"], strict=True) if free == queued
    ]
    return f"a best recipe of study {earlier[0]}" if earlier else "the default recipe"


def show_trial(
    study: optuna.Study, store: StudyStore, folds: int, trial: FrozenTrial, console: Console
) -> None:
    """Print what is known of one trial, its recipe included."""
    metric = study.user_attrs.get("fingerprint", {}).get("metric", "score")
    value, known, recipe = score(trial), trial.user_attrs, recipe_of(trial)
    ended = "" if value is None else f", {metric} {value:.4f}"
    rows = [("trial", f"{trial.number} of study '{study.study_name}': {state(trial)}{ended}")]
    if known.get("message"):
        rows.append(("reason", known["message"]))
    if scores := fold_scores(trial):
        rows.append(("folds", ", ".join(f"{v:.4f}" for _, v in sorted(scores.items()))))
    if "seconds" in known:
        rows.append(("time", duration(known["seconds"])))
    if "cost" in known:
        rows.append(("cost", f"{known['cost']:,.0f} GFLOP"))
    if trial.datetime_complete:
        rows.append(("ended", f"{trial.datetime_complete:%Y-%m-%d %H:%M}"))
    rows.append(("came by", origin(study, trial)))
    if recipe:
        kept = store.trial(recipe)
        named: dict[str, Callable[[int], bool]] = {
            "probabilities": kept.has,
            "weights": lambda fold: kept.weights(fold).exists(),
        }
        for name, has in named.items():
            count = sum(map(has, range(folds)))
            told = f"of {count} of {folds} folds, in {kept.folder}" if count else "none kept"
            rows.append((name, told))
    lines = Table.grid(padding=(0, 2))
    for name, told in rows:
        lines.add_row(name, Text(told, overflow="fold"))
    console.print(lines)
    if recipe:
        console.print()
        console.print(recipe_file.recipe_toml(recipe), markup=False, soft_wrap=True, end="")
