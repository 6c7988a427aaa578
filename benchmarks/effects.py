"""What `python -m benchmarks.techniques` measured, as the tables of docs/techniques.md."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from automask.space.recipe import Recipe
    from benchmarks.subsamples import Source
    from benchmarks.techniques import Technique

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


@dataclass(frozen=True)
class Effect:
    """Mean of paired differences over seeds with its standard error, and their number."""

    mean: float
    error: float
    seeds: int

    @classmethod
    def of(cls, differences: Sequence[float]) -> Effect:
        count = len(differences)
        spread = statistics.stdev(differences) if count > 1 else math.nan
        return cls(statistics.fmean(differences), spread / math.sqrt(count), count)

    @property
    def clear(self) -> bool:
        """Is it beyond two standard errors?"""
        return abs(self.mean) > 2 * self.error

    def __str__(self) -> str:
        error = f" ± {self.error:.3f}" if self.seeds > 1 else ""
        # Rounded first, so that nothing is never told as -0.000.
        text = f"{round(self.mean, 3) + 0.0:+.3f}{error}"
        return f"**{text}**" if self.clear else text


@dataclass(frozen=True)
class Results:
    """What was measured, by task, seed and recipe."""

    default: Recipe
    techniques: Sequence[Technique]
    sources: Mapping[str, Source]
    records: Mapping[tuple[str, int, str], Mapping[str, Any]]

    def of(self, task: str, recipe: Recipe) -> dict[int, Mapping[str, Any]]:
        """A recipe's records by seed."""
        found = self.records.items()
        return {seed: r for (t, seed, hash_), r in found if (t, hash_) == (task, recipe.hash)}

    def scores(self, task: str, recipe: Recipe) -> dict[int, float]:
        known = self.of(task, recipe).items()
        return {seed: r["score"] for seed, r in known if r["score"] is not None}

    def effect(self, task: str, technique: Technique) -> Effect | None:
        """Against what it is compared with, seed by seed; None where no seed has both."""
        if not technique.fits(self.sources[task]):
            return None
        before, after = (self.scores(task, recipe) for recipe in technique.recipes())
        both = sorted(before.keys() & after.keys())
        return Effect.of([after[seed] - before[seed] for seed in both]) if both else None

    def reason(self, task: str, technique: Technique) -> str:
        """Why a run of it has no score; empty where all have."""
        if not technique.fits(self.sources[task]):
            return ""
        runs = self.of(task, technique.recipes()[1]).values()
        return next((run["reason"].splitlines()[0] for run in runs if run["reason"]), "")


def write(
    docs: Path,
    default: Recipe,
    techniques: Sequence[Technique],
    sources: Mapping[str, Source],
    records: Iterable[Mapping[str, Any]],
) -> None:
    """Put the tables between the marks of techniques.md, whose other text stays."""
    file = docs / "techniques.md"
    before, _, rest = file.read_text("utf-8").partition(BEGIN)
    # The file may have runs of recipes that have changed since.
    known = {recipe.hash for technique in techniques for recipe in technique.recipes()}
    by_key = {(r["task"], r["seed"], r["recipe"]): r for r in records if r["recipe"] in known}
    tables = report(Results(default, techniques, sources, by_key), docs)
    file.write_text(f"{before}{BEGIN}\n\n{tables}\n\n{END}{rest.partition(END)[2]}", "utf-8")


def report(results: Results, docs: Path) -> str:
    parts = [summary(results), defaults(results)]
    for kind in dict.fromkeys(technique.kind for technique in results.techniques):
        parts.append(f"## {kind}")
        if (docs / f"{kind}.png").exists():
            parts.append(f"![{kind}: an example of each]({kind}.png)")
        own = [technique for technique in results.techniques if technique.kind == kind]
        parts += [kind_table(results, own), failures(results, own)]
    parts += ["## Factored against joint heads", heads(results)]
    return "\n\n".join(filter(None, parts))


def summary(results: Results) -> str:
    """How many comparisons there are, and how many would be bold if no technique did anything."""
    pairs = itertools.product(results.sources, results.techniques)
    effects = [results.effect(task, technique) for task, technique in pairs]
    known = [effect for effect in effects if effect and effect.seeds > 1]
    bold, expected = sum(e.clear for e in known), sum(chance(e.seeds) for e in known)
    minutes = sum(record["seconds"] for record in results.records.values()) / 60
    return (
        f"{len(known)} comparisons from {len(results.records)} runs, {minutes:.0f} minutes of one "
        f"core; {bold} bold, where about {expected:.0f} would be if no technique did anything."
    )


def chance(seeds: int) -> float:
    """How often the mean of so many draws around 0 is beyond two of its own standard errors."""
    from scipy import stats

    return float(2 * stats.t.sf(2, seeds - 1))


def defaults(results: Results) -> str:
    rows = [["task", "rows at most", "macro-F1 of the default recipe", "seconds a run"]]
    for task, source in results.sources.items():
        if scores := results.scores(task, results.default):
            runs = results.of(task, results.default).values()
            seconds = statistics.fmean(run["seconds"] for run in runs)
            rows.append([task, str(source.rows), absolute(scores), f"{seconds:.1f}"])
    return table(rows)


def absolute(scores: Mapping[int, float]) -> str:
    """Their mean with its standard error."""
    effect = Effect.of(list(scores.values()))
    return f"{effect.mean:.3f}" + (f" ± {effect.error:.3f}" if effect.seeds > 1 else "")


def kind_table(results: Results, techniques: Sequence[Technique]) -> str:
    def cell(task: str, technique: Technique) -> str:
        if effect := results.effect(task, technique):
            return str(effect)
        return "failed" if results.reason(task, technique) else "–"

    rows = [["technique", "what it is", *results.sources]]
    for one in techniques:
        rows.append([one.label, one.what, *(cell(task, one) for task in results.sources)])
    return table(rows)


def failures(results: Results, techniques: Sequence[Technique]) -> str:
    """Why runs have no score, a line for each technique and task."""
    pairs = [(t, task) for t in techniques for task in results.sources]
    reasons = [(t.label, task, results.reason(task, t)) for t, task in pairs]
    return "\n".join(f"- {label}, {task}: {reason}" for label, task, reason in reasons if reason)


def heads(results: Results) -> str:
    """Absolute scores, where there are several attributes."""
    rows = [["task", "what trains", "joint", "factored", "difference"]]
    for technique in results.techniques:
        if technique.change.get("head", ("",))[0] != "factored":
            continue
        for task in results.sources:
            if effect := results.effect(task, technique):
                trains = "the head" if technique.base else "everything"
                both = [absolute(results.scores(task, one)) for one in technique.recipes()]
                rows.append([task, trains, *both, str(effect)])
    return table(rows)


def table(rows: Sequence[Sequence[str]]) -> str:
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
