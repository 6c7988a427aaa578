"""What plugins of a kind declare of themselves in their decorator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from automask import target


@dataclass(frozen=True)
class Ability:
    """Something that plugins of a kind declare of themselves: of `values`, else the `default`.

    The default is the cautious answer, with which every plugin works.
    """

    name: str
    values: tuple[Any, ...]
    default: Any

    def accepts(self, value: Any) -> bool:
        """Whether a plugin can declare it: one of the values or, of texts, several."""
        if isinstance(value, tuple):
            return bool(value) and all(isinstance(one, str) and one in self.values for one in value)
        return value in self.values


@dataclass(frozen=True)
class Step(Ability):
    """A function of plugins of a kind besides what they are themselves, None where they have none."""

    def accepts(self, value: Any) -> bool:
        return value is None or callable(value)


#: Which targets a plugin works with (`automask.target`); one that says nothing takes single classes.
TARGET = Ability("target", (*target.NAMES, target.ANY), target.SINGLE.name)
