"""The page on data before anything trains: what there is, what is odd, what a space would do to it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from automask.data.dataset import Dataset
from automask.diagnostics import oddities
from automask.diagnostics.near_duplicates import UNREADABLE, Pairs
from automask.report import html, submission
from automask.report.effects import show_effects
from automask.report.image_sizes import describe_sizes
from automask.report.pictures import jpeg, thumbnails
from automask.space.space import Space
from automask.target import MULTI, Number

Facts = dict[str, Any]
#: So many classes have pictures, and each so many; of several labels a row likewise.
CLASSES, EACH = 30, 8
#: Groups of near-duplicates, and odd images a kind, that are shown; the rest are counted.
SHOWN = 12
#: Pictures that the space's plugins are shown on.
TRIED = 10
#: Edge of the pictures on the page, in pixels.
EDGE = 144


@dataclass(frozen=True)
class Understood:
    """Data as somebody read them: where from, by which reader, the sentences and the lines of
    `automask.toml` that say how."""

    where: str
    reader: str
    lines: Sequence[str]
    toml: str


def write(understood: Understood, data: Dataset, pairs: Pairs, space: Space, file: Path) -> None:
    """Write the page to one HTML file that needs no other; `pairs` are those of all images.

    Raises `UserError` where the file can't be written.
    """
    facts = gather(understood, data, pairs, space)
    text = render(facts, pictures(data, facts))
    submission.put(file, lambda beside: beside.write_text(text, "utf-8"))


def render(facts: Facts, pictures: Mapping[int, str]) -> str:
    """The page's text; `pictures` are base64 JPEGs by rows of train and, after them, of test."""
    return html.render("look.html", facts=facts, pictures=pictures)


def gather(understood: Understood, data: Dataset, pairs: Pairs, space: Space) -> Facts:
    """Everything that the page says, as JSON would hold it."""
    return {
        "where": understood.where,
        "reader": understood.reader,
        "lines": list(understood.lines),
        "toml": understood.toml,
        "date": f"{datetime.now():%Y-%m-%d %H:%M}",
        "ids": [*data.train.ids, *(data.test.ids if data.test else [])],
        "train": len(data.train),
        "target": data.target.phrase,
        "classes": classes(data),
        "attributes": attributes(data),
        "sizes": describe_sizes(data),
        "groups": groups(data),
        "copies": copies(data, pairs),
        "unreadable": unreadable(pairs),
        "oddities": odd(data),
        "effects": effects(data, space),
    }


def pictures(data: Dataset, facts: Facts) -> dict[int, str]:
    """Those that the page shows, by rows of train and, after them, of test."""
    rows = [row for one in facts["classes"] for row in one["pictures"]]
    rows += [row for kind in facts["copies"] for group in kind["groups"] for row in group]
    rows += [row for kind in facts["oddities"]["kinds"] for row in kind["rows"]]
    rows = list(dict.fromkeys(rows))
    paths = data.paths
    return dict(zip(rows, thumbnails([paths[row] for row in rows], data.depth, EDGE), strict=True))


def classes(data: Dataset) -> list[Facts]:
    """The rows of each class or label, or of each band of a number, with pictures from all over them.

    The most frequent come first, bands and grades in their order; of more than `CLASSES` the most and
    the least frequent have pictures.
    """
    members = _members(data)
    order = list(range(len(members)))
    if data.target.name in ("single", "multi"):
        order.sort(key=lambda place: -len(members[place][1]))
    half = CLASSES // 2
    out = []
    for rank, place in enumerate(order):
        name, rows = members[place]
        seen = len(order) <= CLASSES or not half <= rank < len(order) - half
        out.append(
            {
                "name": name,
                "rows": len(rows),
                "share": len(rows) / len(data.labels),
                "pictures": _spread(rows, EACH).tolist() if seen else [],
            }
        )
    return out


def _members(data: Dataset) -> list[tuple[str, np.ndarray]]:
    """What a row can be, and the rows that are."""
    if isinstance(data.target, Number):
        bands = data.target.strata(data.labels)
        parts = [np.flatnonzero(bands == band) for band in np.unique(bands)]
        return [
            (f"{data.labels[rows].min():.6g} to {data.labels[rows].max():.6g}", rows)
            for rows in parts
        ]
    has = data.has_label
    names = map(data.attributes.describe, range(has.shape[1]))
    members = [(name, np.flatnonzero(has[:, label])) for label, name in enumerate(names)]
    if data.target == MULTI and len(none := np.flatnonzero(~has.any(1))):
        members.append(("no label", none))
    return members


def attributes(data: Dataset) -> list[Facts]:
    """Of several targets, the rows of each value of each."""
    names = data.attributes.names
    if len(names) < 2 or not data.target.exclusive:
        return []
    index = data.attributes.classes[data.labels]
    return [
        {
            "name": name,
            "values": [
                {"name": text, "rows": int((index[:, place] == value).sum())}
                for value, text in enumerate(data.attributes.values[place])
            ],
        }
        for place, name in enumerate(names)
    ]


def groups(data: Dataset) -> Facts | None:
    """How many groups there are and how large; None where the data declare none."""
    if data.groups is None:
        return None
    sizes = np.bincount(data.groups)
    answers = data.single_labels
    mixed = sum(len(np.unique(answers[rows])) > 1 for rows in _rows_by(data.groups))
    bounds = [1, 2, 4, 8, 16, 32, 64, int(max(sizes.max(), 64)) + 1]
    bands = []
    for low, high in itertools.pairwise(bounds):
        if count := int(((sizes >= low) & (sizes < high)).sum()):
            last = min(high - 1, int(sizes.max()))
            bands.append({"name": f"{low}" if last <= low else f"{low} to {last}", "groups": count})
    return {
        "count": len(sizes),
        "largest": int(sizes.max()),
        "mixed": mixed,
        "bands": bands,
        "units": data.units is not None,
    }


def copies(data: Dataset, pairs: Pairs) -> list[Facts]:
    """Near-duplicates with the rows that belong together, by what that means; those with different
    labels come first."""
    count = len(data.train)
    parts: dict[str, list[list[int]]] = {
        "with different labels": [],
        "of train in test": [],
        "within train": [],
        "within test": [],
    }
    for first, second in pairs.rows.tolist():
        if first >= count:
            parts["within test"].append([first, second])
        elif second >= count:
            parts["of train in test"].append([first, second])
        elif bool(data.target.differ(data.labels[[first]], data.labels[[second]])[0]):
            parts["with different labels"].append([first, second])
        else:
            parts["within train"].append([first, second])
    return [
        {"name": name, "pairs": len(members), "groups": members[:SHOWN]}
        for name, members in parts.items()
        if members
    ]


def unreadable(pairs: Pairs) -> list[str]:
    """What is wrong with each file that can't be read to its end."""
    return [text.removesuffix(UNREADABLE) for text in pairs.problems.tolist() if text]


def odd(data: Dataset) -> Facts:
    """Images that are odd by themselves, a kind each, or why nobody looked."""
    kinds = oddities.find_oddities(data.paths, data.depth)
    if isinstance(kinds, str):
        return {"why": kinds, "kinds": [], "looked": 0}
    return {
        "why": "",
        "looked": min(oddities.MOST, len(data.paths)),
        "kinds": [
            {"name": name, "count": len(rows), "rows": rows[:SHOWN]}
            for name, rows in kinds.items()
            if rows
        ],
    }


def effects(data: Dataset, space: Space) -> Facts:
    """What the space does to pictures of as many classes as there are pictures."""
    rows = _tried(data)
    return {
        "space": space.name,
        "rows": [
            {
                "kind": effect.kind,
                "name": effect.name,
                "summary": effect.summary,
                "at": effect.values,
                "problem": effect.problem,
                "images": [jpeg(picture) for picture in effect.pixels],
            }
            for effect in show_effects(space, data, rows)
        ],
    }


def _tried(data: Dataset) -> list[int]:
    """Rows of train, one a class as far as they go, then further ones from all over."""
    _, first = np.unique(data.single_labels, return_index=True)
    rows = [*_spread(np.sort(first), TRIED).tolist(), *_spread(np.arange(len(data.train)), TRIED)]
    return [int(row) for row in dict.fromkeys(rows)][:TRIED]


def _spread(rows: np.ndarray, count: int) -> np.ndarray:
    """At most so many of the rows, from the first to the last."""
    places = np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int)
    spread: np.ndarray = rows[places]
    return spread


def _rows_by(groups: np.ndarray) -> Iterable[np.ndarray]:
    order = np.argsort(groups, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
