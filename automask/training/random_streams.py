"""The random numbers of a trial: a stream for each purpose, so that none moves another's."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Streams(NamedTuple):
    """A fold's numbers that aren't torch's: its rows in an epoch, the augmentation of single images,
    the mix of its batches."""

    sampling: np.random.Generator
    augmentation: np.random.Generator
    mix: np.random.Generator


def streams(seed: int, fold: int) -> Streams:
    """The streams of a fold at their beginning."""
    return Streams(
        np.random.default_rng([seed, fold]),
        np.random.default_rng([seed, fold, 1]),
        np.random.default_rng([seed, fold, 2]),
    )


def torch_seed(seed: int, fold: int) -> int:
    """Where torch's own numbers begin in a fold: a fresh head, then dropout and what is augmented a
    batch at a time."""
    return seed * 1000 + fold + 1
