"""The transfer matrix, measured: enough data or not, similar to the pretraining or not.

Both are told by a closed-form probe on cached features (`automask.probing`) before anything trains,
and decide which recipes a search begins with.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automask.errors import DiskError, UserError, full
from automask.recipe import Recipe
from automask.space import Space
from automask.weights import Weights

if TYPE_CHECKING:
    from automask.probing import Estimate
    from automask.session import Session
    from automask.task import Task

#: Rows that the probe sees at most.
ROWS = 1000
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
    seconds: float


@dataclass(frozen=True)
class Case:
    """A field of the matrix: what to do, in a sentence, and what that means for a recipe."""

    enough: bool
    similar: bool | None
    sentence: str
    follows: tuple[str, ...]
    wishes: tuple[Mapping[str, Any], ...]

    @property
    def name(self) -> str:
        data = "enough data" if self.enough else "little data"
        if self.similar is None:
            return f"{data}, nothing pretrained"
        return f"{data}, {'' if self.similar else 'not '}similar to the pretraining"


def _wish(freeze: str, augmentation: str, lr: Mapping[str, float], **more: Any) -> dict[str, Any]:
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
            _wish("head_only", "none", HIGH),
            _wish("head_only", "light", MIDDLE),
            _wish("last_stages", "none", LOW, **{"freeze.last_stages.share": 0.25}),
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
            _wish("full", "light", HIGH),
            _wish("full", "none", MIDDLE),
            _wish("full", "light", HIGH, **SCRATCH),
        ),
    ),
    Case(
        False,
        True,
        "fine-tune some: keep the early stages, and train the late ones gently",
        (
            "freeze: last_stages or gradual",
            "pretrained: yes",
            "learning rate: low",
            "augmentation: light or stronger",
        ),
        (
            _wish("last_stages", "light", MIDDLE, **{"freeze.last_stages.share": 0.5}),
            _wish("gradual", "light", MIDDLE),
            _wish("last_stages", "light", LOW, **{"freeze.last_stages.share": 0.75}),
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
            _wish("full", "light", MIDDLE),
            _wish("full", "light", HIGH, **SCRATCH),
            _wish("full", "light", HIGH),
        ),
    ),
    Case(
        True,
        None,
        "train all from random weights: there is enough to learn from",
        ("freeze: full", "learning rate: high", "augmentation: none or light"),
        (_wish("full", "light", HIGH), _wish("full", "none", HIGH)),
    ),
    Case(
        False,
        None,
        "find pretrained weights (--weights): there is little to learn features from",
        ("freeze: full", "learning rate: high", "augmentation: the strongest that keeps the label"),
        (_wish("full", "light", HIGH), _wish("full", "light", MIDDLE)),
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


def recipes(case: Case, space: Space) -> list[tuple[Recipe, dict[str, Any]]]:
    """The case's recipes moved into the space, with their free hyperparameters by name.

    Those that become the same, or the default recipe, are left out.
    """
    found: list[tuple[Recipe, dict[str, Any]]] = []
    known = {space.default()[0].hash}
    for wishes in case.wishes:
        recipe, free = space.preferring({**wishes, "freeze": _nearest(wishes["freeze"], space)})
        if recipe.hash not in known:
            found.append((recipe, free))
        known.add(recipe.hash)
    return found


def probed(space: Space, weights: Mapping[str, Weights]) -> Recipe:
    """The recipe whose backbone is probed: the default one's, or that of the lightest weights given.

    Of weights in a hub the size isn't known before they are fetched.
    """
    wishes: dict[str, Any] = {"training.pretrained": True, "augmentation": "none"}
    files = {weights[m].file: (lib, m) for lib, m in space.models() if m in weights}
    if files:
        library, model = files[min(files, key=lambda file: (Path(file).stat().st_size, file))]
        wishes |= {"backbone": library, f"backbone.{library}.model": model}
    return space.preferring(wishes)[0]


def measure(task: Task, recipe: Recipe) -> Evidence | str:
    """Both figures by the recipe's backbone, as it is and with random weights; or why there are none.

    The test rows take no part, and of more than `ROWS` train rows a draw does, group after group.
    """
    begin = time.perf_counter()
    import numpy as np

    from automask.features import Features
    from automask.probing import Probe, by_units

    rng = np.random.default_rng(task.seed)
    labels = task.data.labels
    units = np.arange(len(labels)) if task.data.groups is None else task.data.groups
    share = -(-ROWS // (int(task.folds.max()) + 1))
    drawn = [
        by_units(np.flatnonzero(task.folds == fold), units, rng)[:share]
        for fold in range(int(task.folds.max()) + 1)
    ]
    rows = np.sort(np.concatenate(drawn))
    present, known = np.unique(labels[rows], return_inverse=True)
    if len(present) < 2:
        return "the rows drawn for it are of one class"
    columns = _widened(task.score, present, len(task.data.counts))
    probe = Probe(columns, known, task.folds[rows], units[rows], task.seed)
    chance, perfect = probe.room
    if not (math.isfinite(chance) and math.isfinite(perfect) and perfect > chance):
        return f"{task.metric} is {chance:.3g} by chance and {perfect:.3g} at best"
    try:
        features = Features(task, recipe).of(rows)
        others = None
        if recipe.training["pretrained"]:
            plain = Recipe(recipe.choices, {**recipe.training, "pretrained": False})
            others = Features(task, plain).of(rows)
    except (UserError, OSError, RuntimeError, ValueError) as error:
        # Weights that can't be had, a network that can't take this size, memory: trials will tell.
        if isinstance(error, DiskError) or full(error) is not None:
            raise
        return f"no features of {recipe.describe()}: {str(error).strip().splitlines()[0]}"
    if not (np.isfinite(features).all() and (others is None or np.isfinite(others).all())):
        return f"the features of {recipe.describe()} aren't finite"
    gain, lift = probe.compare(features, others)
    if not all(math.isfinite(e.value + e.error) for e in (gain, lift) if e is not None):
        return f"{task.metric} isn't finite"
    model = recipe["backbone"].params.get("model", recipe["backbone"].name)
    size, seconds = recipe.training["image_size"], time.perf_counter() - begin
    return Evidence(gain, lift, chance, perfect, model, size, len(rows), seconds)


def advise(session: Session) -> tuple[list[str], dict[str, Any]]:
    """The advice as lines of text, and what a study keeps of it."""
    assert session.space is not None
    task = session.task()
    evidence = measure(task, probed(session.space, session.weights))
    if isinstance(evidence, str):
        return [f"no advice: {evidence}"], {"recipes": [], "reason": evidence}
    case = decide(evidence)
    chosen = recipes(case, session.space)
    lines = [
        *figures(evidence, case, session.config.search.metric, len(task.data.labels)),
        f"{case.name}: {case.sentence}",
        *(f"  {line}" for line in case.follows),
    ]
    if chosen:
        lines.append("a search tries these after the default recipe:")
        lines += [f"  {recipe.describe()}" for recipe, _ in chosen]
    kept = {
        "case": case.name,
        "evidence": asdict(evidence),
        "recipes": [free for _, free in chosen],
    }
    return lines, kept


def figures(evidence: Evidence, case: Case, metric: str, rows: int) -> list[str]:
    """The two figures in words."""
    above, below = ("surely more than", "not surely more than")
    lines = [
        f"probe: {evidence.model} at {evidence.image_size} px, {evidence.rows:,} of {rows:,} train "
        f"rows, {evidence.seconds:.1f} s; in % of {metric}'s way from {evidence.chance:.3g} by chance "
        f"to {evidence.perfect:.3g}",
        f"enough? the second half of the rows gains {_told(evidence.gain)}: "
        f"{'surely less than' if case.enough else 'not surely less than'} {MATTERS:.0%}",
    ]
    if evidence.lift is None:
        return [*lines, "similar? the space has nothing pretrained to measure it by"]
    return [
        *lines,
        f"similar? the pretraining gains {_told(evidence.lift)} over random weights: "
        f"{above if case.similar else below} {MATTERS:.0%}",
    ]


def _told(estimate: Estimate) -> str:
    low, high = estimate.interval
    return f"{100 * estimate.value:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def _nearest(freeze: str, space: Space) -> str:
    """The freeze strategy, or the space's that trains about as much of the network."""
    here = [name for name in FREEZES if name in space.competitors["freeze"]]
    place = FREEZES.index(freeze)
    return min(here, key=lambda name: abs(FREEZES.index(name) - place), default=freeze)


def _widened(metric: Any, present: Any, classes: int) -> Any:
    """The metric of the task's classes, for probabilities `[N, present]` of some of them."""
    import numpy as np

    def widened(target: Any, probability: Any) -> float:
        wide = np.zeros((len(probability), classes))
        wide[:, present] = probability
        return float(metric(present[target], wide))

    return widened
