"""Test-time augmentations: views to predict and average (`automask.space.protocols.TtaPlugin`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automask import Float, tta

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


@tta(mirrors=False)
def none(images: Tensor) -> Sequence[Tensor]:
    """Images as they are.

    When to use: where each prediction has to be fast.
    """
    return [images]


@tta(mirrors=True)
def flip(images: Tensor) -> Sequence[Tensor]:
    """Images as they are and mirrored left to right.

    When to use: nearly always where left and right tell no classes apart, for twice the time.
    Krizhevsky et al. (2012) averaged mirrored crops.
    """
    return [images, images.flip(3)]


@tta(share=Float(0.5, 1.0), mirrors=False)
def multi_crop(images: Tensor, *, share: float = 0.85) -> Sequence[Tensor]:
    """The middle and the four corners, `share` of each side, at the size of the whole.

    When to use: objects smaller than their image, off its middle; for five times the time.
    Krizhevsky et al. (2012), there with mirrored ones besides.
    """
    size = images.shape[-1]
    edge = max(1, round(share * size))
    far, middle = size - edge, (size - edge) // 2
    corners = ((middle, middle), (0, 0), (0, far), (far, 0), (far, far))
    return [_resized(images[:, :, y : y + edge, x : x + edge], size) for y, x in corners]


@tta(spread=Float(0.05, 0.4), mirrors=False)
def multi_scale(images: Tensor, *, spread: float = 0.15) -> Sequence[Tensor]:
    """Images smaller, as they are and larger, by the share `spread`, on a canvas of their own size.

    What lies outside a smaller one is its reflection; a larger one loses its edges.
    When to use: objects of other sizes in test than in train; for three times the time.
    Simonyan and Zisserman (2015).
    """
    from torch.nn import functional as F

    size = images.shape[-1]
    small, edge = max(1, round(size * (1 - spread))), max(1, round(size / (1 + spread)))
    before, corner = (size - small) // 2, (size - edge) // 2
    sides = (before, size - small - before)
    shrunk = F.pad(_resized(images, small), (*sides, *sides), mode="reflect")
    inner = images[:, :, corner : corner + edge, corner : corner + edge]
    return [shrunk, images, _resized(inner, size)]


def _resized(images: Tensor, size: int) -> Tensor:
    """The images at another size; bilinear, and smoothed beforehand where that is smaller."""
    from torch.nn import functional as F

    if images.shape[-1] == size:
        return images
    return F.interpolate(images, (size, size), mode="bilinear", antialias=True)
