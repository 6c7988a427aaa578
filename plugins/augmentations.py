"""Augmentations: training images, changed anew each time: `automask.space.protocols`.

Those here work on batches, each image of which gets draws of its own; only `albumentations` works on
one image at a time. `flip` mirrors half of the images beforehand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from automask import Categorical, Float, Int, Text, augmentation
from automask.training.augmentation_pipelines import open_ranges

if TYPE_CHECKING:
    from torch import Tensor

    from automask.space.protocols import BatchTransform, ImageTransform

FLIP = Categorical(False, True)


@augmentation()
def none(image_size: int) -> None:
    """Images as they are, which lets a frozen backbone's features be cached once.

    When to use: large data, and the fastest trials.
    """
    return None


@augmentation(degrees=Float(5.0, 30.0), shift=Float(0.0, 0.15), flip=FLIP)
def light(
    image_size: int, *, degrees: float = 30.0, shift: float = 0.06, flip: bool = False
) -> BatchTransform:
    """Small rotations, shifts and zooms with reflected fill, and a little brightness and contrast.

    When to use: nearly always. `flip` mirrors half of the images: not where left and right differ.
    """
    return _lit_and_moved(degrees, shift, flip)


def _lit_and_moved(degrees: float, shift: float, flip: bool) -> BatchTransform:
    def transform(images: Tensor) -> Tensor:
        """Half of the images are lit, and all are moved."""
        import torch

        from automask.plugins._pixels import affine_matrix, recolour, warp

        right, down, lit, angle, zoom, contrast, brightness, mirror = torch.rand(8, len(images))
        matrices = affine_matrix(
            degrees * (2 * angle - 1),
            1 + shift * (2 * zoom - 1),
            2 * shift * (2 * right - 1),
            2 * shift * (2 * down - 1),
            (mirror < 0.5) & flip,
        )
        half = (lit < 0.5).float()
        colours = torch.eye(3, 4).repeat(len(images), 1, 1)
        colours *= (1 + 0.15 * half * (2 * contrast - 1)).view(-1, 1, 1)
        colours[:, :, 3] = (0.15 * 255 * half * (2 * brightness - 1))[:, None]
        return recolour(warp(images, matrices), colours)

    return transform


@augmentation(degrees=Float(0.0, 30.0), flip=FLIP)
def rotate_reflect(image_size: int, *, degrees: float = 30.0, flip: bool = False) -> BatchTransform:
    """Rotations with reflected fill, and nothing else.

    When to use: where brightness, colour and size tell classes apart, or photos were hardly tilted.
    """

    def transform(images: Tensor) -> Tensor:
        import torch

        from automask.plugins._pixels import affine_matrix, warp

        angle, mirror = torch.rand(2, len(images))
        still = torch.zeros_like(angle)
        turned = degrees * (2 * angle - 1)
        return warp(images, affine_matrix(turned, still + 1, still, still, (mirror < 0.5) & flip))

    return transform


@augmentation(strength=Float(0.0, 1.0))
def colour(image_size: int, *, strength: float = 0.5) -> BatchTransform:
    """Brightness, contrast, saturation and hue, while everything stays where it is.

    Factors within 0.8 × `strength` of 1, and hue turned by up to a fifth of the circle × `strength`.
    When to use: photos in light of many kinds, where colour itself isn't what tells classes apart.
    Colour distortion of SimCLR (Chen et al., 2020), in one linear map a pixel.
    """

    def transform(images: Tensor) -> Tensor:
        import torch

        from automask.plugins._pixels import colour_matrix, recolour

        drawn = strength * (2 * torch.rand(4, len(images), device=images.device) - 1)
        brightness, contrast, saturation = 1 + 0.8 * drawn[:3]
        colours = colour_matrix(images, brightness, contrast, saturation, 0.2 * drawn[3])
        return recolour(images, colours)

    return transform


@augmentation(flip=FLIP)
def trivial(image_size: int, *, flip: bool = False) -> BatchTransform:
    """One operation of fourteen an image, with a strength drawn anew each time.

    Rotation, shearing, translation, brightness, contrast, saturation, sharpness, posterize, solarize,
    autocontrast, equalize or none of them, within the ranges of RandAugment.
    When to use: as a strong augmentation with nothing to tune.
    TrivialAugment (Müller and Hutter, 2021).
    """

    def transform(images: Tensor) -> Tensor:
        import torch

        from automask.plugins._operations import OPERATIONS, operate

        count = len(images)
        chosen = torch.randint(len(OPERATIONS), (count,))
        mirror, amount = torch.rand(2, count)
        return operate(images, chosen, 2 * amount - 1, (mirror < 0.5) & flip)

    return transform


@augmentation(strength=Float(0.0, 1.0), number=Int(1, 3), flip=FLIP)
def policy(
    image_size: int, *, strength: float = 0.3, number: int = 2, flip: bool = False
) -> BatchTransform:
    """A few of the operations of `trivial` after one another, all of a searched strength.

    `strength` 0.3 is the paper's magnitude of 9 out of 30.
    When to use: long trainings and large networks, with trials to spend on how much is good.
    RandAugment (Cubuk et al., 2020).
    """

    def transform(images: Tensor) -> Tensor:
        import torch

        from automask.plugins._operations import OPERATIONS, operate

        mirror: Tensor | None = (torch.rand(len(images)) < 0.5) & flip
        for chosen, sign in zip(
            torch.randint(len(OPERATIONS), (number, len(images))),
            torch.randint(2, (number, len(images))),
            strict=True,
        ):
            images = operate(images, chosen, strength * (2.0 * sign - 1), mirror)
            mirror = None
        return images

    return transform


@augmentation(probability=Float(0.0, 1.0), share=Float(0.05, 0.4), flip=FLIP)
def erase(
    image_size: int, *, probability: float = 0.5, share: float = 0.3, flip: bool = False
) -> BatchTransform:
    """A rectangle of noise over part of the image, after the small moves of `light`.

    Of an image 2 % up to `share` is erased, with that `probability`.
    When to use: objects that others hide in part, or networks that look at one detail only.
    Random Erasing (Zhong et al., 2020).
    """
    move = _lit_and_moved(30.0, 0.06, flip)

    def transform(images: Tensor) -> Tensor:
        import torch

        images = move(images)
        *_, height, width = images.shape
        chance, area, ratio, top, left = torch.rand(5, len(images), 1, device=images.device)
        area = torch.where(chance < probability, 0.02 + (share - 0.02) * area, 0.0)
        tall = (area * 0.3 * (1 / 0.3**2) ** ratio).sqrt()
        # As far from square as the paper has it, and never longer than the image.
        tall = tall.clamp(max=1.0).maximum(area)
        wide = torch.where(area > 0, area / tall, 0.0)
        rows = torch.arange(height, device=images.device) / height - top * (1 - tall)
        columns = torch.arange(width, device=images.device) / width - left * (1 - wide)
        inside = ((rows >= 0) & (rows < tall))[:, None, :, None]
        inside = inside & ((columns >= 0) & (columns < wide))[:, None, None, :]
        noise = torch.randint(256, images.shape[1:], dtype=torch.uint8, device=images.device)
        return torch.where(inside, noise, images)

    return transform


@augmentation(pipeline=Text("geometric", "photometric", "strong", tables=open_ranges), flip=FLIP)
def albumentations(
    image_size: int, *, pipeline: str = "strong", flip: bool = False, **transforms: Any
) -> ImageTransform:
    """A pipeline of albumentations: one of three that ship, a file that it saved, or transforms by name.

    `pipeline` is `geometric` (moves and distortions), `photometric` (colour, CLAHE, noise, blur) or
    `strong` (random resized crop, colour, CLAHE, coarse dropout), a file of `albumentations.save` (JSON
    or YAML), or transforms in their order, such as "RandomResizedCrop, CLAHE". The parameters of these
    are searched too: `[augmentation.albumentations.CLAHE]` with `p = {low = 0.2, high = 0.8}` and
    `clip_limit = [2.0, [1.0, 4.0]]`, where a list gives choices, of which a pair is one.
    When to use: a pipeline that you know, or the strong one for long trainings.
    Buslaev et al. (2020).
    """
    from automask.training import augmentation_pipelines

    return augmentation_pipelines.pipeline(pipeline, image_size, flip, transforms)
