"""Blends, shifts of decisions and temperatures as operations of a graph.

The same as the blends of `automask.plugins` and `automask.prediction.decisions`, in float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from automask.errors import UserError
from automask.prediction.blending import Blending
from automask.prediction.decisions import SURE
from automask.target import MULTI, ORDERED, SINGLE, Multi

#: From members `[T, n, C]` to one table `[n, C]`, of a blend's fields as they are in its class.
Function: TypeAlias = Callable[..., Tensor]
#: Where a blend is one that a graph can hold.
HOME = "automask.plugins._blends"
#: What a float32 can be divided by.
LEAST = 1e-30


def weighted_mean(members: Tensor, weights: Tensor) -> Tensor:
    return (weights[:, None, None] * members).sum(0)


def rank_mean(members: Tensor, reference: Tensor) -> Tensor:
    total = _total_ranks(reference, members)
    return total / total.sum(1, keepdim=True)


def quantile_mean(members: Tensor, reference: Tensor) -> Tensor:
    count, own = reference.shape
    place = (_total_ranks(reference, members) / (2 * count) - 1).clamp(0, own - 1)
    below = place.floor().long()
    above = (below + 1).clamp(max=own - 1)
    quantiles = reference.mean(0)
    return torch.lerp(quantiles[below], quantiles[above], place - below)


def vote(members: Tensor, votes: Tensor, target: Any) -> Tensor:
    if isinstance(target, Multi):
        hard = (members > 0.5).float()
    else:
        hard = (members.argmax(2, keepdim=True) == torch.arange(members.shape[2])).float()
    return weighted_mean(hard, votes) / votes.sum()


def stacked(
    members: Tensor, coefficients: Tensor, intercepts: Tensor, classes: Tensor, scale: float
) -> Tensor:
    logs = members.clamp(min=1e-6).log()
    logs = (logs - logs.mean(2, keepdim=True)).transpose(0, 1).flatten(1)
    # No product of matrices, which quantisation would round.
    logits = ((logs / scale)[:, None] * coefficients).sum(2) + intercepts
    if len(classes) == 2:
        second = logits[:, 0].sigmoid()
        parts = torch.stack([1 - second, second], 1)
    else:
        parts = logits.softmax(1)
    places = classes.long()[:, None] == torch.arange(members.shape[2])
    return parts @ places.float()


#: By the name of a blend's class.
BLENDS: dict[str, Function] = {
    f"{HOME}:WeightedMean": weighted_mean,
    f"{HOME}:RankMean": rank_mean,
    f"{HOME}:QuantileMean": quantile_mean,
    f"{HOME}:Vote": vote,
    f"{HOME}:Stacked": stacked,
}


def add_biases(table: Tensor, biases: Tensor) -> Tensor:
    table = table * biases.exp()
    return table / table.sum(1, keepdim=True).clamp(min=LEAST)


def add_to_log_odds(table: Tensor, biases: Tensor) -> Tensor:
    odds = table * biases.exp()
    return odds / (odds + 1 - table).clamp(min=LEAST)


def grade(table: Tensor, cuts: Tensor) -> Tensor:
    grades = torch.arange(table.shape[1])
    expected = (table * grades).sum(1, keepdim=True)
    place = (expected >= cuts).sum(1, keepdim=True)
    return SURE * (place == grades).float() + (1 - SURE) * table


#: How a target's predictions are shifted.
SHIFTS: dict[str, Function] = {
    SINGLE.name: add_biases,
    MULTI.name: add_to_log_odds,
    ORDERED.name: grade,
}


class BlendGraph(nn.Module):
    """A `Blending` in torch: `[n, C]` from members `[T, n, C]`.

    Raises `UserError` where the blend's class, by name `kind`, is none of those that a graph can hold.
    """

    def __init__(self, blending: Blending, kind: str) -> None:
        super().__init__()
        if kind not in BLENDS:
            raise UserError(
                f"a graph can't hold the blend {kind}: export by another --method, or without the graph"
            )
        self.blend, self.target = BLENDS[kind], blending.target
        self.temperature = blending.temperature
        self.fields: dict[str, Any] = {}
        self.arrays: list[str] = []
        for name, value in vars(blending.blend).items():
            if isinstance(value, np.ndarray):
                self.register_buffer(name, torch.from_numpy(value).float())
                self.arrays.append(name)
            else:
                self.fields[name] = value
        shift = None if blending.shift is None else torch.from_numpy(blending.shift).float()
        self.register_buffer("shift", shift)

    def forward(self, members: Tensor) -> Tensor:
        arrays = {name: getattr(self, name) for name in self.arrays}
        table = self.blend(members, **arrays, **self.fields)
        if self.shift is not None:
            table = SHIFTS[self.target.name](table, self.shift)
        if self.temperature is None:
            return table
        return (table.clamp(min=1e-15).log() / self.temperature).softmax(1)


def _total_ranks(reference: Tensor, members: Tensor) -> Tensor:
    """`[n, C]` twice the sum of the members' ranks among their own `reference` `[T, K]`."""
    ranks = [
        _places_below(own, member, torch.lt) + _places_below(own, member, torch.le) + 1
        for own, member in zip(reference, members, strict=True)
    ]
    return torch.stack(ranks).sum(0).float()


def _places_below(
    ascending: Tensor, values: Tensor, below: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """How many of `ascending` `[K]` are below each value, by bisection: ONNX has no search."""
    count = len(ascending)
    place = torch.zeros_like(values, dtype=torch.int64)
    for bit in reversed(range(count.bit_length())):
        further = place + 2**bit
        passed = below(ascending[(further - 1).clamp(max=count - 1)], values)
        place = torch.where((further <= count) & passed, further, place)
    return place
