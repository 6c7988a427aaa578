"""The ranges that a plugin declares for its hyperparameters, and how a search space narrows them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Float:
    """A real number from `low` to `high`, both included; `log` samples its logarithm evenly."""

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        _check_order(self)

    def __contains__(self, value: Any) -> bool:
        return _is_number(value) and self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}{' (log)' if self.log else ''}"

    def corners(self) -> list[float]:
        return [self.low, self.high]


@dataclass(frozen=True)
class Int:
    """A whole number from `low` to `high`, both included; `log` samples its logarithm evenly."""

    low: int
    high: int
    log: bool = False

    def __post_init__(self) -> None:
        _check_order(self)

    def __contains__(self, value: Any) -> bool:
        return isinstance(value, int) and _is_number(value) and self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.low} to {self.high}{' (log)' if self.log else ''}"

    def corners(self) -> list[int]:
        return [self.low, self.high]


@dataclass(frozen=True, init=False)
class Categorical:
    """One of a few values."""

    choices: tuple[Any, ...]

    def __init__(self, *choices: Any) -> None:
        if not choices:
            raise ValueError("a Categorical needs at least one choice")
        object.__setattr__(self, "choices", choices)

    def __contains__(self, value: Any) -> bool:
        return any(value == choice and type(value) is type(choice) for choice in self.choices)

    def __str__(self) -> str:
        return ", ".join(map(str, self.choices))

    def corners(self) -> list[Any]:
        return list(self.choices)


@dataclass(frozen=True, init=False)
class Text:
    """Open text such as a model's name; `examples` are what the contract check tries.

    `many` allows a list of texts too, such as several target columns, `pairs` a table of them, such as
    labels and what they become. With `tables` the text lists what
    takes hyperparameters of its own: a space has them in tables beside it, and the plugin takes them by
    ``**``, as ``TABLE.key``. Called with the plugin's ranges and those tables, it gives all ranges, and
    a sentence for each thing that is wrong.
    """

    examples: tuple[str, ...]
    many: bool
    pairs: bool
    tables: Tables | None = field(repr=False, compare=False)

    def __init__(
        self,
        *examples: str,
        many: bool = False,
        pairs: bool = False,
        tables: Tables | None = None,
    ) -> None:
        object.__setattr__(self, "examples", examples)
        object.__setattr__(self, "many", many)
        object.__setattr__(self, "pairs", pairs)
        object.__setattr__(self, "tables", tables)

    def __contains__(self, value: Any) -> bool:
        if isinstance(value, dict):
            return self.pairs and _is_texts([*value, *value.values()])
        return value is None or isinstance(value, str) or (self.many and _is_texts(value))

    def __str__(self) -> str:
        return f"text, such as {', '.join(self.examples)}" if self.examples else "text"

    def corners(self) -> list[str]:
        return list(self.examples)


Range = Float | Int | Categorical | Text
Tables = Callable[
    [Mapping[str, Range], Mapping[str, Mapping[str, Any]]], tuple[dict[str, Range], list[str]]
]


def text_tables(ranges: Mapping[str, Range]) -> Tables | None:
    """The `tables` of the text among a plugin's ranges that has some."""
    return next((r.tables for r in ranges.values() if isinstance(r, Text) and r.tables), None)


def narrow(declared: Range, wanted: Any) -> Range:
    """The part of `declared` that a search space asks for.

    A single value fixes the hyperparameter, a list gives its choices, ``{low = …, high = …}`` its
    range. Raises `ValueError` with a sentence where that isn't inside `declared`.
    """
    if isinstance(wanted, dict):
        if not isinstance(declared, Float | Int):
            raise ValueError(f"takes a value or a list of values, one of: {declared}")
        if set(wanted) != {"low", "high"}:
            raise ValueError("a range is written {low = …, high = …}")
        for bound in wanted.values():
            if bound not in declared:
                raise ValueError(f"{bound} is outside {declared}")
        return type(declared)(wanted["low"], wanted["high"], declared.log)
    choices = wanted if isinstance(wanted, list) else [wanted]
    if isinstance(declared, Float):
        choices = [float(value) if _is_number(value) else value for value in choices]
    if not choices:
        raise ValueError("an empty list leaves nothing to choose from")
    for value in choices:
        if value not in declared:
            raise ValueError(f"{value!r} is outside {declared}")
    return Categorical(*choices)


def draw(range_: Range, rng: np.random.Generator) -> Any:
    """A value of the range, each as likely, or each logarithm."""
    match range_:
        case Float():
            low, high = (math.log(end) if range_.log else end for end in range_.corners())
            value = rng.uniform(low, high)
            return clip(range_, float(math.exp(value) if range_.log else value))
        case Int(log=True):
            value = rng.uniform(math.log(range_.low - 0.5), math.log(range_.high + 0.5))
            return clip(range_, round(math.exp(value)))
        case Int():
            return int(rng.integers(range_.low, range_.high, endpoint=True))
        case Categorical():
            return range_.choices[rng.integers(len(range_.choices))]
    raise ValueError("open text has no values to draw from")


def clip(range_: Range, value: Any) -> Any:
    """The value of `range_` that is nearest to `value`: the first choice where nearness is undefined."""
    if value in range_:
        return value
    if isinstance(range_, Float | Int):
        return min(max(value, range_.low), range_.high)
    if isinstance(range_, Categorical):
        if _is_number(value) and all(map(_is_number, range_.choices)):
            return min(range_.choices, key=lambda choice: abs(choice - value))
        return range_.choices[0]
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)


def _check_order(range_: Float | Int) -> None:
    if range_.low > range_.high:
        raise ValueError(f"the range is upside down: low {range_.low} is above high {range_.high}")
    if range_.log and range_.low <= 0:
        raise ValueError(f"a logarithmic range must start above 0, not at {range_.low}")
