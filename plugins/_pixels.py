"""Moving and colouring each image of a uint8 batch `[B, 3, S, S]` by a matrix of its own.

On a processor OpenCV does it an image at a time, which is faster than torch; on a GPU the whole batch
is done at once.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from automask.training.batches import to_device

#: From red, green and blue to luma and two axes of colour (YIQ, as in NTSC).
YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))


def affine_matrix(
    degrees: Tensor, zoom: Tensor, right: Tensor, down: Tensor, mirror: Tensor | None = None
) -> Tensor:
    """For each image the matrix `[B, 2, 3]` from where a pixel goes to where it comes from.

    Turned by `degrees`, larger by the factor `zoom`, its middle moved by so many halves of the image,
    mirrored where `mirror` is True; all are `[B]`. The middle is 0 and the edges are ±1.
    """
    turned = torch.deg2rad(degrees)
    cos, sin = turned.cos() / zoom, turned.sin() / zoom
    side = torch.ones_like(cos) if mirror is None else torch.where(mirror, -1.0, 1.0)
    return torch.stack([side * cos, -side * sin, right, sin, cos, down], 1).view(-1, 2, 3)


def warp(images: Tensor, matrices: Tensor) -> Tensor:
    """The images moved by matrices as `affine` gives them; what lies outside is a reflection.

    The matrices, as those of `recoloured`, may be on the processor, where computing them is quicker.
    """
    if images.device.type == "cpu":
        return _moved_one_by_one(images, matrices)
    return _moved_at_once(images, to_device(matrices, images.device))


def colour_matrix(
    images: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor, turn: Tensor
) -> Tensor:
    """For each image the matrix `[B, 3, 4]` from its colours, and 1, to new ones.

    Three factors `[B]` that are 1 for no change, and hue turned by a part `[B]` of the circle. Contrast
    is around the image's mean luma.
    """
    yiq = torch.tensor(YIQ, device=images.device)
    angle = 2 * torch.pi * turn
    cos, sin, none = saturation * angle.cos(), saturation * angle.sin(), torch.zeros_like(angle)
    luma = torch.ones_like(angle)
    turned = torch.stack([luma, none, none, none, cos, -sin, none, sin, cos], 1).view(-1, 3, 3)
    linear = yiq.inverse() @ turned @ yiq * (brightness * contrast).view(-1, 1, 1)
    middle = images.float().mean((2, 3)) @ yiq[0]
    offset = (brightness * (1 - contrast) * middle).view(-1, 1, 1).expand(-1, 3, 1)
    return torch.cat([linear, offset], 2)


def recolour(images: Tensor, matrices: Tensor) -> Tensor:
    """The images with their colours mapped by matrices as `colouring` gives them."""
    if images.device.type == "cpu":
        return _recoloured_one_by_one(images, matrices)
    return _recoloured_at_once(images, to_device(matrices, images.device))


def _moved_one_by_one(images: Tensor, matrices: Tensor) -> Tensor:
    size = images.shape[-1]
    middle = (size - 1) / 2
    # From halves of the image as units, around its middle, to pixels from its corner.
    pixels = matrices.double().numpy().copy()
    pixels[:, :, 2] *= size / 2
    pixels[:, :, 2] += middle - middle * pixels[:, :, :2].sum(-1)
    interleaved = images.permute(0, 2, 3, 1).numpy()
    out = np.empty(interleaved.shape, np.uint8)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    still = (matrices == torch.eye(2, 3)).flatten(1).all(1).tolist()
    for image, matrix, same, to in zip(interleaved, pixels, still, out, strict=True):
        if same:
            to[:] = image
        else:
            cv2.warpAffine(image, matrix, (size, size), to, flags, cv2.BORDER_REFLECT)
    return torch.from_numpy(out).permute(0, 3, 1, 2)


def _moved_at_once(images: Tensor, matrices: Tensor) -> Tensor:
    grid = F.affine_grid(matrices, list(images.shape), align_corners=False)
    out = F.grid_sample(images.float(), grid, padding_mode="reflection", align_corners=False)
    return _bytes(out)


def _recoloured_one_by_one(images: Tensor, matrices: Tensor) -> Tensor:
    interleaved = images.permute(0, 2, 3, 1).numpy()
    out = np.empty(interleaved.shape, np.uint8)
    still = (matrices - torch.eye(3, 4)).abs().flatten(1).amax(1) < 1e-5
    rows = zip(interleaved, matrices.numpy(), still.tolist(), out, strict=True)
    for image, matrix, same, to in rows:
        to[:] = image if same else cv2.transform(image, matrix)
    return torch.from_numpy(out).permute(0, 3, 1, 2)


def _recoloured_at_once(images: Tensor, matrices: Tensor) -> Tensor:
    linear = torch.einsum("bij,bjhw->bihw", matrices[:, :, :3], images.float())
    return _bytes(linear + matrices[:, :, 3:, None])


def _bytes(images: Tensor) -> Tensor:
    """Rounded to uint8, interleaved in memory as the network wants them."""
    out = images.round().clamp(0, 255).to(torch.uint8)
    return out.contiguous(memory_format=torch.channels_last)
