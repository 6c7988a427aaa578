"""What replays say, as a table of figures, a text and a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.replay import figures
from benchmarks.replay.figures import Estimate, estimate
from benchmarks.replay.searching import Run, Strategy
from benchmarks.replay.strategies import COMPARED, OURS, PRUNERS, RANDOM, SAMPLERS
from benchmarks.replay.table import Table

Found = Sequence[tuple[Table, dict[str, list[Run]]]]
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
SPEED, RECALL = 1 / 8, 0.9


def results(found: Found) -> dict[str, dict[str, Any]]:
    """The figures that have goals, `{name: {value, goal, unit, better}}`; None was never reached."""
    values: dict[str, dict[str, Any]] = {}
    chosen = _choices(found, _known(found, PRUNERS), _pruning) if len(found) > 1 else {}
    for table, runs in found:
        own, random = runs[OURS.name], runs[RANDOM.name]
        values[f"{table.name}: compute to random search's best of {trials(random)}"] = {
            "value": figures.speed(table, own, random).mean,
            "goal": SPEED,
            "unit": "ratio",
            "better": "smaller",
        }
        values[f"{table.name}: top-{figures.TOP} recall of the pruner"] = {
            "value": estimate([figures.recall(table, run) for run in own]).mean,
            "goal": RECALL,
            "unit": "ratio",
            "better": "bigger",
        }
        if table.name in chosen:
            other = runs[chosen[table.name]]
            values[f"{table.name}: the same, the pruner chosen on the other tasks"] = {
                "value": estimate([figures.recall(table, run) for run in other]).mean,
                "goal": RECALL,
                "unit": "ratio",
                "better": "bigger",
            }
        for after in figures.AFTER:
            values[f"{table.name}: regret after {after} trials"] = {
                "value": estimate([figures.regret(table, run, after) for run in own]).mean,
                "goal": estimate([figures.regret(table, run, after) for run in random]).mean,
                "unit": "macro-F1",
                "better": "smaller",
            }
    return values


def text(found: Found, seeds: int) -> str:
    """Markdown: a table of strategies a task, and what two tasks choose for the third."""
    parts = ["![Best score against seconds](replay.png)"]
    parts += [f"{seeds} seeds a strategy and task; mean ± standard error."]
    parts += [_counts(table) for table, _ in found]
    for table, runs in found:
        head = ["strategy", "compute", "recall"]
        head += [f"regret, {after}" for after in figures.AFTER] + ["cost", "ensemble"]
        lines = [
            [_named(s.name, runs[s.name], seeds), *_row(table, runs[s.name], runs[RANDOM.name])]
            for s in COMPARED
            if s.name in runs
        ]
        parts += [f"### {table.name}", _table(head, lines)]
    if len(found) > 1:
        for what, strategies, judge in (
            ("sampler", SAMPLERS, _area),
            ("pruner", PRUNERS, _pruning),
        ):
            title = f"### The {what}, chosen on the other tasks"
            parts += [title, _chosen(found, _known(found, strategies), judge)]
    return "\n\n".join(parts)


def _named(name: str, runs: Sequence[Run], seeds: int) -> str:
    return name if len(runs) == seeds else f"{name} ({len(runs)} seeds)"


def trials(runs: Sequence[Run]) -> int:
    return max(len(run.rows) for run in runs)


def _counts(table: Table) -> str:
    done = len(table) + table.failed
    part = "" if done >= table.wanted else f" of {table.wanted} (a part of what is to be recorded)"
    seconds = np.nansum(table.seconds, axis=(1, 2)) + np.nansum(table.scoring, axis=(1, 2))
    best = table.value.max()
    return (
        f"{table.name}: {done} recipes{part}, of which {table.failed} failed; "
        f"{seconds.mean():.0f} s a recipe, the best of all {best:.4f}, the median "
        f"{np.median(table.value):.4f}."
    )


def _row(table: Table, runs: Sequence[Run], random: Sequence[Run]) -> list[str]:
    found: list[Estimate] = [
        figures.speed(table, runs, random),
        estimate([figures.recall(table, run) for run in runs]),
        *(estimate([figures.regret(table, run, after) for run in runs]) for after in figures.AFTER),
        estimate([figures.cost(table, run) for run in runs]),
        estimate([figures.ensemble(table, run) for run in runs]),
    ]
    return [str(one) for one in found]


Judge = Callable[[Table, Sequence[Run], Sequence[Run]], float]


def _area(table: Table, runs: Sequence[Run], random: Sequence[Run]) -> float:
    return figures.area(table, runs, random)


def _pruning(table: Table, runs: Sequence[Run], random: Sequence[Run]) -> float:
    """Its cost; where it may lose more of the best than is allowed, more than any that doesn't.

    What it keeps is taken two standard errors lower, as the least cost goes to who was lucky.
    """
    kept = estimate([figures.recall(table, run) for run in runs])
    lost = RECALL - (kept.mean - 2 * kept.error)
    return float(np.mean([figures.cost(table, run) for run in runs])) + 10 * max(0.0, lost)


def _known(found: Found, strategies: Sequence[Strategy]) -> list[str]:
    names = dict.fromkeys(strategy.name for strategy in strategies)
    return [name for name in names if all(name in runs for _, runs in found)]


def _choices(found: Found, names: Sequence[str], judge: Judge) -> dict[str, str]:
    """By task, what the other tasks choose for it."""
    scores = {
        name: {t.name: judge(t, runs[name], runs[RANDOM.name]) for t, runs in found}
        for name in names
    }
    return {table.name: figures.elsewhere(scores, table.name) for table, _ in found}


def _chosen(found: Found, names: Sequence[str], judge: Judge) -> str:
    cells = {
        name: {t.name: _cell(t, runs[name], runs[RANDOM.name]) for t, runs in found}
        for name in names
    }
    lines = []
    for (table, runs), (task, one) in zip(
        found, _choices(found, names, judge).items(), strict=True
    ):
        scores = {name: judge(table, runs[name], runs[RANDOM.name]) for name in names}
        best = min(names, key=scores.__getitem__)
        told = [f"“{name}” has {cells[name][task]}" for name in dict.fromkeys([best, names[0]])]
        chosen = f"- For {task} the others choose “{one}”, which has {cells[one][task]} there"
        lines.append(f"{chosen}; {' and '.join(told)}.")
    table_ = _table(["", *cells[names[0]]], [[name, *cells[name].values()] for name in names])
    return f"Regret's area, cost and recall.\n\n{table_}\n\n" + "\n".join(lines)


def _cell(table: Table, runs: Sequence[Run], random: Sequence[Run]) -> str:
    cost, kept = (
        np.mean([of(table, run) for run in runs]) for of in (figures.cost, figures.recall)
    )
    return f"{figures.area(table, runs, random):.2f}; {cost:.2f}; {kept:.2f}"


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    cells = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def fill(file: Path, figures_: str, begin: str = BEGIN, end: str = END) -> None:
    """Put the figures between their marks, and leave what is said of them."""
    before, _, rest = file.read_text("utf-8").partition(begin)
    _, _, after = rest.partition(end)
    file.write_text(f"{before}{begin}\n\n{figures_}\n\n{end}{after}", "utf-8")


def draw(found: Found, file: Path) -> None:
    """The best score against seconds: the mean over seeds, and a standard error either side."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(found), figsize=(5 * len(found), 4), squeeze=False)
    for axis, (table, runs) in zip(axes[0], found, strict=True):
        grid = figures.grid_of(runs[RANDOM.name])
        for strategy in COMPARED[:5]:
            if strategy.name not in runs:
                continue
            own = figures.curves(table, runs[strategy.name], grid)
            mean = own.mean(0)
            error = own.std(0, ddof=1) / np.sqrt(len(own)) if len(own) > 1 else 0 * mean
            axis.plot(grid, mean, label=strategy.name)
            axis.fill_between(grid, mean - error, mean + error, alpha=0.25)
        axis.axhline(table.value.max(), color="grey", linestyle=":", linewidth=1)
        axis.set(title=f"{table.name}, {len(table)} recipes", xlabel="processor seconds")
        axis.set_ylim(bottom=np.quantile(table.value, 0.5))
    axes[0][0].set_ylabel("best macro-F1 so far")
    axes[0][0].legend(loc="lower right", fontsize=8)
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    plt.close(figure)
