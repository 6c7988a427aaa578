"""What asks Optuna for the values of a recipe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from optuna.trial import BaseTrial

from automask.errors import UserError
from automask.space.ranges import Categorical, Float, Int, Range


def suggester(trial: BaseTrial) -> Callable[[str, Range], Any]:
    """What asks Optuna for a value of a range."""

    def suggest(name: str, range_: Range) -> Any:
        match range_:
            case Float():
                return trial.suggest_float(name, range_.low, range_.high, log=range_.log)
            case Int():
                return trial.suggest_int(name, range_.low, range_.high, log=range_.log)
            case Categorical():
                return trial.suggest_categorical(name, range_.choices)
        raise UserError(f"{name}: open text can't be searched; give a list of names")

    return suggest
