"""TODO importance."""

from __future__ import annotations

from collections.abc import Sequence

import optuna
from optuna.trial import TrialState
from rich.console import Console
from rich.table import Table
from rich.text import Text

from automask.hpo.importance import FEW, LEAST, SHOWN, Factor, factors


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
    metric = study.user_attrs.get("fingerprint", {}).get("metric", "score")
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
