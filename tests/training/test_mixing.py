"""Batches that are mixed, samplings and averaged weights: what each does to a training."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from automask.data.dataset import Attributes
from automask.errors import PluginError, TrialError
from automask.space import registry, space_file
from automask.storage.trial_store import TrialStore
from automask.study import opening
from automask.study.session import Options
from automask.target import SINGLE
from automask.training import batches, flops, heads, mixing, network, trial
from automask.training.features import Features
from automask.training.fold import FoldTrainer
from automask.training.fold_data import fold_data
from automask.training.moving_average import MovingAverage
from helpers.commands import automask
from helpers.competition import SPACE, draw_table
from helpers.recipes import recipe
from helpers.training import Narrow, declare_nothing, heads_of, quiet, same_results


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    """One task for all tests here: none changes what it holds."""
    folder = tmp_path_factory.mktemp("mixing")
    draw_table(folder / "data")
    (folder / "space.toml").write_text(SPACE)
    assert automask(folder, "init", "data").returncode == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield opening.begin(Options(space="space.toml", folds=3, threads=1)).task()


# Mixes


def rng(seed=0):
    return np.random.default_rng(seed)


def mix(name, inputs, target, seed=0, **params):
    return registry.get("mix", name).function(inputs, target, rng(seed), **params)


def batch(rows=8, size=16, seed=0):
    """Images of one shade each, telling whose a pixel was, with one-hot targets."""
    shades = torch.arange(rows, dtype=torch.uint8) * 10
    images = shades.view(-1, 1, 1, 1).expand(rows, 3, size, size).clone()
    return images, torch.eye(rows)


@given(st.integers(0, 10**6), st.sampled_from(["mixup", "cutmix", "vertical_cutmix"]))
@settings(max_examples=60)
def test_a_mixed_target_is_what_of_each_image_is_seen(seed, name):
    images, target = batch()
    params = {} if name == "mixup" else {"share": 1.0}
    out, aim = mix(name, images, target, seed, **params)
    torch.testing.assert_close(aim.sum(1), torch.ones(8))
    # A row's mean shade says how its target must be spread over the shades.
    torch.testing.assert_close(out.float().mean((1, 2, 3)), aim @ (torch.arange(8) * 10.0))


def test_cutmix_pastes_one_box_and_goes_by_the_area_that_lies_inside():
    images, target = batch()
    found = set()
    for seed in range(30):
        out, aim = mix("cutmix", images, target, seed, share=1.0)
        other = (out != images)[:, 0]
        row = int(other.flatten(1).sum(1).argmax())
        area = other[row].float().mean()
        torch.testing.assert_close(aim[row, row], 1 - area)
        filled = other[row].any(1).sum() * other[row].any(0).sum()
        assert filled == other[row].sum(), "what was pasted is no box"
        found.add(round(float(area), 3))
    assert len(found) > 15


@pytest.mark.parametrize("size", [16, 15])
def test_vertical_cutmix_puts_two_halves_side_by_side(size):
    images, target = batch(size=size)
    out, aim = mix("vertical_cutmix", images, target, share=1.0)
    assert torch.equal(out[..., : size // 2], images[..., : size // 2])
    right = out[:, 0, 0, -1]
    assert sorted(right.tolist()) == sorted(images[:, 0, 0, 0].tolist())
    assert (out[..., size // 2 :] == right.view(-1, 1, 1, 1)).all()
    other = (size - size // 2) / size
    expected = (1 - other) * target + other * torch.eye(8)[right.long() // 10]
    torch.testing.assert_close(aim, expected)


def test_a_share_of_the_batches_is_cut():
    images, target = batch()
    outs = [mix("vertical_cutmix", images, target, seed, share=0.3)[0] for seed in range(300)]
    cut = np.mean([not torch.equal(out, images) for out in outs])
    assert 0.2 < cut < 0.4


def test_mixup_with_no_weight_is_none():
    images, target = batch()
    out, aim = mix("mixup", images, target, alpha=1e-6)
    torch.testing.assert_close(out, images.float())
    torch.testing.assert_close(aim, target)
    assert mix("none", images, target) == (images, target)


def test_mixup_blends_more_for_a_larger_alpha_and_never_past_the_middle():
    _, target = batch(64)
    own = {
        alpha: torch.cat(
            [
                mix("mixup", torch.eye(64), target, seed, alpha=alpha)[1].diagonal()
                for seed in range(9)
            ]
        )
        for alpha in (0.1, 1.0)
    }
    assert own[0.1].mean() > 0.9 > 0.8 > own[1.0].mean() > 0.7
    assert min(values.min() for values in own.values()) >= 0.5


def test_pixels_that_are_floats_already_give_the_same_features_and_stay_as_they_are(task):
    built = network.build(recipe(), task.data.attributes, {}, 0, 0).eval()
    images = torch.randint(0, 256, (4, 32, 32, 3), dtype=torch.uint8)
    floats = images.float()
    torch.testing.assert_close(built(floats), built(images), atol=0, rtol=0)
    assert torch.equal(floats, images.float())


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
@pytest.mark.parametrize("way", ["halved", "accumulated"])
def test_a_batch_in_parts_is_of_the_same_mixture(task, monkeypatch, name, way):
    """Without batch norm, parts of one mixture add up to its gradient: so the weights end alike."""
    original = network.build_backbone

    def trained(most, accumulation=1):
        seen = []

        def build(*arguments):
            made = Narrow(original(*arguments), most)
            made.seen = seen
            return made

        monkeypatch.setattr(network, "build_backbone", build)
        made = recipe(
            mix=(name, {"alpha": 1.0}),
            backbone=("timm", {"model": "test_vit"}),
            optimizer=("sgd", {"lr": 0.1}),
            accumulation=accumulation,
        )
        built = network.build(made, task.data.attributes, {}, task.seed, 0)
        trainer = FoldTrainer(task, made, Features(task, made), 0, built)
        trainer.micro_batch.file = task.cache / f"{name}-{way}.json"
        trainer.precision = torch.float32
        seen.clear()
        trainer.epoch(0)
        return seen, built.state_dict()

    whole_seen, whole = trained(99)
    seen, parts = trained(3) if way == "halved" else trained(99, 2)
    assert max(whole_seen) == 7 and seen != whole_seen and len(seen) > len(whole_seen)
    for key, value in whole.items():
        torch.testing.assert_close(parts[key], value, atol=1e-4, rtol=1e-3)


def test_the_loss_gets_the_mixed_target_whatever_loss_it_is(task, monkeypatch):
    seen = []
    plain = registry.get("loss", "focal")

    def spy(logits, target, class_counts, **params):
        seen.append(target)
        return plain.function(logits, target, class_counts, **params)

    monkeypatch.setitem(
        registry.KINDS["loss"].plugins, "focal", replace(plain, function=spy, ranges={})
    )
    made = recipe(mix=("mixup", {"alpha": 1.0}), loss=("focal", {}))
    built = network.build(made, task.data.attributes, {}, task.seed, 0)
    FoldTrainer(task, made, Features(task, made), 0, built).epoch(0)
    soft = torch.cat(seen)
    torch.testing.assert_close(soft.sum(1), torch.ones(len(soft)))
    assert (soft.amax(1) < 0.99).any()


@pytest.mark.parametrize(
    ("freeze", "name"),
    [
        ("full", "mixup"),
        ("gradual", "mixup"),
        ("head_only", "mixup"),
        ("full", "vertical_cutmix"),
        ("gradual", "cutmix"),
    ],
)
def test_mixed_trainings_repeat_to_the_bit_and_differ_from_unmixed_ones(
    task, tmp_path, freeze, name
):
    mixture = (name, {"alpha": 1.0} if name == "mixup" else {"share": 1.0})
    made = recipe(freeze=(freeze, {}), mix=mixture, epochs=3)
    outs = []
    for place, own in (("a", made), ("b", made), ("c", recipe(freeze=(freeze, {}), epochs=3))):
        store = TrialStore(tmp_path / place)
        trial.fit(task, own, store, quiet)
        outs.append(store.out_of_fold(task.folds))
    np.testing.assert_array_equal(outs[0], outs[1])
    assert np.abs(outs[0] - outs[2]).max() > 1e-4


def test_a_mix_of_pixels_goes_through_a_backbone_that_is_frozen_for_now(
    task,
    monkeypatch,
):
    def inputs_of(name):
        made = recipe(freeze=("gradual", {"head_share": 0.5}), mix=(name, {}), epochs=4)
        built = network.build(made, task.data.attributes, {}, task.seed, 0)
        trainer = FoldTrainer(task, made, Features(task, made), 0, built)
        assert trainer.plan.cached[0] is (name == "mixup")
        shapes, mixed = [], mixing.mix_batch

        def spy(recipe, rng, inputs, target):
            shapes.append(inputs.ndim)
            return mixed(recipe, rng, inputs, target)

        monkeypatch.setattr(mixing, "mix_batch", spy)
        before = {key: value.clone() for key, value in built.backbone.state_dict().items()}
        trainer.epoch(0)
        for key, value in built.backbone.state_dict().items():
            assert torch.equal(value, before[key]), key
        return set(shapes)

    assert inputs_of("mixup") == {2}
    assert inputs_of("cutmix") == {4}


def test_a_mix_of_pixels_with_cached_features_alone_is_refused_with_a_sentence(
    task,
    tmp_path,
    monkeypatch,
):
    made = recipe(freeze=("head_only", {}), mix=("cutmix", {}))
    with pytest.raises(
        TrialError, match="mix 'cutmix' can't be had with freeze 'head_only'"
    ) as told:
        trial.fit(task, made, TrialStore(tmp_path), quiet)
    assert told.value.reason == "bad recipe"

    def rolled(inputs, target, rng):
        """One of a user's own, which says nothing of features, and lets most batches be."""
        return (inputs if rng.random() < 0.6 else inputs.roll(1, dims=3)), target

    own = replace(registry.get("mix", "none"), name="rolled", function=rolled)
    monkeypatch.setitem(registry.KINDS["mix"].plugins, "rolled", own)
    made = recipe(freeze=("gradual", {"head_share": 0.5}), mix=("rolled", {}), epochs=4)
    with pytest.raises(
        TrialError, match=r'Dimension.*if it needs pixels, say @mix\(takes="pixels"\)'
    ):
        trial.fit(task, made, TrialStore(tmp_path / "undeclared"), quiet)
    declared = replace(own, abilities={"takes": "pixels"})
    monkeypatch.setitem(registry.KINDS["mix"].plugins, "rolled", declared)
    trial.fit(task, made, TrialStore(tmp_path / "declared"), quiet)


def test_heads_at_once_on_mixed_features_are_those_trained_alone(task, monkeypatch):
    made = recipe(freeze=("head_only", {}), mix=("mixup", {"alpha": 1.0}), epochs=3, ema_decay=0.9)
    together = heads_of(task, [made])[0]
    declare_nothing(monkeypatch, made)
    same_results(together, heads_of(task, [made])[0])


@pytest.mark.parametrize("name", ["mixup", "none"])
@pytest.mark.parametrize("sampling", ["all", "smote"])
@pytest.mark.parametrize("decay", [0.0, 0.6])
def test_a_head_on_cached_features_is_the_one_trained_by_hand(
    task,
    name,
    sampling,
    decay,
):
    task = skewed(task)
    made = recipe(
        freeze=("head_only", {}),
        mix=(name, {"alpha": 1.0} if name == "mixup" else {}),
        sampling=(sampling, {}),
        optimizer=("sgd", {"lr": 0.5, "weight_decay": 0.0, "momentum": 0.0, "head_lr_ratio": 1.0}),
        scheduler=("constant", {}),
        batch_size=64,
        epochs=3,
        ema_decay=decay,
    )
    features = Features(task, made)
    results = heads.fit_heads(task, [made], features, quiet)[0]
    plain = torch.from_numpy(np.array(features.plain(0)))
    for fold, result in enumerate(results):
        rows, _ = task.fold_rows(fold)
        own, labels = plain[rows], task.data.labels[rows]
        head = network.build_head(made["head"], features.facts.D, task.data.attributes, 0, fold)
        draws, mixer = rng([task.seed, fold]), rng([task.seed, fold, 2])
        sampled, courses = registry.get("sampling", sampling).function, []
        for _ in range(3):
            drawn = sampled(labels, lambda own=own: own.numpy(), draws)
            index, partner, weight = (
                drawn if isinstance(drawn, tuple) else (drawn, drawn, 0 * drawn)
            )
            share = torch.as_tensor(weight, dtype=torch.float32)[:, None]
            inputs = (1 - share) * own[index] + share * own[partner]
            target = torch.eye(len(task.data.counts))[labels[index]]
            if name == "mixup":
                drawn_share = mixer.beta(1.0, 1.0, len(index))
                lam = torch.tensor(np.minimum(drawn_share, 1 - drawn_share)).float()[:, None]
                other = torch.tensor(mixer.permutation(len(index)))
                inputs = (1 - lam) * inputs + lam * inputs[other]
                target = (1 - lam) * target + lam * target[other]
            head.zero_grad()
            nn.functional.cross_entropy(head(inputs), target).backward()
            with torch.no_grad():
                for parameter in head.parameters():
                    parameter -= 0.5 * parameter.grad
            courses.append([p.detach().clone() for p in head.parameters()])
        stored = [result.state[f"head.{key}"] for key, _ in head.named_parameters()]
        for index, value in enumerate(stored):
            wanted = averaged([course[index] for course in courses], decay)
            torch.testing.assert_close(value, wanted, atol=1e-5, rtol=1e-4)


# Samplings


def skewed(task):
    """Many rows of one class, some of another and a single one of the third, on no side but one."""
    labels = np.array([0] * 18 + [1] * 11 + [2])
    attributes = Attributes(("label",), (tuple("abc"),), np.arange(3)[:, None])
    data = replace(task.data, labels=labels, attributes=attributes, groups=None, test=None)
    return replace(task, data=data, folds=np.arange(30) % 3, metric="accuracy")


def drawn(name, labels, features=None, seed=0, **params):
    made = registry.get("sampling", name).function(labels, lambda: features, rng(seed), **params)
    return batches.EpochRows(*made) if isinstance(made, tuple) else batches.EpochRows(made)


LABELS = np.repeat([0, 1, 2], [60, 30, 10])


@pytest.mark.parametrize("copies", [1, 3])
def test_undersampled_epochs_have_equal_classes_and_copies_of_each_row(copies):
    rows = drawn("undersample", LABELS, copies=copies).rows
    assert np.bincount(LABELS[rows]).tolist() == [10 * copies] * 3
    assert set(np.bincount(rows).tolist()) == {0, copies}
    others = drawn("undersample", LABELS, seed=1, copies=copies).rows
    assert set(rows.tolist()) != set(others.tolist()), "other rows are drawn anew each epoch"


@pytest.mark.parametrize(
    ("power", "shares"), [(0.0, [0.6, 0.3, 0.1]), (0.5, None), (1.0, [1 / 3] * 3)]
)
def test_class_balanced_lies_between_natural_and_equal_classes(power, shares):
    if shares is None:
        shares = np.sqrt([60, 30, 10]) / np.sqrt([60, 30, 10]).sum()
    sizes = []
    for seed in range(400):
        rows = drawn("class_balanced", LABELS, seed=seed, power=power).rows
        assert len(rows) == len(LABELS)
        sizes.append(np.bincount(LABELS[rows], minlength=3))
        assert (np.abs(sizes[-1] - 100 * np.array(shares)) <= 1).all()
        for label in range(3):
            times = np.bincount(rows, minlength=100)[label == LABELS]
            assert times.max() - times.min() <= 1
    np.testing.assert_allclose(np.mean(sizes, 0) / 100, shares, atol=1e-3)
    if power == 0:
        assert sorted(rows.tolist()) == list(range(100))


@given(
    st.lists(st.integers(1, 12), min_size=2, max_size=4),
    st.integers(1, 9),
    st.sampled_from([0.0, 0.3, 1.0]),
    st.integers(0, 10**6),
)
@settings(max_examples=50)
def test_smote_fills_classes_up_with_points_between_near_rows_of_one(counts, k, power, seed):
    labels = np.repeat(np.arange(len(counts)), counts)
    features = rng(seed).normal(size=(len(labels), 3)).astype(np.float32)
    rows, partners, weights = whole = drawn("smote", labels, features, seed, k=k, power=power)
    assert (labels[rows] == labels[partners]).all()
    assert set(rows.tolist()) == set(range(len(labels)))
    sizes = np.rint(np.array(counts) ** (1 - power) * float(max(counts)) ** power)
    assert np.bincount(labels[rows]).tolist() == sizes.tolist()
    assert ((weights == 0).sum() >= len(labels)) and (weights < 1).all()
    points = batches.read_rows(features, *whole)
    for row, partner, weight, point in zip(rows, partners, weights, points, strict=True):
        if weight:
            own = np.flatnonzero(labels == labels[row])
            far = np.sort(np.linalg.norm(features[own] - features[row], axis=1))
            apart = np.linalg.norm(features[partner] - features[row])
            assert row != partner and apart <= far[min(k, len(own) - 1)] + 1e-5
        ends = np.stack([features[row], features[partner]])
        assert (point >= ends.min(0) - 1e-5).all() and (point <= ends.max(0) + 1e-5).all()
        straight = np.linalg.norm(point - ends, axis=1).sum()
        assert straight == pytest.approx(np.linalg.norm(ends[0] - ends[1]), abs=1e-4)


def test_smote_repeats_the_row_of_a_class_that_has_one():
    labels = np.array([0] * 5 + [1])
    rows, partners, weights = drawn("smote", labels, np.zeros((6, 2), np.float32))
    assert (rows == 5).sum() == 5
    assert (partners[rows == 5] == 5).all() and not weights[rows == 5].any()


def test_pixels_of_neighbours_are_blended_before_augmentation():
    table = np.zeros((3, 2, 2, 3), np.uint8)
    table[1:] = [[[[100]]], [[[255]]]]
    rows, partners, weights = np.array([0, 1, 2]), np.array([1, 1, 0]), np.array([0.25, 0.0, 0.1])
    out = batches.read_rows(table, rows, partners, weights)
    assert out.dtype == np.uint8
    assert out[:, 0, 0, 0].tolist() == [25, 100, 230]


def test_a_sampling_that_reads_features_and_declares_not_to_is_refused(task, monkeypatch):
    task, made = skewed(task), recipe(sampling=("smote", {}))
    assert flops.compute_cost(task)(made).gflop == flops.compute_cost(task)(recipe()).gflop
    declared = replace(registry.get("sampling", "smote"), abilities={"reads_features": False})
    monkeypatch.setitem(registry.KINDS["sampling"].plugins, "smote", declared)
    with pytest.raises(
        PluginError, match=r"'smote' reads features; say @sampling\(reads_features="
    ):
        flops.compute_cost(task)(made)


@pytest.mark.parametrize("freeze", ["full", "gradual", "head_only"])
def test_smote_trains_on_both_roads_and_repeats_to_the_bit(task, tmp_path, freeze):
    task = skewed(task)
    made = recipe(freeze=(freeze, {}), sampling=("smote", {"k": 9}), augmentation=("light", {}))
    scores = [trial.fit(task, made, TrialStore(tmp_path / name), quiet) for name in "ab"]
    outs = [TrialStore(tmp_path / name).out_of_fold(task.folds) for name in "ab"]
    assert scores[0] == scores[1]
    np.testing.assert_array_equal(*outs)


SAMPLINGS = [name for name, one in registry.plugins("sampling").items() if one.takes(SINGLE)]


@pytest.mark.parametrize("sampling", sorted(SAMPLINGS))
def test_no_sampling_reads_a_row_that_its_fold_is_scored_on(task, monkeypatch, sampling):
    """Scored rows are marked, in pixels and in features: no batch may show the mark, not even faintly.

    Groups are on one side each, so that no copy or blend of a training row is of a scored group.
    """
    groups = task.data.groups
    task = replace(task, data=replace(skewed(task).data, groups=groups))
    pixels = task.pixels(recipe(), 0)
    for fold in range(3):
        rows, scored = task.fold_rows(fold)
        assert not set(groups[rows]) & set(groups[scored])
        marked = np.zeros_like(pixels)
        marked[scored] = 255
        values = np.repeat(marked[:, :1, 0, 0].astype(np.float32), 5, 1)
        monkeypatch.setattr(type(task), "pixels", lambda self, recipe, fold, of=marked: of)
        monkeypatch.setattr(Features, "plain", lambda self, fold, of=values: of)
        made = recipe(sampling=(sampling, {}))
        features = Features(task, made)
        seen = []
        trainer = FoldTrainer(
            task, made, features, fold, network.build(made, task.data.attributes, {}, 0, fold)
        )
        read = trainer.inputs
        trainer.inputs = lambda *own, read=read, to=seen: to.append(read(*own)) or to[-1]
        trainer.epoch(0)
        assert seen and not any(images.any() for images in seen)
        own = fold_data(task, made, fold).draw(made, features)
        assert set(own.rows) | set(rows if own.partners is None else own.partners) <= set(rows)
        assert not batches.read_rows(values, *own).any()
        assert (sampling == "smote") == (own.weights is not None and own.weights.any())


def test_folds_stand_side_by_side_whether_or_not_they_interpolate():
    plain = batches.EpochRows(np.array([[1, 2], [3, 4]]))
    between = batches.EpochRows(
        np.array([[5, 6], [7, 8]]), np.full((2, 2), 9), np.full((2, 2), 0.5)
    )
    assert batches.stack_epochs([plain, plain]).partners is None
    joined = batches.stack_epochs([plain, between]).at(1)
    assert joined.rows.tolist() == [[3, 4], [7, 8]]
    assert joined.weights.tolist() == [[0, 0], [0.5, 0.5]]


def test_undersampling_with_rotated_copies_is_one_recipe():
    chosen = space_file.load("undersample_rotated")
    made, free = chosen.default()
    assert free == {}
    assert (made["sampling"].name, made["augmentation"].name) == (
        "undersample",
        "rotate_reflect",
    )


# Averaged weights


def averaged(values, decay):
    """The moving average with timm's warm-up, by hand."""
    mean = values[0]
    for step, value in enumerate(values[1:] if decay else (), 1):
        own = min(decay, 1 - (1 + step) ** (-2 / 3))
        mean = own * mean + (1 - own) * value
    return mean if decay else values[-1]


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.9999])
def test_the_average_is_the_one_computed_by_hand(decay):
    torch.manual_seed(0)
    module, values = nn.Linear(3, 2), []
    average = MovingAverage(module, decay)
    for _ in range(6):
        with torch.no_grad():
            module.weight += torch.randn(2, 3)
        values.append(module.weight.detach().clone())
        average.step()
    torch.testing.assert_close(average.module.weight, averaged(values, decay))
    assert (average.module is module) == (decay == 0), "no average, no copy"


@pytest.mark.parametrize("freeze", ["full", "head_only"])
def test_averaged_weights_predict_and_are_the_ones_stored(task, tmp_path, freeze):
    from safetensors.torch import load_file

    outs = {}
    for decay in (0.0, 0.9):
        made = recipe(freeze=(freeze, {}), epochs=3, ema_decay=decay)
        store = TrialStore(tmp_path / str(decay))
        trial.fit(task, made, store, quiet)
        built = network.build(made, task.data.attributes, {}, task.seed, 1)
        built.load_state_dict(load_file(store.weights(1)), strict=False)
        again = network.predict(
            built, task.pixels(made, 1), task.test_rows, task.device, task.data.target
        )
        np.testing.assert_allclose(again, store.load(1).test, atol=1e-4)
        outs[decay] = again
    assert np.abs(outs[0.0] - outs[0.9]).max() > 1e-4


def test_a_look_is_scored_by_the_average(task):
    made = recipe(ema_decay=0.9)
    built = network.build(made, task.data.attributes, {}, task.seed, 0)
    trainer = FoldTrainer(task, made, Features(task, made), 0, built)
    trainer.epoch(0)
    scored = trainer.data.scored
    by_average = network.predict(
        trainer.optimization.average.module, trainer.pixels, scored, task.device, task.data.target
    )
    np.testing.assert_array_equal(trainer.predict(scored), by_average)
    by_last = network.predict(built, trainer.pixels, scored, task.device, task.data.target)
    assert not np.allclose(by_average, by_last)
    assert not built.training, "and the next epoch sets what trains again"
    trainer.epoch(1)
