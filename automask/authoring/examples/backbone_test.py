import torch

from automask.authoring.examples.backbone import my_backbone


def test_gives_four_times_its_width_in_features_of_images_of_any_size():
    network = my_backbone(64, False, width=8).eval()
    assert network(torch.zeros(2, 3, 64, 64)).shape == (2, 32)
    assert network(torch.zeros(2, 3, 33, 33)).shape == (2, 32)
