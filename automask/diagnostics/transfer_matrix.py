"""The transfer matrix: what to begin with where data are enough or not, and similar to the pretraining
or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from automask.space.recipe import Recipe
from automask.space.space import Space

if TYPE_CHECKING:
    from automask.diagnostics.linear_probe import Estimate


#: What counts, as a share of the metric's room from chance to perfect.
MATTERS = 0.05
#: The freeze strategies by how much of the network they train.
FREEZES = ("head_only", "last_stages", "gradual", "full")
LOW = {"optimizer.adamw.lr": 5e-4, "optimizer.sgd.lr": 1e-2}
MIDDLE = {"optimizer.adamw.lr": 1e-3, "optimizer.sgd.lr": 2e-2}
HIGH = {"optimizer.adamw.lr": 3e-3, "optimizer.sgd.lr": 5e-2}


@dataclass(frozen=True)
class Evidence:
    """What the probe saw: `gain` by the second half of the rows, `lift` by the pretraining.

    Both are shares of the metric's room from `chance` to `perfect`; `lift` is None where the space has
    nothing pretrained. `model` at `image_size` pixels gave the features of `rows` of all rows.
    """

    gain: Estimate
    lift: Estimate | None
    chance: float
    perfect: float
    model: str
    image_size: int
    rows: int


@dataclass(frozen=True)
class Case:
    """A field of the matrix: what to do, in a sentence, and what that means for a recipe."""

    enough: bool
    similar: bool | None
    sentence: str
    follows: tuple[str, ...]
    values: tuple[Mapping[str, Any], ...]

    @property
    def name(self) -> str:
        data = "enough data" if self.enough else "little data"
        if self.similar is None:
            return f"{data}, nothing pretrained"
        return f"{data}, {'' if self.similar else 'not '}similar to the pretraining"


def _start(freeze: str, augmentation: str, lr: Mapping[str, float], **more: Any) -> dict[str, Any]:
    return {
        "freeze": freeze,
        "augmentation": augmentation,
        **lr,
        "training.pretrained": True,
    } | more


SCRATCH = {"training.pretrained": False}
CASES = (
    Case(
        True,
        True,
        "train the head only: the features are good as they are",
        (
            "freeze: head_only first, then last_stages with a small share",
            "pretrained: yes",
            "learning rate: high for the head, low as soon as stages train with it",
            "augmentation: none or light",
        ),
        (
            _start("head_only", "none", HIGH),
            _start("head_only", "light", MIDDLE),
            _start("last_stages", "none", LOW, **{"freeze.last_stages.share": 0.25}),
        ),
    ),
    Case(
        True,
        False,
        "train all: there is enough to learn features of its own from",
        (
            "freeze: full",
            "pretrained: as a start, and without to compare",
            "learning rate: high",
            "augmentation: light, and more epochs where time allows",
        ),
        (
            _start("full", "light", HIGH),
            _start("full", "none", MIDDLE),
            _start("full", "light", HIGH, **SCRATCH),
        ),
    ),
    Case(
        False,
        True,
        "fine-tune some: keep the early stages, and train the late ones",
        (
            "freeze: last_stages or gradual",
            "pretrained: yes",
            "learning rate: middle or high, as few rows make few steps",
            "augmentation: light or stronger",
        ),
        (
            _start("last_stages", "light", MIDDLE, **{"freeze.last_stages.share": 0.5}),
            _start("last_stages", "light", HIGH, **{"freeze.last_stages.share": 0.5}),
            _start("gradual", "light", MIDDLE),
        ),
    ),
    Case(
        False,
        False,
        "use other weights or none: these help little, and the rows are few",
        (
            "freeze: full",
            "pretrained: by data nearer to yours, or not at all",
            "learning rate: high",
            "augmentation: the strongest that keeps the label",
        ),
        (
            _start("full", "light", MIDDLE),
            _start("full", "light", HIGH, **SCRATCH),
            _start("full", "light", HIGH),
        ),
    ),
    Case(
        True,
        None,
        "train all from random weights: there is enough to learn from",
        ("freeze: full", "learning rate: high", "augmentation: none or light"),
        (_start("full", "light", HIGH), _start("full", "none", HIGH)),
    ),
    Case(
        False,
        None,
        "find pretrained weights (--weights): there is little to learn features from",
        ("freeze: full", "learning rate: high", "augmentation: the strongest that keeps the label"),
        (_start("full", "light", HIGH), _start("full", "light", MIDDLE)),
    ),
)


def decide(evidence: Evidence) -> Case:
    """The field of the matrix.

    A twentieth of the room from chance to perfect is what counts, for both: it is about what recipes
    of one family differ by anyway. Doubt counts against: data are enough only where the second half of
    the rows surely gains less (a standard error above the estimate), and similar only where the
    pretraining surely gains more (one below). For too few rows to tell are few, and weights that can't
    be told from random ones are no reason to keep them as they are.
    """
    enough = evidence.gain.value + evidence.gain.error <= MATTERS
    lift = evidence.lift
    similar = None if lift is None else lift.value - lift.error >= MATTERS
    return next(case for case in CASES if (case.enough, case.similar) == (enough, similar))


def recipes(
    case: Case, space: Space, network: Mapping[str, Any] | None = None
) -> list[tuple[Recipe, dict[str, Any]]]:
    """The case's recipes moved into the space, with their free hyperparameters by name.

    `network` are values for another backbone and image size than the default recipe's. Those that become
    the same, or the default recipe, are left out.
    """
    moved: list[tuple[Recipe, dict[str, Any]]] = []
    hashes = {space.default()[0].hash}
    for values in case.values:
        freeze = _nearest(values["freeze"], space)
        recipe, params = space.nearest({**values, **(network or {}), "freeze": freeze})
        if recipe.hash not in hashes:
            moved.append((recipe, params))
        hashes.add(recipe.hash)
    return moved


def _nearest(freeze: str, space: Space) -> str:
    """The freeze strategy, or the space's that trains about as much of the network."""
    here = [name for name in FREEZES if name in space.competitors["freeze"]]
    place = FREEZES.index(freeze)
    return min(here, key=lambda name: abs(FREEZES.index(name) - place), default=freeze)
