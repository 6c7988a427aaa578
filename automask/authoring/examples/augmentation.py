"""An augmentation of mine; try it with: automask plugins check plugins/my_augmentation.py"""

from automask import Float, augmentation


@augmentation(share=Float(0.1, 0.5))
def my_augmentation(image_size, *, share=0.25):
    """Some of the images in grey.

    When to use: colour tells the classes apart in train by accident.
    """

    def transform(images):  # a uint8 batch [B, 3, S, S]
        import torch

        grey = images.float().mean(1, keepdim=True).to(images.dtype)
        chosen = (torch.rand(len(images)) < share).to(images.device)
        return torch.where(chosen.view(-1, 1, 1, 1), grey, images)

    return transform
