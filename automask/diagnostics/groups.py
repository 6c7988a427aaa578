"""Groups that hold copies together: declared groups joined where near-duplicates are in both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from automask.diagnostics.near_duplicates import Pairs


@dataclass(frozen=True)
class Joined:
    """`groups` [N], or None where every row stands alone; `joined` declared groups (or rows) went into
    larger ones; `apart` rows are in components too large to hold together, of which only exact copies
    are."""

    groups: np.ndarray | None
    joined: int
    apart: int


def join_groups(groups: np.ndarray | None, rows: int, pairs: Pairs, folds: int) -> Joined:
    """The connected components of the groups, joined by the pairs among the first `rows` images.

    A component larger than a fold's share, as a chain of look-alikes makes, is joined by its exact
    copies only; a declared group stays whole whatever its size.
    """
    units = np.arange(rows) if groups is None else np.unique(groups, return_inverse=True)[1]
    inside = pairs.take(np.asarray((pairs.rows < rows).all(1)))
    component = _components(units, inside.rows)
    large = np.bincount(component, minlength=1) > max(2, rows // folds)
    # One declared group is no chain.
    several = np.bincount(component[np.unique(units, return_index=True)[1]], minlength=1) > 1
    chained = (large & several)[component]
    apart = int(chained.sum())
    if apart:
        first = inside.rows[:, 0]
        component = _components(units, inside.rows[~chained[first] | inside.exact])
    count = int(units.max()) + 1 if rows else 0
    left = int(component.max()) + 1 if rows else 0
    if left == count:
        return Joined(groups, 0, apart)
    members = np.bincount(component[np.unique(units, return_index=True)[1]])
    return Joined(component, int(members[members > 1].sum()), apart)


def describe_joined(joined: Joined, declared: bool) -> list[str]:
    """Sentences on what was joined; none where nothing was."""
    what = "groups" if declared else "images"
    lines = []
    if joined.joined:
        lines.append(
            f"{joined.joined:,} {what} hold near-duplicates of each other: these stay together on one "
            "side of every split (automask audit shows them)"
        )
    if joined.apart:
        lines.append(
            f"{joined.apart:,} images are chains of look-alikes larger than a fold's share: only exact "
            "copies among them are kept together, and scores may be too high"
        )
    return lines


def _components(units: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """The component of each row `[N]`, in order of appearance, where pairs of rows join units."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not len(units):
        return units
    count = int(units.max()) + 1
    ends = units[pairs[:, 0]], units[pairs[:, 1]]
    graph = coo_array((np.ones(len(pairs), bool), ends), shape=(count, count))
    _, labels = connected_components(graph, directed=False)
    _, first, component = np.unique(labels[units], return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[component]
