"""Test-time augmentations: `(images) -> views`.

`images` are a float batch `[B, 3, S, S]` of 0 to 255, `views` a list of batches of that shape, so that
backbones of a fixed size take them too. A prediction is the mean of the probabilities of all views.

One that mirrors is tried where mirrored images keep their class; who does so is found by trying.
"""

from __future__ import annotations

from automask import Float, tta


@tta()
def none(images):
    """Images as they are.

    When to use: where each prediction has to be fast.
    """
    return [images]


@tta()
def flip(images):
    """Images as they are and mirrored left to right.

    When to use: nearly always where left and right tell no classes apart, for twice the time.
    Krizhevsky et al. (2012) averaged mirrored crops.
    """
    return [images, images.flip(3)]


@tta(share=Float(0.5, 1.0))
def multi_crop(images, *, share=0.85):
    """The middle and the four corners, `share` of each side, at the size of the whole.

    When to use: objects smaller than their image, off its middle; for five times the time.
    Krizhevsky et al. (2012), there with mirrored ones besides.
    """
    size = images.shape[-1]
    edge = max(1, round(share * size))
    far, middle = size - edge, (size - edge) // 2
    corners = ((middle, middle), (0, 0), (0, far), (far, 0), (far, far))
    return [_resized(images[:, :, y : y + edge, x : x + edge], size) for y, x in corners]


@tta(spread=Float(0.05, 0.4))
def multi_scale(images, *, spread=0.15):
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


def _resized(images, size):
    """The images at another size; bilinear, and smoothed beforehand where that is smaller."""
    from torch.nn import functional as F

    if images.shape[-1] == size:
        return images
    return F.interpolate(images, (size, size), mode="bilinear", antialias=True)
