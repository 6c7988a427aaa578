"""What augmentations do to images."""

import importlib

import numpy as np
import pytest
import torch

from automask import registry
from automask.inputs import Inputs

registry.load()
augmentations = importlib.import_module("automask.plugins.augmentations")


def smooth(count=6, size=48):
    """Images whose pixels hardly depend on how they are interpolated, `[B, 3, S, S]`."""
    rng = np.random.default_rng(0)
    waves = rng.uniform(0.05, 0.2, (count, 3, 2))
    y, x = np.mgrid[:size, :size]
    values = np.sin(waves[..., 0, None, None] * x + waves[..., 1, None, None] * y + 1)
    return torch.from_numpy((127 + 90 * values).astype(np.uint8))


def light(**params):
    return registry.get("augmentation", "light").function(48, **params)


def test_a_processor_and_a_gpu_move_and_light_images_alike():
    images, transform = smooth(), light(degrees=30.0, shift=0.1, flip=True)
    torch.manual_seed(1)
    drawn = transform._draw(images)
    one = augmentations._one_by_one(images, *drawn).int()
    all_ = augmentations._all_at_once(images, *drawn).int()
    assert (one - all_).abs().float().mean() < 1 and (one - all_).abs().max() <= 12
    assert (one - images.int()).abs().float().mean() > 10


def test_each_image_of_a_batch_moves_by_itself_and_the_seed_decides_how():
    images = smooth(1).repeat(8, 1, 1, 1)
    torch.manual_seed(1)
    first = light()(images)
    assert len({bytes(image.contiguous().numpy()) for image in first}) == 8
    torch.manual_seed(1)
    assert torch.equal(light()(images), first)
    assert first.dtype == torch.uint8 and first.shape == images.shape


def test_without_rotation_or_shift_only_light_and_mirror_are_left():
    images = smooth(64)
    torch.manual_seed(0)
    matrices, gains, offsets = light(degrees=0.0, shift=0.0, flip=True)._draw(images)
    straight, mirrored = torch.eye(2, 3), torch.tensor([[-1.0, 0, 0], [0, 1, 0]])
    sides = [torch.allclose(m, straight, atol=1e-6) for m in matrices]
    others = [torch.allclose(m, mirrored, atol=1e-6) for m in matrices]
    assert all(a != b for a, b in zip(sides, others, strict=True)) and 16 < sum(sides) < 48
    left = (gains == 1) & (offsets == 0)
    assert 16 < left.sum() < 48 and (gains - 1).abs().max() <= 0.15
    plain = augmentations._one_by_one(images, matrices, torch.ones(64), torch.zeros(64))
    for image, out, straight_ in zip(images, plain, sides, strict=True):
        assert torch.equal(out, image if straight_ else image.flip(-1))


@pytest.mark.parametrize("name", ["none", "light"])
def test_inputs_give_the_rows_that_they_are_asked_for(name):
    pixels = smooth().permute(0, 2, 3, 1).contiguous().numpy()
    transform = registry.get("augmentation", name).function(48)
    inputs = Inputs(pixels, transform, torch.device("cpu"), np.random.default_rng(0))
    rows = np.array([4, 1, 1])
    out = inputs(rows)
    assert out.shape == (3, 48, 48, 3) and out.dtype == torch.uint8
    # Even moved, an image is nearer to its own row than to any other.
    distances = (
        (out[:, None].float() - torch.from_numpy(pixels)[None].float()).abs().mean((2, 3, 4))
    )
    assert distances.argmin(1).tolist() == rows.tolist()
