"""All networks of a space at all its image sizes, ranked by a probe before anything trains."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automask.diagnostics.linear_probe import Estimate, Sample, metric_of
from automask.space.ranges import Int, Range
from automask.space.recipe import Recipe
from automask.space.space import Space
from automask.training import flops


@dataclass(frozen=True)
class Candidate:
    """A network at an image size in pixels; `model` is None where the backbone has no choice of it."""

    backbone: str
    model: str | None
    size: int

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> Candidate:
        choice = recipe["backbone"]
        return cls(choice.name, choice.params.get("model"), recipe.training["image_size"])

    @property
    def values(self) -> dict[str, Any]:
        """What makes a recipe of a space use it (see `Space.nearest`)."""
        values = {"backbone": self.backbone, "training.image_size": self.size}
        return (
            values
            if self.model is None
            else values | {f"backbone.{self.backbone}.model": self.model}
        )

    def __str__(self) -> str:
        return f"{self.model or self.backbone} at {self.size} px"


@dataclass(frozen=True)
class Ranking:
    """Candidates with the probe's score of each, best first, of `total` that there are.

    `failed` tells what is wrong with others, and `lead` by how much the best is better than the one
    that it was held against, as a share of the metric's room; None where it is that itself, or where
    either has no score.
    """

    scores: Mapping[Candidate, float]
    failed: Mapping[Candidate, str]
    total: int
    lead: Estimate | None
    seconds: float

    @property
    def best(self) -> Candidate | None:
        return next(iter(self.scores), None)

    @property
    def leads(self) -> bool:
        """Is the best better than what it was held against, by more than a standard error?"""
        return self.lead is not None and self.lead.value > self.lead.error

    def sentences(self, metric: str, top: int) -> list[str]:
        """The best few in a line, then what went wrong."""
        best = [f"{one} {score:.3f}" for one, score in itertools.islice(self.scores.items(), top)]
        if len(best) < len(self.scores):
            best.append("…")
        done = len(self.scores) + len(self.failed)
        count = f"{done} of {self.total}, the cheapest" if done < self.total else f"all {done}"
        ranked = f"networks by {metric} of a probe ({count}, {self.seconds:.1f} s)"
        return [f"{ranked}: {', '.join(best) or 'none'}", *self.failed.values()]


def candidates(space: Space) -> dict[Candidate, Recipe]:
    """Every network of the space at every size, with a recipe that gives its features, pretrained where
    the space has that.

    Of a range of sizes these are its ends and the middle.
    """
    recipes: dict[Candidate, Recipe] = {}
    sizes = _steps(space.training["image_size"])
    for name, ranges in space.competitors["backbone"].items():
        models = getattr(ranges.get("model"), "choices", (None,))
        for model, size in itertools.product(models, sizes):
            plain = {"training.pretrained": True, "augmentation": "none"}
            recipe, _ = space.nearest({**plain, **Candidate(name, model, size).values})
            recipes.setdefault(Candidate.from_recipe(recipe), recipe)
    return recipes


def _steps(sizes: Range) -> list[Any]:
    if not isinstance(sizes, Int):
        return sizes.corners()
    return sorted({sizes.low, round(math.sqrt(sizes.low * sizes.high)), sizes.high})


def allowance(sample: Sample, default: Recipe) -> float:
    """GFLOP that a ranking may take: those of a trial that trains the default recipe's network whole."""
    gflop = flops.forward(sample.task, default)
    if gflop is None:
        return math.inf
    folds, rows = sample.task.fold_count, len(sample.task.data.labels)
    total: float = flops.TRAINED * default.training["epochs"] * (folds - 1) * rows * gflop
    return total


def affordable(
    sample: Sample, among: Mapping[Candidate, Recipe], allowance: float
) -> list[Candidate]:
    """The cheapest of them, cheapest first, through all of which a pass of the sample's rows takes
    `allowance` GFLOP at most.

    FLOPs grow with an image's area, so that a network is measured once, at the smallest size that it
    takes.
    """
    by_area: dict[tuple[str, str | None], float] = {}
    for one in sorted(among, key=lambda one: one.size):
        network = one.backbone, one.model
        if network not in by_area and (gflop := flops.forward(sample.task, among[one])) is not None:
            by_area[network] = gflop / one.size**2

    def pass_gflop(one: Candidate) -> float:
        # What can't be built costs nothing, and is told when its turn comes.
        return by_area.get((one.backbone, one.model), 0.0) * one.size**2 * len(sample.rows)

    order = sorted(among, key=pass_gflop)
    totals = itertools.accumulate(map(pass_gflop, order))
    return [one for one, total in zip(order, totals, strict=True) if total <= allowance]


def rank(
    sample: Sample,
    among: Mapping[Candidate, Recipe],
    order: Sequence[Candidate],
    features: Mapping[Candidate, np.ndarray | str] | None = None,
    against: Candidate | None = None,
    until: float = math.inf,
) -> Ranking:
    """The probe's score of each, in that order, as long as it isn't `until` (Unix time).

    `features` are those that were computed before, or why there are none. The lead of the best is over
    the candidate `against`.
    """
    begin, features = time.perf_counter(), features or {}
    probability: dict[Candidate, np.ndarray] = {}
    scores: dict[Candidate, float] = {}
    failed: dict[Candidate, str] = {}
    for one in order:
        if time.time() >= until:
            break
        own = features[one] if one in features else sample.features(among[one])
        if isinstance(own, str):
            failed[one] = own
            continue
        probability[one] = sample.probe.predict(own)
        score = sample.probe.metric(sample.probe.labels, probability[one])
        if math.isfinite(score):
            scores[one] = score
        else:
            failed[one] = f"{one}: {metric_of(sample.task)} isn't finite"
    ranked = dict(sorted(scores.items(), key=lambda pair: -pair[1]))
    best, lead = next(iter(ranked), None), None
    if best is not None and against in ranked and best != against:
        lead = sample.probe.difference(probability[best], [probability[against]])
    return Ranking(ranked, failed, len(among), lead, time.perf_counter() - begin)
