"""What `automask search --dry-run` prints."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from automask.cli.options import terminal

if TYPE_CHECKING:
    from rich.table import Table

    from automask.api.dry_run import DryRun, Planned


def show_dry_run(asked: dict[str, Any], json: bool, quiet: bool) -> None:
    """Print what a search that is asked for would do."""
    from automask.api.dry_run import dry_run
    from automask.cli.json_output import print_json
    from automask.cli.notes import printed
    from automask.units import seconds_of

    timeout = asked.pop("timeout")
    limit = seconds_of(timeout) if timeout else None
    with printed(terminal(json, quiet), "note: "):
        planned = dry_run(**asked)
    if json:
        print_json({**vars(planned), "seconds": planned.seconds})
        return
    console = terminal()
    for text in planned.notes:
        console.print(f"note: {text}", markup=False, soft_wrap=True)
    if planned.first:
        console.print(_table(planned.first))
        console.print()
    for line in _lines(planned, limit):
        console.print(line, markup=False, soft_wrap=True)


def _table(first: tuple[Planned, ...]) -> Table:
    from rich.table import Table
    from rich.text import Text

    from automask.units import duration

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("tried first", "GFLOP", "about"):
        table.add_column(name, justify="left" if name == "tried first" else "right", no_wrap=True)
    table.add_column("recipe")
    for one in first:
        gflop = "not known" if one.gflop is None else f"{one.gflop:,.0f}"
        seconds = "" if one.seconds is None else duration(one.seconds)
        table.add_row(Text(one.why), gflop, seconds, Text(one.recipe.describe()))
    return table


def _lines(planned: DryRun, limit: float | None) -> Iterator[str]:
    from automask.units import duration, format_bytes

    if not planned.counted:
        yield (
            "before that a new study measures what to begin with (automask advise tells it now), and "
            f"decodes {planned.images:,} images, whose maps take up to "
            f"{format_bytes(planned.map_bytes)}"
        )
    costs = [one.gflop for one in planned.drawn if one.gflop is not None]
    seconds = [one.seconds for one in planned.drawn if one.seconds is not None]
    if costs:
        took = f", {duration(min(seconds))} to {duration(max(seconds))}" if seconds else ""
        yield (
            f"{len(planned.drawn)} recipes drawn from the space cost {min(costs):,.0f} to "
            f"{max(costs):,.0f} GFLOP{took}; the middle one {statistics.median(costs):,.0f}"
        )
    left = max(0, planned.trials - planned.counted)
    count = f"{left} more trials" if planned.counted else f"{left} trials"
    if planned.seconds is not None:
        yield (
            f"{count} of {planned.folds} folds by {planned.workers} "
            f"worker{'s' * (planned.workers > 1)} like these take about {duration(planned.seconds)}; a "
            "search takes less, as it begins with what costs little, and prunes"
        )
        if limit is not None and limit < planned.seconds:
            share = limit / planned.seconds
            yield f"--timeout ends it after {duration(limit)}, by about {max(1, round(left * share))}"
    yield (
        "seconds go by the trials of this study"
        if planned.measured
        else "seconds go by one pass of the default network, timed now: their order of magnitude"
    )
    yield "nothing was trained, and no study was made"
