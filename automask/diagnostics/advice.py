"""Advice before anything trains: the transfer matrix (`transfer_matrix`), measured, and networks ranked.

Both go by a closed-form probe on features (`linear_probe`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automask.diagnostics import start
from automask.diagnostics.transfer_matrix import MATTERS, Case, Evidence, decide, recipes
from automask.hpo.attributes import StudyAttributes
from automask.space.recipe import Recipe
from automask.space.space import Space
from automask.training.pretrained import Checkpoint

if TYPE_CHECKING:
    from automask.diagnostics.linear_probe import Estimate, Sample
    from automask.diagnostics.model_ranking import Candidate, Ranking
    from automask.training.task import Task


#: Ranked networks that a search tells of.
SHOWN = 4
#: Of the ranked networks that nothing in the queue uses so many come right after the advice.
BEST = 2
#: The share of the time until the deadline that ranking may take.
SHARE = 0.05


@dataclass(frozen=True)
class Advice:
    """What was measured in lines of text, those of them that a search tells (`notes`), what a study
    keeps of it (`attributes`), and the recipes that come after the default one."""

    lines: Sequence[str]
    notes: Sequence[str]
    attributes: StudyAttributes
    recipes: Sequence[Recipe] = ()


def probe_recipe(space: Space, weights: Mapping[str, Checkpoint]) -> Recipe:
    """The recipe whose backbone is probed: the default one's, or that of the lightest weights given.

    Of weights in a hub the size isn't known before they are fetched.
    """
    values: dict[str, Any] = {"training.pretrained": True, "augmentation": "none"}
    files = {weights[m].file: (lib, m) for lib, m in space.models() if m in weights}
    if files:
        library, model = files[min(files, key=lambda file: (Path(file).stat().st_size, file))]
        values |= {"backbone": library, f"backbone.{library}.model": model}
    return space.nearest(values)[0]


def measure(sample: Sample, recipe: Recipe, features: Any) -> Evidence | str:
    """Both figures by the recipe's backbone, as it is and with random weights; or why there are none.

    `features` are the sample's by that recipe, or why there are none.
    """
    from automask.diagnostics.linear_probe import metric_of

    if isinstance(features, str):
        return features
    probe = sample.probe
    others: Any = None
    if recipe.training["pretrained"]:
        others = sample.features(Recipe(recipe.choices, {**recipe.training, "pretrained": False}))
        if isinstance(others, str):
            return others
    gain, lift = probe.compare(features, others)
    if not all(math.isfinite(e.value + e.error) for e in (gain, lift) if e is not None):
        return f"{metric_of(sample.task)} isn't finite"
    from automask.diagnostics.model_ranking import Candidate

    candidate = Candidate.from_recipe(recipe)
    name = candidate.model or candidate.backbone
    return Evidence(gain, lift, *probe.room, name, candidate.size, len(sample.rows))


def advice(task: Task, space: Space, deadline: float | None = None) -> Advice:
    """Measure what a search begins with; networks are ranked in a part of the time until the deadline
    (Unix time)."""
    from automask.diagnostics import linear_probe
    from automask.diagnostics.linear_probe import metric_of
    from automask.diagnostics.model_ranking import Candidate

    begin = time.perf_counter()
    sample = linear_probe.draw(task)
    if isinstance(sample, str):
        notes = [f"no advice: {sample}"]
        queue = {"recipes": [params for _, params in start.recipes(space, {})]}
        record: dict[str, Any] = {"recipes": [], "reason": sample}
        return Advice(notes, notes, StudyAttributes(start=queue, advice=record))
    recipe = probe_recipe(space, task.weights)
    features = sample.features(recipe)
    evidence = measure(sample, recipe, features)
    seconds = time.perf_counter() - begin
    ranking = rank_networks(sample, space, {Candidate.from_recipe(recipe): features}, deadline)
    advised: list[tuple[Recipe, dict[str, Any]]] = []
    if isinstance(evidence, str):
        record = {"reason": evidence}
        lines = notes = [f"no advice: {evidence}"]
    else:
        case = decide(evidence)
        record = {"case": case.name, "evidence": asdict(evidence)}
        advised = recipes(case, space, leading(ranking))
        notes = describe_evidence(evidence, case, metric_of(task), len(task.data.labels), seconds)
        notes.append(f"{case.name}: {case.sentence}")
        lines = [*notes, *(f"  {line}" for line in case.follows)]
    probe: dict[str, Any] = {}
    best = follow_ranking(ranking, space, [recipe for recipe, _ in advised])
    if isinstance(ranking, str):
        notes, lines = [*notes, ranking], [*lines, ranking]
    elif ranking is not None:
        notes = [*notes, *ranking.sentences(metric_of(task), SHOWN)]
        lines = [*lines, *ranking.sentences(metric_of(task), len(ranking.scores))]
        scores = [(str(one), round(score, 4)) for one, score in ranking.scores.items()]
        probe = {"probe": {"recipes": [params for _, params in best], "scores": scores}}
    if advised or best:
        lines = [*lines, "a search tries these after the default recipe:"]
        lines += [_recipe_line(recipe) for recipe, _ in (*advised, *best)]
    record["recipes"] = [params for _, params in advised]
    begun = start.recipes(space, leading(ranking))
    attributes = StudyAttributes(
        start={"recipes": [params for _, params in begun]},
        passes=sample.passes,
        **probe,
        advice=record,
    )
    return Advice(lines, notes, attributes, [recipe for recipe, _ in (*advised, *best)])


def rank_networks(
    sample: Sample, space: Space, features: Mapping[Candidate, Any], deadline: float | None
) -> Ranking | str | None:
    """The space's networks by a probe, or why they aren't ranked; None where there is but one, at one
    size.

    `features` are those of some. It takes at most `SHARE` of the time until the deadline.
    """
    from automask.diagnostics.model_ranking import (
        Candidate,
        affordable,
        allowance,
        candidates,
        rank,
    )

    networks = candidates(space)
    if len(networks) < 2:
        return None
    pretrained = {one: recipe for one, recipe in networks.items() if recipe.training["pretrained"]}
    if not pretrained:
        return "networks aren't ranked: the space has nothing pretrained to tell them by"
    default, now = space.default()[0], time.time()
    until = math.inf if deadline is None else now + SHARE * (deadline - now)
    order = affordable(sample, pretrained, allowance(sample, default))
    return rank(sample, pretrained, order, features, Candidate.from_recipe(default), until)


def follow_ranking(
    ranking: Ranking | str | None, space: Space, advised: Sequence[Recipe]
) -> list[tuple[Recipe, dict[str, Any]]]:
    """Recipes with the best networks that neither the default recipe nor an advised one uses, with their
    free hyperparameters.

    In all else they are the first advised recipe, or the default one.
    """
    from automask.diagnostics.model_ranking import Candidate, Ranking

    if not isinstance(ranking, Ranking):
        return []
    queued = [space.default()[0], *advised]
    used = {Candidate.from_recipe(recipe) for recipe in queued}
    base = {**queued[:2][-1].values(), "training.pretrained": True}
    new = [one for one in ranking.scores if one not in used][:BEST]
    return [space.nearest({**base, **one.values}) for one in new]


def leading(ranking: Ranking | str | None) -> dict[str, Any]:
    """What makes a recipe use the best network, where it leads the default recipe's."""
    from automask.diagnostics.model_ranking import Ranking

    if isinstance(ranking, Ranking) and ranking.best is not None and ranking.leads:
        return ranking.best.values
    return {}


def describe_evidence(
    evidence: Evidence, case: Case, metric: str, rows: int, seconds: float
) -> list[str]:
    """The two figures in words, measured in so many seconds."""
    lines = [
        f"probe: {evidence.model} at {evidence.image_size} px, {evidence.rows:,} of {rows:,} train "
        f"rows, {seconds:.1f} s; in % of {metric}'s way from {evidence.chance:.3g} by chance "
        f"to {evidence.perfect:.3g}",
        f"enough? the second half of the rows gains {_percent(evidence.gain)}: "
        f"{'surely less than' if case.enough else 'not surely less than'} {MATTERS:.0%}",
    ]
    if evidence.lift is None:
        return [*lines, "similar? the space has nothing pretrained to measure it by"]
    return [
        *lines,
        f"similar? the pretraining gains {_percent(evidence.lift)} over random weights: "
        f"{'surely more than' if case.similar else 'not surely more than'} {MATTERS:.0%}",
    ]


def _percent(estimate: Estimate) -> str:
    low, high = estimate.interval
    return f"{100 * estimate.value:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def _recipe_line(recipe: Recipe) -> str:
    optimizer = recipe["optimizer"].params
    rate = f", lr {optimizer['lr']:.2g}" if "lr" in optimizer else ""
    return f"  {recipe.describe()}{rate}"
