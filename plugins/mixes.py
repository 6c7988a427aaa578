"""Mixes: batches whose rows are blended with one another (`automask.space.protocols.MixPlugin`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automask import Float, mix

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


@mix(target="any")
def none(inputs: Tensor, target: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Batches as they are.

    When to use: short trainings, and where augmentation does enough.
    """
    return inputs, target


@mix(alpha=Float(0.05, 2.0, log=True), target="any")
def mixup(
    inputs: Tensor, target: Tensor, rng: np.random.Generator, *, alpha: float = 0.2
) -> tuple[Tensor, Tensor]:
    """Every row blended with another of the batch, and its target alike (Zhang et al., 2018).

    The smaller share of each pair, the partner's, is drawn from Beta(alpha, alpha): near 0 for a small
    alpha, anything up to a half for 1. Features are blended as pixels are.
    When to use: long trainings that learn their rows by heart, and noisy labels.
    """
    import torch

    share = rng.beta(alpha, alpha, len(target))
    weight = torch.as_tensor(share.clip(max=1 - share), dtype=torch.float32, device=inputs.device)
    partners = _partners(inputs, rng)
    wide = weight.view(-1, *[1] * (inputs.ndim - 1))
    mixed = inputs.to(torch.float32, copy=True).lerp_(inputs[partners].float(), wide)
    return mixed, target.lerp(target[partners], weight[:, None])


@mix(alpha=Float(0.1, 2.0, log=True), share=Float(0.1, 1.0), takes="pixels", target="any")
def cutmix(
    inputs: Tensor,
    target: Tensor,
    rng: np.random.Generator,
    *,
    alpha: float = 1.0,
    share: float = 0.5,
) -> tuple[Tensor, Tensor]:
    """A box of each image filled from another of the batch, targets by area (Yun et al., 2019).

    The box has the image's proportions, an area drawn from Beta(alpha, alpha) and its middle anywhere;
    targets go by what of it lies inside. A `share` of the batches is cut.
    When to use: long trainings of whole networks, where an object is known by any part of it.
    """
    import math

    size = inputs.shape[-1]
    if rng.random() >= share:
        return inputs, target
    half = size * math.sqrt(rng.beta(alpha, alpha)) / 2
    top, bottom, left, right = (
        min(max(round(middle + side), 0), size)
        for middle in rng.uniform(0, size, 2)
        for side in (-half, half)
    )
    return _pasted(inputs, target, _partners(inputs, rng), top, bottom, left, right)


@mix(share=Float(0.1, 1.0), takes="pixels", target="any")
def vertical_cutmix(
    inputs: Tensor, target: Tensor, rng: np.random.Generator, *, share: float = 0.5
) -> tuple[Tensor, Tensor]:
    """The left half of one image beside the right half of another, and half of each target.

    A `share` of the batches is cut.
    When to use: objects in the middle that are known by either side, such as faces; a half is always
    enough to see, where a box of `cutmix` may hide the one thing that tells.
    """
    size = inputs.shape[-1]
    if rng.random() >= share:
        return inputs, target
    return _pasted(inputs, target, _partners(inputs, rng), 0, size, size // 2, size)


def _partners(inputs: Tensor, rng: np.random.Generator) -> Tensor:
    import torch

    return torch.as_tensor(rng.permutation(len(inputs)), device=inputs.device)


def _pasted(
    inputs: Tensor, target: Tensor, partners: Tensor, top: int, bottom: int, left: int, right: int
) -> tuple[Tensor, Tensor]:
    """Images with that part taken from their partners, and targets by area."""
    box = (..., slice(top, bottom), slice(left, right))
    mixed = inputs.clone()
    mixed[box] = inputs[box][partners]
    area = (bottom - top) * (right - left) / inputs[0, 0].numel()
    return mixed, target * (1 - area) + target[partners] * area
