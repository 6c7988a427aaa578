import torch

from automask.authoring.examples.tta import my_tta


def test_views_are_darker_and_brighter_and_none_leaves_the_range():
    images = torch.full((1, 3, 2, 2), 250.0)
    darker, same, brighter = my_tta(images, strength=0.1)
    assert torch.equal(same, images)
    assert darker.max() < 250 < brighter.min() <= 255
