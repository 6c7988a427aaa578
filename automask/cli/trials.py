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

from automask.cli.display import STYLES, one_line
from automask.hpo.attributes import StudyAttributes, TrialAttributes
from automask.hpo.importance import FEW, LEAST, SHOWN, Factor, factors
from automask.hpo.trials import fold_scores, origin, recipe_of, score, state
from automask.space import recipe_file
from automask.storage.files import atomic_write
from automask.storage.study_store import StudyStore
from automask.units import duration


def trials_table(trials: Sequence[FrozenTrial], metric: str) -> Table:
    """A row a trial."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("trial", "state", metric, "time"):
        shown.add_column(name, justify="left" if name == "state" else "right", no_wrap=True)
    shown.add_column("recipe")
    for trial in trials:
        value, seconds = score(trial), TrialAttributes.read(trial).seconds
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
                "seconds": TrialAttributes.read(trial).seconds,
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


def show_trial(
    study: optuna.Study, store: StudyStore, folds: int, trial: FrozenTrial, console: Console
) -> None:
    """Print what is known of one trial, its recipe included."""
    metric, noted = StudyAttributes.read(study).metric, TrialAttributes.read(trial)
    value, recipe = score(trial), recipe_of(trial)
    ended = "" if value is None else f", {metric} {value:.4f}"
    rows = [("trial", f"{trial.number} of study '{study.study_name}': {state(trial)}{ended}")]
    if noted.message:
        rows.append(("reason", noted.message))
    if scores := fold_scores(trial):
        rows.append(("folds", ", ".join(f"{v:.4f}" for _, v in sorted(scores.items()))))
    if noted.seconds is not None:
        rows.append(("time", duration(noted.seconds)))
    if noted.cost is not None:
        rows.append(("cost", f"{noted.cost:,.0f} GFLOP"))
    if trial.datetime_complete:
        rows.append(("ended", f"{trial.datetime_complete:%Y-%m-%d %H:%M}"))
    rows.append(("came by", origin(study, trial)))
    if recipe:
        kept = store.trial(recipe.hash)
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


def show_importance(study: optuna.Study, console: Console) -> None:
    """Print what mattered, plugins' choices first; a sentence where there are too few trials."""
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    complete = sum(trial.state == TrialState.COMPLETE for trial in trials)
    if complete < LEAST:
        console.print(
            f"{complete} complete trials say nothing about what mattered: at least {LEAST} are needed, "
            f"and from {FEW} on it is more than a hint",
            soft_wrap=True,
        )
        return
    metric = StudyAttributes.read(study).metric
    console.print(
        f"what mattered for {metric}, by {complete} complete and {len(trials) - complete} pruned trials",
        soft_wrap=True,
    )
    if complete < FEW:
        console.print(f"with less than {FEW} complete trials, take it as a hint")
    found = factors(trials)
    groups = {
        "which plugin": [f for f in found if "." not in f.name],
        "training": [f for f in found if f.name.startswith("training.")],
        "hyperparameters of plugins": [f for f in found if f.name.count(".") == 2],
    }
    for title, members in groups.items():
        if members:
            console.print()
            console.print(_table(title, members[:SHOWN]))
            if len(members) > SHOWN:
                console.print(f"and {len(members) - SHOWN} that matter less")


def _table(title: str, members: Sequence[Factor]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(title, no_wrap=True)
    for name in ("share", "trials"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("best quarter")
    table.add_column("all", style="dim")
    for factor in members:
        told = (Text(text) for text in (factor.best, factor.all))
        table.add_row(Text(factor.name), f"{factor.share:.0%}", str(factor.trials), *told)
    return table
