"""A model as one torch module, from decoded images to what it answers, for other runtimes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from automask.data.images import enough_pixels
from automask.errors import UserError
from automask.prediction.blending import read_blending
from automask.prediction.contents import Contents
from automask.prediction.graph_blends import BlendGraph
from automask.prediction.graph_resizes import RESIZES, Shrink, make_square
from automask.prediction.networks import Networks
from automask.storage.model_store import ModelStore

#: The names of what goes in and what comes out.
INPUT, OUTPUT, FOLDS = "images", "probabilities", "folds"


class Graph(nn.Module):
    """A model whose input is uint8 `[N, H, W, 3]`, N decoded images of one shape, RGB and upright.

    It gives `[N, C]`, probabilities or the number, and with `folds` `[T, K, N, C]` too, what each fold's
    network of each member says by itself. Raises `UserError` for a model that a graph can't hold.
    """

    def __init__(self, contents: Contents, store: ModelStore, folds: bool = False) -> None:
        super().__init__()
        _refuse_others(contents)
        self.inputs, self.folds = contents.inputs, folds
        self.networks = Networks(contents, store)
        self.blend = BlendGraph(read_blending(contents, store), contents.blend.kind)
        self.shrinks = nn.ModuleList(
            Shrink(one.large, one.size) if one.size < one.large else nn.Identity()
            for one in contents.inputs
        )
        self.eval()

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        folds = self.networks.by_fold(self.squares(images))
        answers = self.blend(torch.stack([own.mean(0) for own in folds]))
        return (answers, torch.stack(folds)) if self.folds else answers

    def squares(self, images: Tensor) -> list[Tensor]:
        """Whole numbers, float32 `[N, S, S, 3]`, one table an input."""
        large: dict[tuple[str, int], Tensor] = {}
        squares = []
        for source, shrink in zip(self.inputs, self.shrinks, strict=True):
            key = source.resize.name, source.large
            if key not in large:
                large[key] = make_square(images, *key)
            squares.append(shrink(large[key]))
        return squares


def facts(contents: Contents) -> dict[str, Any]:
    """What a file says of itself: `classes` in order, the target, and how many pixels a side a JPEG may
    be decoded at, as Pillow's `draft` does."""
    attributes = contents.answers.attributes
    return {
        "classes": [attributes.describe(i) for i in range(len(attributes.classes))],
        "target": contents.answers.target["name"],
        "draft": max(enough_pixels(source.large, None) for source in contents.inputs),
        "automask": contents.automask,
    }


def _refuse_others(contents: Contents) -> None:
    """Raise `UserError` where images become squares in a way that a graph can't hold."""
    for source in contents.inputs:
        if source.state is not None:
            raise UserError(
                f"a graph can't hold the preprocessing '{source.preprocessing.name}': export the "
                "members without it (--member), or the folder alone"
            )
        if source.resize.origin != "built in" or source.resize.name not in RESIZES:
            raise UserError(
                f"a graph can't hold the resize '{source.resize.name}', but {', '.join(RESIZES)}: "
                "export the members without it (--member), or the folder alone"
            )
