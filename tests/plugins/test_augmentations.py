"""What augmentations do to images."""

import importlib

import numpy as np
import pytest
import torch

from automask.plugins import _operations, _pixels
from automask.space import registry
from automask.training.batches import Inputs

registry.load()
augmentations = importlib.import_module("automask.plugins.augmentations")


def smooth(count=6, size=48):
    """Images whose pixels hardly depend on how they are interpolated, `[B, 3, S, S]`."""
    rng = np.random.default_rng(0)
    waves = rng.uniform(0.05, 0.2, (count, 3, 2))
    y, x = np.mgrid[:size, :size]
    values = np.sin(waves[..., 0, None, None] * x + waves[..., 1, None, None] * y + 1)
    return torch.from_numpy((127 + 90 * values).astype(np.uint8))


def augmentation(name, size=48, **params):
    return registry.get("augmentation", name).function(size, **params)


def bright(count=64, size=48):
    """Images without anything dark, so that whatever is dark afterwards was made."""
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.integers(150, 256, (count, 3, size, size), np.uint8))


def mirrored_share(out, images):
    """The share of images that came out mirrored; each must be that or as it was."""
    same = [torch.equal(a, b) for a, b in zip(out, images, strict=True)]
    other = [torch.equal(a, b.flip(-1)) for a, b in zip(out, images, strict=True)]
    assert all(a != b for a, b in zip(same, other, strict=True))
    return sum(other) / len(images)


MOVING = ["light", "rotate_reflect", "trivial", "policy", "erase"]
#: Those of batches; test_albumentations.py has the one of images.
EVERY = sorted(set(registry.plugins("augmentation")) - {"none", "albumentations"})


def test_a_processor_and_a_gpu_move_and_colour_images_alike():
    images, draws = smooth(), torch.Generator().manual_seed(1)
    drawn = 2 * torch.rand(7, 6, generator=draws) - 1
    matrices = _pixels.affine_matrix(
        30 * drawn[0], 1 + 0.1 * drawn[1], *(0.2 * drawn[2:4]), drawn[4] < 0
    )
    colours = _pixels.colour_matrix(
        images, 1 + 0.3 * drawn[4], 1 + 0.3 * drawn[5], 1 + drawn[6], drawn[6]
    )
    for one, all_ in (
        (_pixels._moved_one_by_one(images, matrices), _pixels._moved_at_once(images, matrices)),
        (
            _pixels._recoloured_one_by_one(images, colours),
            _pixels._recoloured_at_once(images, colours),
        ),
    ):
        assert (one.int() - all_).abs().float().mean() < 1 and (one.int() - all_).abs().max() <= 12
        assert (one.int() - images).abs().float().mean() > 10


@pytest.mark.parametrize("name", EVERY)
def test_each_image_of_a_batch_has_its_own_draws_and_the_seed_decides_them(name):
    images = smooth(1).repeat(16, 1, 1, 1)
    before = images.clone()
    transform = augmentation(name)
    torch.manual_seed(1)
    first = transform(images)
    assert len({bytes(image.contiguous().numpy()) for image in first}) >= 12
    torch.manual_seed(1)
    assert torch.equal(transform(images), first)
    assert first.dtype == torch.uint8 and first.shape == images.shape
    assert torch.equal(images, before)


@pytest.mark.parametrize("name", MOVING)
def test_flip_mirrors_half_of_the_images(name):
    images = smooth(64)
    still = {
        "light": {"degrees": 0.0, "shift": 0.0},
        "rotate_reflect": {"degrees": 0.0},
        "policy": {"strength": 0.0},
    }
    torch.manual_seed(0)
    out = augmentation(name, **still.get(name, {}), flip=True)(images)
    torch.manual_seed(0)
    straight = augmentation(name, **still.get(name, {}))(images)
    if name in ("rotate_reflect", "policy"):
        assert 0.3 < mirrored_share(out, images) < 0.7
        assert torch.equal(straight, images)
    differing = (out != straight).flatten(1).any(1).float().mean()
    assert 0.3 < differing < 0.7


@pytest.mark.parametrize("name", ["light", "rotate_reflect"])
def test_what_a_move_uncovers_is_a_reflection(name):
    images = bright()
    torch.manual_seed(0)
    out = augmentation(name)(images)
    moved = (out != images).flatten(1).any(1)
    assert moved.float().mean() > 0.9
    # Brightness may take 38 from an image, and contrast 38 more.
    assert out.min() >= (150 if name == "rotate_reflect" else 70)


def test_rotations_go_as_far_as_they_say_both_ways():
    size = 65
    image = torch.zeros(1, 3, size, size, dtype=torch.uint8)
    image[:, :, 30:35, 50:58] = 255
    torch.manual_seed(0)
    out = augmentation("rotate_reflect", size, degrees=20.0)(image.repeat(200, 1, 1, 1))
    y, x = np.mgrid[:size, :size] - 32.0
    weights = out[:, 0].numpy() / 255
    angles = np.degrees(np.arctan2((weights * y).sum((1, 2)), (weights * x).sum((1, 2))))
    assert 18 < angles.max() < 21 and -21 < angles.min() < -18 and abs(angles.mean()) < 3


def test_colours_change_where_nothing_moves():
    images = bright(32)
    assert torch.equal(augmentation("colour", strength=0.0)(images), images)
    dots = torch.full((32, 3, 48, 48), 60, dtype=torch.uint8)
    dots[:, :, 10:20, 30:40] = torch.tensor([120, 90, 60], dtype=torch.uint8)[:, None, None]
    torch.manual_seed(0)
    out = augmentation("colour", strength=0.5)(dots)
    assert (out != dots).flatten(1).any(1).float().mean() > 0.9
    paper, ink = out.clone(), out[:, :, 10:20, 30:40]
    paper[:, :, 10:20, 30:40] = out[:, :, :1, :1]
    assert (paper == out[:, :, :1, :1]).all() and (ink == ink[:, :, :1, :1]).all()
    assert (ink[:, :, 0, 0] != out[:, :, 0, 0]).any(1).all()


def test_grey_stays_grey_whatever_its_hue_and_saturation():
    images = bright(8)[:, :1].repeat(1, 3, 1, 1)
    turn, one = torch.linspace(-0.5, 0.5, 8), torch.ones(8)
    out = _pixels.recolour(images, _pixels.colour_matrix(images, one, one, 2 * one, turn))
    assert (out.int() - images).abs().max() <= 1


def test_a_third_of_the_circle_makes_red_greenish():
    red = torch.zeros(1, 3, 4, 4, dtype=torch.uint8)
    red[:, 0] = 200
    one = torch.ones(1)
    hues = [
        _pixels.recolour(red, _pixels.colour_matrix(red, one, one, one, one * turn))[
            0, :, 0, 0
        ].argmax()
        for turn in (-1 / 3, 0, 1 / 3)
    ]
    assert hues[1] == 0 and {int(hues[0]), int(hues[2])} == {1, 2}


@pytest.mark.parametrize("share", [0.1, 0.4])
def test_erases_about_the_share_that_it_says(share, monkeypatch):
    monkeypatch.setattr(augmentations, "_lit_and_moved", lambda *how: lambda images: images)
    images = torch.full((400, 3, 48, 48), 7, dtype=torch.uint8)
    torch.manual_seed(0)
    out = augmentation("erase", probability=0.5, share=share)(images)
    erased = (out != images).any(1).float().mean((1, 2))
    hit = erased > 0
    assert 0.4 < hit.float().mean() < 0.6
    assert erased.max() < share + 0.06
    assert erased[hit].mean() == pytest.approx((0.02 + share) / 2, abs=0.02)
    # It is a rectangle: what lies between erased pixels of a row is erased too.
    mask = (out[hit] != 7).any(1)
    assert (
        mask.any(1).float().sum(1).mul(mask.any(2).float().sum(1)).sub(mask.sum((1, 2))).abs().max()
        < 5
    )


def test_a_policy_of_no_strength_changes_nothing_and_more_changes_more():
    images = smooth(64)
    changes = []
    for strength in (0.0, 0.2, 0.8):
        torch.manual_seed(0)
        out = augmentation("policy", strength=strength)(images)
        changes.append((out.int() - images).abs().float().mean().item())
    assert changes[0] == 0 < changes[1] < changes[2]
    torch.manual_seed(0)
    more = augmentation("policy", strength=0.2, number=3)(images)
    assert (more.int() - images).abs().float().mean() > changes[1]


def test_operations_do_what_their_names_say():
    images = smooth(4)

    def operated(name, amount):
        index = _operations.OPERATIONS.index(name)
        return _operations.operate(images, torch.full((4,), index), torch.full((4,), amount))

    for name in _operations.OPERATIONS:
        assert torch.equal(operated(name, 0.0), images), name
        assert torch.equal(operated(name, 1.0), images) == (name == "identity"), name
    assert operated("brightness", -0.5).float().mean() < images.float().mean() - 20
    assert operated("contrast", -1.0).float().std() < 0.2 * images.float().std()
    assert (operated("posterize", 1.0) % 16 == 0).all()
    assert torch.equal(operated("solarize", 1.0), 255 - images)
    stretched = operated("autocontrast", 1.0)
    assert (stretched.amin((2, 3)) <= 1).all() and (stretched.amax((2, 3)) >= 254).all()
    from torchvision.transforms.v2 import functional as F

    sharper, reference = operated("sharpness", 1.0).int(), F.adjust_sharpness(images, 1.9)
    assert (sharper - reference).abs()[..., 1:-1, 1:-1].max() <= 4
    even = operated("equalize", 1.0).float()
    assert ((even.std((2, 3)) - 255 / 12**0.5).abs() < 8).all()


@pytest.mark.parametrize("name", ["none", "light", "rotate_reflect", "erase"])
def test_inputs_give_the_rows_that_they_are_asked_for(name):
    table = smooth().permute(0, 2, 3, 1).contiguous().numpy()
    transform = augmentation(name)
    inputs = Inputs(table, transform, torch.device("cpu"), np.random.default_rng(0))
    rows = np.array([4, 1, 1])
    out = inputs(rows)
    assert out.shape == (3, 48, 48, 3) and out.dtype == torch.uint8
    # Even moved, an image is nearer to its own row than to any other.
    distances = (out[:, None].float() - torch.from_numpy(table)[None].float()).abs().mean((2, 3, 4))
    assert distances.argmin(1).tolist() == rows.tolist()
