"""A fold that was interrupted goes on after its last epoch, and ends as if it never had been."""

import numpy as np
import pytest
import timm.optim
import torch
from hypothesis import given
from hypothesis import strategies as st

from automask.hpo.progress import Step
from automask.space import registry
from automask.storage import checkpoint
from automask.storage.trial_store import TrialStore
from automask.training import fold as fold_module
from automask.training.trial import fit
from helpers.recipes import recipe

FLOATS = st.floats(allow_nan=False, allow_subnormal=False)
FLAT = st.none() | st.booleans() | st.integers() | FLOATS | st.text()
STATES = st.recursive(
    FLAT,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers(), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(state=STATES)
def test_what_is_written_is_read_again(tmp_path_factory, state):
    file = tmp_path_factory.mktemp("checkpoint") / "one"
    checkpoint.save(file, state)
    assert checkpoint.load(file) == state


def test_tensors_keep_their_values_types_and_shapes(tmp_path):
    last = torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last)
    state = {"a": last, 3: (torch.tensor(5), last[0]), "b": [torch.zeros(0, dtype=torch.uint8)]}
    checkpoint.save(tmp_path / "one", state)
    read = checkpoint.load(tmp_path / "one")
    assert torch.equal(read["a"], last) and torch.equal(read[3][1], last[0])
    assert read[3][0].shape == () and read["b"][0].dtype == torch.uint8


def test_what_cannot_be_read_is_nothing_and_what_cannot_be_kept_is_an_error(tmp_path):
    assert checkpoint.load(tmp_path / "none") is None
    (tmp_path / "torn").write_bytes(b"torn")
    assert checkpoint.load(tmp_path / "torn") is None
    with pytest.raises(TypeError, match="object"):
        checkpoint.save(tmp_path / "one", {"a": object()})


class Gone(Exception):
    pass


def interrupted(task, made, folder, at):
    """Train the recipe, interrupted after so many epochs, and then to its end; the folds' results."""
    store, count = TrialStore(folder), 0

    def report(step: Step):
        nonlocal count
        count += 1
        if count == at:
            raise Gone

    with pytest.raises(Gone):
        fit(task, made, store, report)
    assert store.checkpoint(0).exists()
    epochs = []
    fit(task, made, store, lambda step: epochs.append(step))
    assert epochs[0].epoch == at + 1, "what was done isn't done again"
    assert not store.checkpoint(0).exists()
    return store


def whole(task, made, folder):
    store = TrialStore(folder)
    fit(task, made, store, lambda step: None)
    return store


def same(a, b, folds):
    return all(
        np.array_equal(getattr(a.load(fold), part), getattr(b.load(fold), part))
        for fold in range(folds)
        for part in ("validation", "test")
    )


@pytest.fixture(autouse=True)
def every_epoch(monkeypatch):
    monkeypatch.setattr(fold_module, "INTERVAL", 0.0)


OTHERS = [("optimizer", name) for name in sorted(registry.plugins("optimizer"))] + [
    ("scheduler", name) for name in sorted(registry.plugins("scheduler"))
]


@pytest.mark.parametrize(("kind", "name"), OTHERS)
def test_interrupted_equals_uninterrupted(task, tmp_path, kind, name):
    if name == "muon" and not hasattr(timm.optim, "Muon"):
        pytest.skip("this timm has no Muon")
    made = recipe(epochs=4, ema_decay=0.9, **{kind: (name, registry.get(kind, name).defaults)})
    one = interrupted(task, made, tmp_path / "cut", 2)
    assert same(one, whole(task, made, tmp_path / "whole"), task.fold_count)


def test_interrupted_equals_uninterrupted_where_numbers_are_drawn(task, tmp_path):
    made = recipe(
        epochs=3,
        augmentation=("light", registry.get("augmentation", "light").defaults),
        mix=("mixup", registry.get("mix", "mixup").defaults),
        sampling=("class_balanced", registry.get("sampling", "class_balanced").defaults),
    )
    one = interrupted(task, made, tmp_path / "cut", 1)
    assert same(one, whole(task, made, tmp_path / "whole"), task.fold_count)
