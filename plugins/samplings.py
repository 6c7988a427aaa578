"""Samplings: the rows of an epoch (`automask.space.protocols.SamplingPlugin`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automask import Float, Int, sampling

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np


@sampling(reads_features=False, target="any")
def all(
    labels: np.ndarray, features: Callable[[], np.ndarray], rng: np.random.Generator
) -> np.ndarray | tuple[np.ndarray, ...]:
    """Every row once an epoch, in random order.

    When to use: the default; combine with a weighted loss where classes are rare.
    """
    return rng.permutation(len(labels))


@sampling(copies=Int(1, 8), reads_features=False)
def undersample(
    labels: np.ndarray,
    features: Callable[[], np.ndarray],
    rng: np.random.Generator,
    *,
    copies: int = 1,
) -> np.ndarray | tuple[np.ndarray, ...]:
    """As many rows of each class as the rarest has, others drawn anew each epoch.

    Each stands in the epoch `copies` times, so that augmentation shows it from several sides.
    When to use: many rows of every class. Epochs are short where one class is rare, and copies make
    them longer.
    """
    import numpy as np

    return rng.permutation(np.repeat(_even(labels, rng, min), copies))


@sampling(reads_features=False)
def oversample(
    labels: np.ndarray, features: Callable[[], np.ndarray], rng: np.random.Generator
) -> np.ndarray | tuple[np.ndarray, ...]:
    """As many rows of each class as the commonest has, rare ones repeated.

    When to use: rare classes that count as much as common ones, with augmentation against
    learning the repeated rows by heart. Epochs are long where one class is common.
    """
    return _even(labels, rng, max)


@sampling(power=Float(0.0, 1.0), reads_features=False)
def class_balanced(
    labels: np.ndarray,
    features: Callable[[], np.ndarray],
    rng: np.random.Generator,
    *,
    power: float = 0.5,
) -> np.ndarray | tuple[np.ndarray, ...]:
    """As many rows as there are, classes between as they come (0) and equally often (1).

    A class's share goes by its count to the power of `1 - power` (Mahajan et al., 2018, at a half). No
    row repeats before all of its class were used.
    When to use: rare classes that count as much as common ones; an epoch stays as long as it was.
    """
    import numpy as np

    rows = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    return rng.permutation(_shared_out(rows, len(labels), power, rng))


@sampling(power=Float(0.0, 1.0), reads_features=False, target="multi")
def label_balanced(
    labels: np.ndarray,
    features: Callable[[], np.ndarray],
    rng: np.random.Generator,
    *,
    power: float = 0.5,
) -> np.ndarray | tuple[np.ndarray, ...]:
    """As many rows as there are, labels between as they come (0) and equally often drawn (1).

    A label's share goes by its count to the power of `1 - power`, and each of its draws is a row that
    has it. A row without labels comes once.
    When to use: rare labels that count as much as common ones. Common ones that come with them are then
    seen still more.
    """
    import numpy as np

    rows = [np.flatnonzero(column) for column in labels.T if column.any()]
    without = np.flatnonzero(~labels.any(1))
    drawn = _shared_out(rows, len(labels) - len(without), power, rng)
    return rng.permutation(np.concatenate([without, drawn]))


@sampling(k=Int(1, 15), power=Float(0.0, 1.0), reads_features=True)
def smote(
    labels: np.ndarray,
    features: Callable[[], np.ndarray],
    rng: np.random.Generator,
    *,
    k: int = 5,
    power: float = 1.0,
) -> np.ndarray | tuple[np.ndarray, ...]:
    """Rare classes filled up by points between a row and a near one of its class (Chawla et al., 2002).

    Every row comes once. A class of `n` rows is filled up to `n ** (1 - power) * largest ** power`, 1
    making all as large as the largest, by points somewhere between a row and one of its `k` nearest
    in the space of the features. A class of one row has no neighbours, and repeats it.
    When to use: rare classes on cached features. Images of neighbours are blended where the backbone
    trains, which makes sense only where they are much alike.
    """
    import numpy as np

    classes, counts = np.unique(labels, return_counts=True)
    sizes = np.rint(counts ** (1.0 - power) * float(counts.max()) ** power).astype(int)
    own = np.arange(len(labels))
    parts = [(own, own, np.zeros(len(own)))]
    for label, count, size in zip(classes, counts, sizes, strict=True):
        if size > count:
            rows = np.flatnonzero(labels == label)
            chosen = _cycle(np.arange(count), size - count, rng)
            if count == 1:
                partners, weights = chosen, np.zeros(len(chosen))
            else:
                near = _neighbours(features()[rows], min(k, count - 1))
                partners = near[chosen, rng.integers(near.shape[1], size=len(chosen))]
                weights = rng.random(len(chosen))
            parts.append((rows[chosen], rows[partners], weights))
    order = rng.permutation(sum(len(indices) for indices, _, _ in parts))
    return tuple(np.concatenate(column)[order] for column in zip(*parts, strict=True))


def _neighbours(points: np.ndarray, k: int) -> np.ndarray:
    """The `[n, k]` nearest other points of each."""
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(n_neighbors=k).fit(points).kneighbors(return_distance=False)


def _even(labels: np.ndarray, rng: np.random.Generator, size_of: Callable[..., int]) -> np.ndarray:
    """Equally many indices of each class; no row repeats before all of its class were used."""
    import numpy as np

    classes, counts = np.unique(labels, return_counts=True)
    size = int(size_of(counts))
    drawn = [_cycle(np.flatnonzero(labels == label), size, rng) for label in classes]
    return rng.permutation(np.concatenate(drawn))


def _shared_out(
    rows: Sequence[np.ndarray], size: int, power: float, rng: np.random.Generator
) -> np.ndarray:
    """`size` indices, of each of the lists of `rows` a share by its length to the power 1 - `power`."""
    import numpy as np

    if not rows:
        return np.zeros(0, int)
    shares = np.array([len(own) for own in rows]) ** (1.0 - power)
    ends = np.cumsum(shares) / shares.sum() * size
    # One random offset for all: each gets its expected rows, rounded up or down by chance.
    sizes = np.diff(np.floor(ends + rng.random()), prepend=0).astype(int)
    return np.concatenate([_cycle(own, n, rng) for own, n in zip(rows, sizes, strict=True)])


def _cycle(rows: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """So many of the rows in random order, none again before all of them came."""
    import numpy as np

    rounds = max(1, -(-size // len(rows)))
    return np.concatenate([rng.permutation(rows) for _ in range(rounds)])[:size]
