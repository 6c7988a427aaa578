"""Charts as SVG text, drawn in the page's own colours: each a function of nothing but its numbers.

What a mark stands for is in its `<title>`, and what a chart shows in its `aria-label`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

WIDTH, HEIGHT = 480, 250
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 12, 34


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers within the range, at most so many."""
    if not high > low:
        return [low]
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def history(trials: Sequence[Mapping[str, Any]]) -> str:
    """Each trial's score where it has one, and the best so far as a line.

    A trial is `number`, `state` (complete, pruned or failed), `value`, `best` and `recipe`; a pruned
    one's value is the last that it reported.
    """
    values: list[float] = [trial["value"] for trial in trials if trial["value"] is not None]
    if not values:
        return ""
    low, high = min(values), max(values)
    pad = (high - low or abs(high) or 1) * 0.08
    first, last = trials[0]["number"], trials[-1]["number"]

    def x(number: float) -> float:
        share = (number - first) / (last - first) if last > first else 0.5
        return LEFT + 10 + share * (WIDTH - LEFT - RIGHT - 20)

    def y(value: float) -> float:
        share = (value - low + pad) / (high - low + 2 * pad)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    marks, path = [], ""
    for trial in trials:
        at, value = x(trial["number"]), trial["value"]
        if trial["best"] is not None:
            # A step: the best holds until a better one is there.
            path += (
                f"H{at:.1f}V{y(trial['best']):.1f}" if path else f"M{at:.1f} {y(trial['best']):.1f}"
            )
        if value is None:
            continue
        title = f"trial {trial['number']}, {trial['state']}, {value:.4f}: {trial['recipe']}"
        if trial["state"] == "complete":
            shape = f'<circle class="dot" cx="{at:.1f}" cy="{y(value):.1f}" r="4">'
            marks.append(f"{shape}<title>{escape(title)}</title></circle>")
        else:
            cross = f"M{at - 3.5:.1f} {y(value) - 3.5:.1f}l7 7m0 -7l-7 7"
            marks.append(f'<path class="cross" d="{cross}"><title>{escape(title)}</title></path>')
    grid = grid_y([(y(tick), f"{tick:g}") for tick in ticks(low - pad, high + pad)])
    numbers = sorted({round(tick) for tick in ticks(first, last, 6)})
    grid += "".join(label_x(x(number), HEIGHT - 16, str(number)) for number in numbers)
    grid += label_x((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 2, "trial")
    line = f'<path class="line" d="{path}"/>' if path else ""
    label = f"{len(values)} scores over {len(trials)} trials, the best {high:.4f}"
    return frame_svg(WIDTH, HEIGHT, label, grid + line + "".join(marks))


def whisker(value: float, low: float, high: float, begin: float, end: float) -> str:
    """A score with its interval on a scale from `begin` to `end`, as wide as there is place."""

    def x(number: float) -> str:
        share = (number - begin) / (end - begin) if end > begin else 0.5
        return f"{100 * min(1.0, max(0.0, share)):.1f}%"

    line = f'<line class="whisker" x1="{x(low)}" x2="{x(high)}" y1="8" y2="8"/>'
    return (
        f'<svg class="strip" width="100%" height="16" aria-hidden="true">'
        f'<line class="rail" x1="0" x2="100%" y1="8" y2="8"/>{line}'
        f'<circle class="dot" cx="{x(value)}" cy="8" r="4.5"/></svg>'
    )


def reliability(bins: Sequence[Mapping[str, Any]]) -> str:
    """How often the likeliest class is right against how likely it was said to be, a dot a bin.

    A bin has mean `confidence`, `accuracy` and the `count` of its rows, by which goes a dot's area.
    """
    most = max((row["count"] for row in bins), default=0)
    if not most:
        return ""
    side = HEIGHT - TOP - BOTTOM
    right = LEFT + side + 36

    def x(share: float) -> float:
        return LEFT + 12 + share * side

    def y(share: float) -> float:
        return HEIGHT - BOTTOM - share * side

    levels = (0, 0.25, 0.5, 0.75, 1)
    grid = grid_y([(y(level), f"{level:.0%}") for level in levels], right)
    grid += "".join(label_x(x(level), HEIGHT - 16, f"{level:.0%}") for level in levels[::2])
    grid += f'<path class="ideal" d="M{x(0):.1f} {y(0):.1f}L{x(1):.1f} {y(1):.1f}"/>'
    dots, points = "", []
    for row in bins:
        at, up = x(row["confidence"]), y(row["accuracy"])
        points.append(f"{at:.1f},{up:.1f}")
        title = f"{row['count']:,} rows said {row['confidence']:.0%}, right {row['accuracy']:.0%}"
        radius = 2.5 + 7 * math.sqrt(row["count"] / most)
        dots += (
            f'<circle class="dot soft" cx="{at:.1f}" cy="{up:.1f}" r="{radius:.1f}">'
            f"<title>{title}</title></circle>"
        )
    line = f'<polyline class="line" points="{" ".join(points)}"/>'
    label = "share of right answers by the probability said, in ten bins"
    below = label_x((x(0) + x(1)) / 2, HEIGHT - 2, "probability said")
    return frame_svg(right, HEIGHT, label, grid + below + line + dots)


def scatter(points: Sequence[Sequence[float]], name: str) -> str:
    """Predicted numbers (up) against true ones (across), a dot a row; the line is where they agree."""
    low, high = float(np.min(points)), float(np.max(points))
    pad = (high - low or 1) * 0.04
    low, high = low - pad, high + pad

    def x(value: float) -> float:
        return LEFT + 12 + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT - 24)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    levels = ticks(low, high)
    inside = grid_y([(y(level), f"{level:g}") for level in levels])
    inside += "".join(label_x(x(level), HEIGHT - 16, f"{level:g}") for level in levels)
    inside += label_x((x(low) + x(high)) / 2, HEIGHT - 2, f"true {name}")
    inside += f'<path class="ideal" d="M{x(low):.1f} {y(low):.1f}L{x(high):.1f} {y(high):.1f}"/>'
    inside += "".join(
        f'<circle class="dot soft" cx="{x(true):.1f}" cy="{y(predicted):.1f}" r="3">'
        f"<title>true {true:g}, predicted {predicted:.6g}</title></circle>"
        for true, predicted in points
    )
    return frame_svg(WIDTH, HEIGHT, f"predicted against true {name}, {len(points)} rows", inside)


def sizes(rows: Sequence[Mapping[str, Any]]) -> str:
    """Heights (up) against widths (across) in pixels, a dot a size, whose area goes by its `rows`."""
    most = max(row["rows"] for row in rows)
    wide: int = max(row["width"] for row in rows)
    tall: int = max(row["height"] for row in rows)

    def x(value: float) -> float:
        return LEFT + value / (1.06 * wide) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - value / (1.08 * tall) * (HEIGHT - TOP - BOTTOM)

    inside = grid_y([(y(level), f"{level:g}") for level in ticks(0, tall)])
    inside += "".join(label_x(x(level), HEIGHT - 16, f"{level:g}") for level in ticks(0, wide))
    inside += label_x((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 2, "width in pixels")
    square = min(wide, tall)
    inside += f'<path class="ideal" d="M{x(0):.1f} {y(0):.1f}L{x(square):.1f} {y(square):.1f}"/>'
    inside += "".join(
        f'<circle class="dot soft" cx="{x(row["width"]):.1f}" cy="{y(row["height"]):.1f}" '
        f'r="{2.5 + 7 * math.sqrt(row["rows"] / most):.1f}">'
        f"<title>{row['width']} × {row['height']}: {row['rows']:,} images</title></circle>"
        for row in rows
    )
    return frame_svg(WIDTH, HEIGHT, f"heights and widths of images, {len(rows)} sizes", inside)


def confusion(counts: ArrayLike, names: Sequence[str]) -> str:
    """Rows by their given class (down) and the likeliest (across) `[K, K]`, as shares of the row."""
    size = len(names)
    cell = max(20, min(52, 420 // size))
    margin = 20 + min(110, 7 * max(map(len, names)))
    side = cell * size
    table = np.asarray(counts)
    shares = table / np.maximum(table.sum(1, keepdims=True), 1)
    out = []
    for row, name in enumerate(names):
        middle = cell * (row + 0.5)
        short = escape(name if len(name) <= 16 else f"{name[:15]}…")
        text = f'class="name">{short}<title>{escape(name)}</title></text>'
        out.append(
            f'<text x="{margin - 8}" y="{margin + middle + 4:.1f}" text-anchor="end" {text}'
            f'<text transform="translate({margin + middle + 4:.1f} {margin - 8}) rotate(-90)" {text}'
        )
        for column in range(size):
            count, share = int(table[row, column]), float(shares[row, column])
            if not count:
                continue
            at = f'x="{margin + column * cell}" y="{margin + row * cell}"'
            kind = "right" if row == column else "wrong"
            title = escape(f"{name} taken for {names[column]}: {count:,} rows, {share:.0%}")
            out.append(
                f'<rect class="{kind}" {at} width="{cell - 1}" height="{cell - 1}" '
                f'fill-opacity="{0.06 + 0.94 * share:.3f}"><title>{title}</title></rect>'
            )
            strong = " strong" if share > 0.55 else ""
            size_of = 11 if cell >= 30 else 9
            out.append(
                f'<text class="count{strong}" font-size="{size_of}" text-anchor="middle" '
                f'x="{margin + (column + 0.5) * cell - 0.5:.1f}" '
                f'y="{margin + (row + 0.5) * cell + size_of * 0.36:.1f}">{count}</text>'
            )
    frame = f'<rect class="frame" x="{margin - 0.5}" y="{margin - 0.5}" width="{side}" height="{side}"/>'
    label = f"rows by given and by likeliest class, {size} classes"
    return frame_svg(margin + side + 2, margin + side + 2, label, frame + "".join(out))


def grid_y(lines: Sequence[tuple[float, str]], right: float = WIDTH - RIGHT) -> str:
    """Horizontal lines, each with its height and what it stands for."""
    return "".join(
        f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="tick" x="{LEFT - 7}" y="{y + 4:.1f}" text-anchor="end">{escape(text)}</text>'
        for y, text in lines
    )


def label_x(x: float, y: float, text: str) -> str:
    """A text that stands in the middle of a place."""
    return f'<text class="tick" x="{x:.1f}" y="{y:g}" text-anchor="middle">{escape(text)}</text>'


def frame_svg(width: float, height: float, label: str, inside: str) -> str:
    """The chart around what was drawn; `label` says what it shows."""
    return (
        f'<svg class="chart" viewBox="0 0 {width:g} {height:g}" style="--w: {width:g}px" role="img" '
        f'aria-label="{escape(label)}">{inside}</svg>'
    )
