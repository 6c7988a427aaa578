"""Augmentations: `(image_size) -> transform`, or None for no change.

A transform is an albumentations one, which takes one uint8 image, or any other callable on a uint8
batch `[B, 3, H, W]`, such as torchvision's v2 transforms.
"""

from __future__ import annotations

from automask import Categorical, Float, augmentation


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
    import os

    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    import albumentations as A
    import cv2

    return A.Compose(
        [
            A.HorizontalFlip(p=0.5 if flip else 0.0),
            A.Affine(
                rotate=(-degrees, degrees),
                translate_percent=(-shift, shift),
                scale=(1 - shift, 1 + shift),
                border_mode=cv2.BORDER_REFLECT_101,
                p=1.0,
            ),
            A.RandomBrightnessContrast(0.15, 0.15, p=0.5),
        ]
    )
