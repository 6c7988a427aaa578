"""Recording a recipe says what a search would have seen of it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from automask.space import registry
from automask.space.kinds import DEFAULTS
from automask.space.recipe import TRAINING_DEFAULTS, Choice, Recipe
from automask.storage.trial_store import TrialStore
from automask.training.trial import fit
from benchmarks.replay import record


def of(task, **plugins: str) -> Recipe:
    chosen = {**DEFAULTS, "augmentation": "none", **plugins}
    choices = {
        kind: Choice(name, dict(registry.get(kind, name).defaults)) for kind, name in chosen.items()
    }
    choices["backbone"] = Choice("timm", {**choices["backbone"].params, "model": "test_resnet"})
    small = {"pretrained": False, "image_size": 32, "epochs": 3, "warmup_epochs": 0}
    return Recipe(choices, {**TRAINING_DEFAULTS, **small, "batch_size": 8})


@pytest.mark.parametrize("freeze", ["full", "head_only"])
def test_what_is_recorded_is_what_a_search_would_have_seen(task, tmp_path, freeze):
    recipe, told = of(task, freeze=freeze), []
    store = TrialStore(tmp_path / "trial")
    value = fit(task, recipe, store, told.append)
    said, probability, at_once = record.record(task, recipe)
    assert at_once == (freeze == "head_only")
    np.testing.assert_array_equal(probability, store.out_of_fold(task.folds))
    assert task.score(np.arange(len(probability)), probability) == value
    scores = {(step.fold, step.epoch): step.score for step in told if step.score is not None}
    assert len(scores) == 3
    for (fold, epoch), score in scores.items():
        assert said.score[fold, epoch - 1] == pytest.approx(score)
    assert np.isfinite(said.score).all() or at_once
    assert np.nansum(said.seconds) > 0 and np.isfinite(said.seconds[0, -1])


def test_a_recipe_is_kept_whole_also_one_that_fails(task, tmp_path):
    line = record.save(task, of(task, freeze="head_only"), "queue", tmp_path / "a.npz")
    assert "head_only" in line
    with np.load(tmp_path / "a.npz") as arrays:
        facts = json.loads(str(arrays["facts"]))
        assert arrays["probability"].shape == (30, 3)
    assert facts["at_once"] and not facts["reason"] and facts["seconds"] > 0
    record.save(task, of(task, freeze="head_only", mix="cutmix"), "drawn", tmp_path / "b.npz")
    with np.load(tmp_path / "b.npz") as arrays:
        facts = json.loads(str(arrays["facts"]))
    assert facts["reason"] == "bad recipe"


def test_tasks_take_turns():
    assert list(record.turns({"a": 5, "b": 2, "c": 1})) == [
        ("a", 0), ("a", 1), ("b", 0), ("c", 0), ("a", 2), ("a", 3), ("b", 1), ("a", 4),
    ]  # fmt: skip
