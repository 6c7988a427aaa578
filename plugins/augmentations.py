"""Augmentations: `(image_size) -> transform`, or None for no change.

A transform is an albumentations one, which takes one uint8 image, or any other callable on a uint8
batch `[B, 3, H, W]`, such as torchvision's v2 transforms, which runs on the device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from automask import Categorical, Float, augmentation

if TYPE_CHECKING:
    from torch import Tensor


@augmentation()
def none(image_size):
    """Images as they are, which lets a frozen backbone's features be cached once.

    When to use: large data, and the fastest trials.
    """
    return None


@augmentation(degrees=Float(5.0, 30.0), shift=Float(0.0, 0.15), flip=Categorical(False, True))
def light(image_size, *, degrees=30.0, shift=0.06, flip=False):
    """Small rotations, shifts and zooms with reflected fill, and a little brightness and contrast.

    When to use: nearly always. `flip` mirrors half of the images: not where left and right differ.
    """
    return _Light(degrees, shift, flip)


class _Light:
    """Moves and lights each image of a uint8 batch `[B, 3, S, S]` by itself.

    On a processor OpenCV does it, twice as fast as through albumentations and five times as fast as
    torch; on a GPU the whole batch is done at once.
    """

    def __init__(self, degrees: float, shift: float, flip: bool) -> None:
        self.degrees, self.shift, self.flip = degrees, shift, flip

    def __call__(self, images: Tensor) -> Tensor:
        matrices, gains, offsets = self._draw(images)
        if images.device.type == "cpu":
            return _one_by_one(images, matrices, gains, offsets)
        return _all_at_once(images, matrices, gains, offsets)

    def _draw(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """For each image the matrix `[2, 3]` from where a pixel goes to where it comes from, the middle
        being 0 and the edges ±1, and the contrast and brightness `[B]` that half of them get."""
        import torch

        move, lit, angle, zoom, contrast, brightness, mirror = torch.rand(
            8, len(images), device=images.device
        ).split([2, 1, 1, 1, 1, 1, 1])
        turned = torch.deg2rad(self.degrees * (2 * angle - 1))
        scale = 1 / (1 + self.shift * (2 * zoom - 1))
        side = torch.where((mirror < 0.5) & self.flip, -1.0, 1.0)
        cos, sin = scale * turned.cos(), scale * turned.sin()
        moved = 2 * self.shift * (2 * move - 1)
        matrices = torch.cat([side * cos, -side * sin, moved[:1], sin, cos, moved[1:]])
        half = (lit < 0.5).float()
        gains = 1 + 0.15 * half * (2 * contrast - 1)
        offsets = 0.15 * 255 * half * (2 * brightness - 1)
        return matrices.T.reshape(-1, 2, 3), gains[0], offsets[0]


def _one_by_one(images, matrices, gains, offsets):
    import cv2
    import numpy as np
    import torch

    size = images.shape[-1]
    middle = (size - 1) / 2
    # From halves of the image as units, around its middle, to pixels from its corner.
    pixels = matrices.double().numpy()
    pixels[:, :, 2] *= size / 2
    pixels[:, :, 2] += middle - middle * pixels[:, :, :2].sum(-1)
    out = np.empty((len(images), size, size, 3), np.uint8)
    interleaved = images.permute(0, 2, 3, 1).numpy()
    rows = zip(interleaved, pixels, gains.tolist(), offsets.tolist(), out, strict=True)
    for image, matrix, gain, offset, to in rows:
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        cv2.warpAffine(image, matrix, (size, size), to, flags, cv2.BORDER_REFLECT)
        if gain != 1 or offset:
            np.copyto(to, _lit(to, gain, offset))
    return torch.from_numpy(out).permute(0, 3, 1, 2)


def _lit(image, gain, offset):
    import cv2
    import numpy as np

    values = np.arange(256) * gain + offset
    return cv2.LUT(image, values.round().clip(0, 255).astype(np.uint8))


def _all_at_once(images, matrices, gains, offsets):
    import torch
    from torch.nn import functional as F

    grid = F.affine_grid(matrices, list(images.shape), align_corners=False)
    moved = F.grid_sample(images.float(), grid, padding_mode="reflection", align_corners=False)
    lit = moved * gains.view(-1, 1, 1, 1) + offsets.view(-1, 1, 1, 1)
    lit = lit.round().clamp(0, 255).to(torch.uint8)
    return lit.contiguous(memory_format=torch.channels_last)
