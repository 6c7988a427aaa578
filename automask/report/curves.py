"""Lines over steps as SVG text, drawn as `charts` draws."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from automask.report.charts import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    frame_svg,
    grid_y,
    label_x,
    ticks,
)

#: So many lines have a colour of their own; what comes after them is grey.
COLOURED = 3
Line = tuple[str, Sequence[float | None]]


def lines(named: Sequence[Line], steps: str) -> str:
    """A line for each (name, values), its values over 1, 2, …; None where there is no value.

    `steps` says what is counted below. Empty where no line has a value.
    """
    values = [value for _, line in named for value in line if value is not None]
    if not values:
        return ""
    low, high = min(values), max(values)
    pad = (high - low or abs(high) or 1) * 0.08
    last = max(len(line) for _, line in named)

    def x(step: float) -> float:
        share = (step - 1) / (last - 1) if last > 1 else 0.5
        return LEFT + 10 + share * (WIDTH - LEFT - RIGHT - 20)

    def y(value: float) -> float:
        share = (value - low + pad) / (high - low + 2 * pad)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    inside = grid_y([(y(tick), f"{tick:g}") for tick in ticks(low - pad, high + pad)])
    marks = sorted({round(tick) for tick in ticks(1, last, 6)})
    inside += "".join(
        label_x(x(step), HEIGHT - 16, str(step)) for step in marks if 1 <= step <= last
    )
    inside += label_x((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 2, steps)
    for place, (name, line) in reversed(list(enumerate(named))):
        points = [(x(step), y(v), v) for step, v in enumerate(line, 1) if v is not None]
        if not points:
            continue
        kind = f"l{place}" if place < COLOURED else "rest"
        path = " ".join(f"{at:.1f},{up:.1f}" for at, up, _ in points)
        title = f"<title>{escape(name)}</title>"
        inside += f'<polyline class="line {kind}" points="{path}">{title}</polyline>'
        inside += "".join(
            f'<circle class="dot {kind}" cx="{at:.1f}" cy="{up:.1f}" r="3.5">'
            f"<title>{escape(name)}: {value:.4f}</title></circle>"
            for at, up, value in points
        )
    label = f"{len(named)} lines over {last} {steps}, from {low:.4g} to {high:.4g}"
    return frame_svg(WIDTH, HEIGHT, label, inside)
