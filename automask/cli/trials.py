"""The trials of a study: chosen, sorted and listed; one of them with all that is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from automask.cli.display import STYLES, one_line
from automask.units import duration

if TYPE_CHECKING:
    from automask.api.studies import Factor, Importance, TrialDetails, TrialRecord


def trials_table(trials: Sequence[TrialRecord], metric: str) -> Table:
    """A row a trial."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("trial", "state", metric, "time"):
        shown.add_column(name, justify="left" if name == "state" else "right", no_wrap=True)
    shown.add_column("recipe")
    for trial in trials:
        shown.add_row(
            str(trial.number),
            Text(trial.state, STYLES.get(trial.state, "")),
            "" if trial.score is None else f"{trial.score:.4f}",
            "" if trial.seconds is None else duration(trial.seconds),
            one_line(trial.recipe) if trial.recipe else "in the queue",
        )
    return shown


#: Lines of each part of `show_importance`.
SHOWN = 15


def show_trial(trial: TrialDetails, console: Console) -> None:
    """Print what is known of one trial, and its recipe as TOML."""
    ended = "" if trial.score is None else f", {trial.metric} {trial.score:.4f}"
    rows = [("trial", f"{trial.number} of study '{trial.study}': {trial.state}{ended}")]
    if trial.message:
        rows.append(("reason", trial.message))
    if trial.folds:
        rows.append(("folds", ", ".join(f"{value:.4f}" for value in trial.folds.values())))
    if trial.seconds is not None:
        rows.append(("time", duration(trial.seconds)))
    if trial.cost is not None:
        rows.append(("cost", f"{trial.cost:,.0f} GFLOP"))
    if trial.ended:
        rows.append(("ended", f"{trial.ended:%Y-%m-%d %H:%M}"))
    rows.append(("came by", trial.origin))
    if trial.recipe:
        for name, count in (("probabilities", trial.probabilities), ("weights", trial.weights)):
            share = f"of {count} of {trial.fold_count} folds, in {trial.folder}"
            rows.append((name, share if count else "none kept"))
    lines = Table.grid(padding=(0, 2))
    for name, text in rows:
        lines.add_row(name, Text(text, overflow="fold"))
    console.print(lines)
    if trial.toml:
        console.print()
        console.print(trial.toml, markup=False, soft_wrap=True, end="")


def show_importance(importance: Importance, console: Console) -> None:
    """Print what mattered, plugins' choices first; a sentence where there are too few trials."""
    if importance.complete < importance.LEAST:
        console.print(
            f"{importance.complete} complete trials say nothing about what mattered: at least "
            f"{importance.LEAST} are needed, and from {importance.FEW} on it is more than a hint",
            soft_wrap=True,
        )
        return
    console.print(
        f"what mattered for {importance.metric}, by {importance.complete} complete and "
        f"{importance.pruned} pruned trials",
        soft_wrap=True,
    )
    if importance.complete < importance.FEW:
        console.print(f"with less than {importance.FEW} complete trials, take it as a hint")
    factors = importance.factors
    groups = {
        "which plugin": [f for f in factors if "." not in f.name],
        "training": [f for f in factors if f.name.startswith("training.")],
        "hyperparameters of plugins": [f for f in factors if f.name.count(".") == 2],
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
        texts = (Text(text) for text in (factor.best, factor.all))
        table.add_row(Text(factor.name), f"{factor.share:.0%}", str(factor.trials), *texts)
    return table
