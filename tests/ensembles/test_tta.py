"""Test-time augmentation: what views are, that stored weights are rebuilt right, and what is kept."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from automask.ensembles import members
from automask.ensembles import tta as tta_module
from automask.ensembles.ensemble import Member
from automask.hpo.attributes import StudyAttributes
from automask.space import registry
from automask.study import flips, opening, session
from automask.study.session import Options
from automask.target import SINGLE
from automask.training import trial
from automask.training.network import build, predict
from helpers.commands import automask
from helpers.recipes import recipe
from helpers.training import quiet

EVERY = ["none", "flip", "multi_crop", "multi_scale"]


def tta(name, **params):
    plugin = registry.get("tta", name)
    return lambda images: plugin.function(images, **{**plugin.defaults, **params})


@pytest.fixture
def images():
    torch.manual_seed(0)
    return 255 * torch.rand(3, 3, 20, 20)


@pytest.fixture
def begun(inside):
    return opening.begin(Options(space="space.toml", folds=3, threads=1))


def trained(begun, *recipes):
    """The recipes trained, as members of the study in order."""
    task, found = begun.task(), []
    for number, made in enumerate(recipes):
        store = begun.store.trial(made.hash)
        trial.fit(task, made, store, quiet)
        found.append(
            Member(number, made, store.out_of_fold(task.folds), lambda s=store: s.test(3).mean(0))
        )
    return found


def test_views_of_one_value_are_of_that_value_and_each_shows_what_it_should(images):
    flat = torch.full((1, 3, 20, 20), 77.0)
    for name in EVERY:
        for view in tta(name)(flat):
            torch.testing.assert_close(view, flat)
    same, mirrored = tta("flip")(images)
    assert torch.equal(same, images) and torch.equal(mirrored[..., 0], images[..., -1])
    ramp = torch.arange(20.0).expand(1, 3, 20, 20)
    middle, left, right, *_ = (view.mean().item() for view in tta("multi_crop")(ramp))
    assert left < middle < right and middle == pytest.approx(9.5, abs=0.6)
    _, plain, large = (view.std().item() for view in tta("multi_scale", spread=0.4)(ramp))
    assert large < plain and torch.equal(tta("multi_crop", share=1.0)(images)[0], images)
    dot = torch.zeros(1, 3, 21, 21)
    dot[..., 8:13, 8:13] = 255
    sizes = [view.sum().item() for view in tta("multi_scale", spread=0.3)(dot)]
    assert sizes[0] < sizes[1] < sizes[2]


def test_who_mirrors_says_so():
    assert [p.name for p in registry.plugins("tta").values() if p.abilities["mirrors"]] == ["flip"]


def test_an_image_and_its_mirror_image_get_one_probability_under_flip(begun):
    task = begun.task()
    network = build(recipe(), task.data.attributes, {}, 0, 0)
    pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    rows = np.arange(4)

    def both(views):
        return [
            tta_module.predict(network, some, rows, task.device, views, SINGLE)
            for some in (pixels, np.ascontiguousarray(pixels[:, :, ::-1]))
        ]

    np.testing.assert_allclose(*both(tta("flip")), atol=1e-6)
    assert np.abs(np.subtract(*both(tta("none")))).max() > 1e-5
    mean = np.mean(both(tta("none")), axis=0)
    np.testing.assert_allclose(both(tta("flip"))[0], mean, atol=1e-6)
    np.testing.assert_allclose(
        both(tta("none"))[0],
        predict(network, pixels, rows, task.device, task.data.target),
        atol=1e-6,
    )


RECIPES = [
    recipe(preprocessing=("position_crop", {})),
    recipe(freeze=("head_only", {}), preprocessing=("position_crop", {})),
    recipe(freeze=("head_only", {}), head=("factored", {})),
    recipe(freeze=("last_stages", {"share": 0.25}), ema_decay=0.5),
]


def test_rebuilt_networks_predict_what_was_stored(begun, monkeypatch):
    """Under a view that changes nothing: whole networks, heads alone, stages, fitted preprocessing."""
    found = trained(begun, *RECIPES)
    monkeypatch.setattr(tta_module, "PLAIN", "")
    seen = tta_module.member_views(begun, found, ["none"])["none"]
    for before, after in zip(found, seen, strict=True):
        assert after.validation is not before.validation
        np.testing.assert_allclose(after.validation, before.validation, atol=1e-5)
        np.testing.assert_allclose(after.test(), before.test(), atol=1e-5)


def test_heads_and_networks_average_the_views_alike_and_a_second_time_nothing_is_predicted(
    begun, monkeypatch, heard
):
    found = trained(begun, *RECIPES[1:3])
    seen = tta_module.member_views(begun, found, EVERY)
    assert list(seen) == EVERY and seen["none"] == found
    views = [step for step in heard.steps if step[0] == "predicting views"]
    assert views == [("predicting views", k, 6) for k in range(1, 7)]
    assert heard.notes[0].startswith("predicting 2 trials under flip, multi_crop, multi_scale")
    task = begun.task()
    for place, made in enumerate(RECIPES[1:3]):
        for fold in range(3):
            state = members.load_state(made, begun.store.trial(made.hash), fold)
            network = members.rebuild_network(task, made, state, fold)
            _, rows = task.fold_rows(fold)
            pixels = task.pixels(made, fold)
            by_hand = tta_module.predict(
                network, pixels, rows, task.device, tta("multi_crop"), SINGLE
            )
            shown = seen["multi_crop"][place].validation[rows]
            np.testing.assert_allclose(shown, by_hand, atol=1e-5)
    monkeypatch.delattr(tta_module, "_predict_all")
    again = tta_module.member_views(begun, found, EVERY)
    for name in EVERY:
        for one, other in zip(seen[name], again[name], strict=True):
            np.testing.assert_array_equal(one.validation, other.validation)
            np.testing.assert_array_equal(one.test(), other.test())


def test_a_plugin_that_changed_and_other_test_rows_are_predicted_anew(begun, monkeypatch, heard):
    found = trained(begun, RECIPES[2])
    tta_module.member_views(begun, found, ["flip"])
    fewer = replace(begun.data.test, ids=begun.data.test.ids[:4], paths=begun.data.test.paths[:4])
    other = replace(begun, data=replace(begun.data, test=fewer))
    views = tta_module.member_views(other, found, ["flip"])
    assert views["flip"][0].test().shape == (4, 3)
    without = replace(begun, data=replace(begun.data, test=None))
    assert tta_module.member_views(without, found, ["flip"])["flip"][0].test().shape == (0, 3)
    assert heard.notes
    monkeypatch.setattr(registry.Plugin, "digest", "changed")
    heard.notes.clear()
    tta_module.member_views(other, found, ["flip"])
    assert heard.notes


def test_a_member_without_its_weights_stays_as_it_is(begun, heard):
    found = trained(begun, RECIPES[2], recipe(freeze=("head_only", {})))
    begun.store.trial(RECIPES[2].hash).weights(1).unlink()
    seen = tta_module.member_views(begun, found, ["none", "flip"])["flip"]
    assert seen[0] is found[0] and seen[1] is not found[1]
    assert "trials 0 stay as they are" in heard.notes[0]


def test_what_mirrors_is_no_candidate_where_mirrored_images_lose_their_class(
    begun, monkeypatch, heard
):
    kept = {"kept": False, "note": "mirrored images lose their class"}
    monkeypatch.setattr(flips, "_measured", lambda session: kept)
    assert tta_module.candidates(begun) == ["none", "multi_crop", "multi_scale"]
    assert heard.notes == ["mirrored images lose their class"]
    StudyAttributes(mirroring={"kept": True, "note": "they keep it"}).write(begun.study)
    assert tta_module.candidates(begun) == EVERY


def test_after_a_search_of_a_space_that_is_taken_at_its_word_mirroring_is_measured(inside, heard):
    out = automask(inside, "search", "--space", "space.toml", "--folds", "3", "--trials", "1")
    assert out.returncode == 0, out.stderr
    assert tta_module.candidates(session.open_session(Options())) == EVERY
    assert "keep their class" in heard.notes[0]
