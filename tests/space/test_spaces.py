"""Spaces: what they sample, and what is narrowed, clipped and refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automask.errors import UserError
from automask.space import ranges, registry, space_file
from automask.space.kinds import DEFAULTS
from automask.space.ranges import Categorical, Float, Int
from automask.study import adaptation
from automask.target import MULTI, ORDERED, SINGLE, Number


@pytest.mark.parametrize("name", space_file.shipped())
def test_every_shipped_space_samples_recipes_inside_its_ranges(name):
    chosen = space_file.load(name)
    rng = np.random.default_rng(0)

    def suggest(key, range_):
        return range_.corners()[rng.integers(len(range_.corners()))]

    for _ in range(50):
        made = chosen.sample(suggest)
        for key, range_ in chosen.training.items():
            assert made.training[key] in range_
        assert type(made).from_dict(made.to_dict()) == made
        assert type(made).from_dict(made.to_dict()).hash == made.hash


def test_the_full_space_has_every_plugin_that_competes():
    full = space_file.load("full")
    for kind in DEFAULTS:
        assert set(full.competitors[kind]) == set(registry.plugins(kind)), kind


@pytest.mark.parametrize("target", [SINGLE, ORDERED, MULTI, Number()], ids=lambda one: one.name)
@pytest.mark.parametrize("name", space_file.shipped())
def test_every_shipped_space_has_recipes_for_every_target(name, target):
    chosen, notes = adaptation.for_target(space_file.load(name), target)
    assert notes == []
    rng = np.random.default_rng(0)
    for _ in range(20):
        made = chosen.sample(lambda key, range_: rng.choice(range_.corners()))
        for kind in DEFAULTS:
            assert registry.get(kind, made[kind].name).takes(target)
    default, _ = chosen.default()
    assert registry.get("loss", default["loss"].name).takes(target)


def test_all_mistakes_of_a_space_are_told_at_once(tmp_path):
    file = tmp_path / "space.toml"
    file.write_text(
        "[training]\nepoch = 3\nepochs = { low = 9, high = 2 }\n[backbone.timm]\n"
        '[loss.focl]\n[loss.focal]\ngamma = 99.0\n[optimiser.sgd]\n[freeze.last_stages]\nshare = "x"\n'
    )
    with pytest.raises(UserError) as caught:
        space_file.load(str(file))
    for part in (
        "training.epoch: unknown: did you mean 'epochs'?",
        "training.epochs: the range is upside down",
        "[loss.focl]: unknown loss: did you mean 'focal'?",
        "loss.focal.gamma: 99.0 is outside 0 to 5",
        "[optimiser]: a space has no such kind: did you mean 'optimizer'?",
        "backbone.timm.model: is open text",
        "freeze.last_stages.share: 'x' is outside 0.25, 0.5, 0.75",
    ):
        assert part in str(caught.value)


# Training makes the processor flush subnormal numbers.
numbers = st.floats(-1e6, 1e6, allow_nan=False, allow_subnormal=False)


@given(numbers, numbers, numbers, numbers)
def test_narrowing_never_leaves_the_declared_range(a, b, c, d):
    declared = Float(min(a, b), max(a, b))
    try:
        narrowed = ranges.narrow(declared, {"low": c, "high": d})
    except ValueError:
        assert c > d or c not in declared or d not in declared
        return
    assert declared.low <= narrowed.low <= narrowed.high <= declared.high


@given(st.integers(-100, 100), st.integers(0, 100), st.integers(-300, 300))
def test_clipping_gives_a_value_inside(low, length, value):
    for range_ in (Int(low, low + length), Categorical(low, low + length)):
        assert ranges.clip(range_, value) in range_
