"""Where recipes lie in their space, and how far from each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from automask.space.ranges import Categorical, Float, Int, Range
from automask.space.recipe import Recipe
from automask.space.space import Space, plain_name


class GowerDistance:
    """Where recipes lie in their space, as a row of numbers each: numbers go from 0 to 1, and choices
    are counted. What a recipe doesn't have is not-a-number."""

    def __init__(self, rows: list[dict[str, tuple[Any, Range]]]) -> None:
        self.names = sorted({plain_name(name) for row in rows for name in row})
        self.choices: dict[str, list[Any]] = {name: [] for name in self.names}
        self.categorical = np.zeros(len(self.names), bool)
        for row in rows:
            for name, (_, range_) in row.items():
                if isinstance(range_, Categorical):
                    self.categorical[self.names.index(plain_name(name))] = True
        self.rows = np.array([self.vector(row) for row in rows])

    def vector(self, row: Mapping[str, tuple[Any, Range]]) -> np.ndarray:
        """`[P]`; what no recipe of these has is left out, as it tells none from another."""
        place = np.full(len(self.names), np.nan)
        for name, (value, range_) in row.items():
            key = plain_name(name)
            if key in self.choices:
                place[self.names.index(key)] = self._number(key, value, range_)
        return place

    def distances(self, row: Mapping[str, tuple[Any, Range]]) -> np.ndarray:
        """`[R]`: Gower's (1971), summed over what both have: 1 where choices differ, else the
        difference as a share of the range (of its logarithm where that is what is drawn evenly)."""
        difference = np.abs(self.rows - self.vector(row))
        difference[:, self.categorical] = np.where(
            np.isnan(difference[:, self.categorical]),
            np.nan,
            difference[:, self.categorical] > 0,
        )
        distances: np.ndarray = np.nansum(difference, axis=1)
        return distances

    def _number(self, name: str, value: Any, range_: Range) -> float:
        if isinstance(range_, Categorical):
            choices = self.choices[name]
            if value not in choices:
                choices.append(value)
            return float(choices.index(value))
        if not isinstance(range_, Float | Int):
            raise ValueError(f"{name}: open text")
        low, high = range_.low, range_.high
        if low == high:
            return 0.0
        if range_.log:
            return float(np.log(value / low) / np.log(high / low))
        return float((value - low) / (high - low))


def parameters(space: Space, recipe: Recipe) -> dict[str, tuple[Any, Range]]:
    """A recipe's free hyperparameters by the names that `Space.sample` gives them, with their ranges."""
    params: dict[str, tuple[Any, Range]] = {}

    def suggest(name: str, range_: Range) -> Any:
        kind, _, rest = plain_name(name).partition(".")
        if kind == "training":
            value = recipe.training[rest]
        elif not rest:
            value = recipe[kind].name
        else:
            value = recipe[kind].params[rest.partition(".")[2]]
        params[name] = value, range_
        return value

    space.sample(suggest)
    return params
