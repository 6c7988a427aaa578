"""What a training reports while it runs, and a search while trials come and go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from automask.space.recipe import Recipe

#: The share of its epochs that a recipe is looked at with, in the first fold alone.
LOOK = 0.25


@dataclass(frozen=True)
class Step:
    """How far a trial has come: `epoch` of `epochs` in `fold`, and a score where one was taken.

    `final` says that nothing of the trial is left to save by stopping it; `micro_batch` is the number of
    rows computed at once where memory sufficed for no more.
    """

    fold: int
    epoch: int
    epochs: int
    loss: float
    score: float | None = None
    final: bool = False
    micro_batch: int | None = None


class Interrupted(Exception):
    """The trial under way must stop now and go on later."""


Report = Callable[[Step], None]


@dataclass(frozen=True)
class Event:
    """News of a worker's trial, for displays: `what` is begin, step or end.

    With begin come the seconds `expected`, where trials before it tell.
    """

    what: str
    number: int
    recipe: Recipe
    step: Step | None = None
    state: str = ""
    value: float | None = None
    seconds: float = 0.0
    message: str = ""
    expected: float | None = None
