"""Samplings: `(labels [n], features, rng) -> indices of one epoch`.

`labels` are those of a fold's training part, and the indices point into it. `features` is a function
without arguments that gives `[n, D]`, computed when it is called.
"""

from __future__ import annotations

from automask import sampling


@sampling()
def all(labels, features, rng):
    """Every row once an epoch, in random order.

    When to use: the default; combine with a weighted loss where classes are rare.
    """
    return rng.permutation(len(labels))


@sampling()
def undersample(labels, features, rng):
    """As many rows of each class as the rarest has, others drawn anew each epoch.

    When to use: many rows of every class. Epochs are short where one class is rare.
    """
    return _even(labels, rng, min)


@sampling()
def oversample(labels, features, rng):
    """As many rows of each class as the commonest has, rare ones repeated.

    When to use: rare classes that count as much as common ones, with augmentation against
    learning the repeated rows by heart. Epochs are long where one class is common.
    """
    return _even(labels, rng, max)


def _even(labels, rng, size_of):
    """Equally many indices of each class; no row repeats before all of its class were used."""
    import numpy as np

    classes, counts = np.unique(labels, return_counts=True)
    size = int(size_of(counts))
    drawn = [_cycle(np.flatnonzero(labels == label), size, rng) for label in classes]
    return rng.permutation(np.concatenate(drawn))


def _cycle(rows, size, rng):
    import numpy as np

    rounds = -(-size // len(rows))
    return np.concatenate([rng.permutation(rows) for _ in range(rounds)])[:size]
