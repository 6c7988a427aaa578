import torch

from automask.authoring.examples.augmentation import my_augmentation


def test_about_the_share_of_the_images_is_grey():
    torch.manual_seed(0)
    images = torch.randint(0, 256, (400, 3, 4, 4), dtype=torch.uint8)
    changed = my_augmentation(4, share=0.25)(images)
    grey = (changed == changed[:, :1]).flatten(1).all(1)
    assert 70 < grey.sum() < 130
    assert torch.equal(changed[~grey], images[~grey])
