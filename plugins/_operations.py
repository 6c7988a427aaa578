"""The operations of TrivialAugment and RandAugment, another one for each image of a uint8 batch.

Rotations, translations and strengths are those of RandAugment (Cubuk et al., 2020), so that nothing
turns further than 30°; what has no strength in the paper, autocontrast and equalize, is blended in.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import torch
from torch import Tensor

from automask.plugins._pixels import affine_matrix, colour_matrix, recolour, warp

#: Pillow's kernel for smoothing, from which sharpness leads away.
SMOOTH = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]], np.float32) / 13
OPERATIONS = (
    "identity",
    "rotate",
    "shear_x",
    "shear_y",
    "translate_x",
    "translate_y",
    "brightness",
    "contrast",
    "saturation",
    "sharpness",
    "posterize",
    "solarize",
    "autocontrast",
    "equalize",
)


def operate(images: Tensor, chosen: Tensor, amount: Tensor, mirror: Tensor | None = None) -> Tensor:
    """The images `[B, 3, S, S]`, each changed by one operation.

    `chosen` `[B]` are indices of `OPERATIONS`, `amount` `[B]` their strengths from -1 to 1, where a sign
    is a direction; mirrored beforehand where `mirror` `[B]` is True. All three are on the processor.
    """

    def amount_of(name: str) -> Tensor:
        return torch.where(chosen == OPERATIONS.index(name), amount, 0.0)

    right, down = 0.6 * amount_of("translate_x"), 0.6 * amount_of("translate_y")
    matrices = affine_matrix(30 * amount_of("rotate"), torch.ones_like(amount), right, down, mirror)
    matrices[:, 0, 1] += 0.3 * amount_of("shear_x")
    matrices[:, 1, 0] += 0.3 * amount_of("shear_y")
    images = warp(images, matrices)
    factors = [1 + 0.9 * amount_of(name) for name in ("brightness", "contrast", "saturation")]
    where = images.device
    images = recolour(images, colour_matrix(images, *(f.to(where) for f in (*factors, 0 * amount))))
    changes = {
        "sharpness": _sharpened,
        "posterize": _posterized,
        "solarize": _solarized,
        "autocontrast": _autocontrasted,
        "equalize": _equalized,
    }
    for name, change in changes.items():
        rows = (chosen == OPERATIONS.index(name)).nonzero().flatten()
        if len(rows):
            strength = amount[rows].view(-1, 1, 1, 1).to(where)
            rows = rows.to(where)
            images[rows] = change(images[rows], strength)
    return images


def _sharpened(images: Tensor, strength: Tensor) -> Tensor:
    from torchvision.transforms.v2.functional import adjust_sharpness

    if images.device.type == "cpu":
        smooth = _one_by_one(images, lambda image: cv2.filter2D(image, -1, SMOOTH))
    else:
        smooth = adjust_sharpness(images, 0.0)
    return _blended(smooth, images, 1 + 0.9 * strength)


def _posterized(images: Tensor, strength: Tensor) -> Tensor:
    """From all eight bits of each colour down to four."""
    dropped = (4 * strength.abs()).round().to(torch.uint8)
    return images >> dropped << dropped


def _solarized(images: Tensor, strength: Tensor) -> Tensor:
    """What is brighter than a threshold inverted."""
    return torch.where(images >= 256 * (1 - strength.abs()), 255 - images, images)


def _autocontrasted(images: Tensor, strength: Tensor) -> Tensor:
    """Each colour stretched over all of its range."""
    low, high = images.amin((2, 3)).float(), images.amax((2, 3)).float()
    gain = torch.where(high > low, 255 / (high - low).clamp(min=1), 1.0)
    offset = torch.where(high > low, -low * gain, 0.0)
    stretched = torch.cat([gain.diag_embed(), offset[:, :, None]], 2)
    same = torch.eye(3, 4, device=images.device)
    return recolour(images, same.lerp(stretched, strength.abs()[:, 0]))


def _equalized(images: Tensor, strength: Tensor) -> Tensor:
    from torchvision.transforms.v2.functional import equalize

    if images.device.type == "cpu":

        def change(image: np.ndarray) -> np.ndarray:
            return cv2.merge([cv2.equalizeHist(channel) for channel in cv2.split(image)])

        even = _one_by_one(images, change)
    else:
        even = equalize(images)
    return _blended(images, even, strength.abs())


def _one_by_one(images: Tensor, change: Callable[[np.ndarray], np.ndarray]) -> Tensor:
    """Each image changed by OpenCV, many times faster than a batch is by torch on a processor."""
    interleaved = images.permute(0, 2, 3, 1).contiguous().numpy()
    return torch.from_numpy(np.stack([change(image) for image in interleaved])).permute(0, 3, 1, 2)


def _blended(first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    """A share of the second in the first, also beyond both."""
    out = first.float().lerp(second.float(), share)
    return out.round().clamp(0, 255).to(torch.uint8)
