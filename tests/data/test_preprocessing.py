"""Preprocessings: what each does to images, and that a fitted one is a fold's own."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from automask import preprocessing
from automask.data import boxes
from automask.data.preprocessing import TrainingPart, from_json, is_fitted, to_json
from automask.data.tables import Rows
from automask.errors import PluginError, UserError
from automask.space import registry
from automask.space.ranges import Float
from automask.storage.trial_store import TrialStore
from automask.study import opening
from automask.study.adaptation import map_bytes
from automask.study.session import Options
from automask.training import heads, trial
from automask.training.features import Features
from helpers.commands import automask, refused
from helpers.competition import SPACE, draw, draw_table
from helpers.recipes import recipe
from helpers.training import quiet


def made(name, part=None, **params):
    return registry.get("preprocessing", name).function(part, **params)


def disc(colour, background, middle=(60, 60), radius=30, side=120):
    image = np.full((side, side, 3), background, np.uint8)
    y, x = np.mgrid[:side, :side]
    inside = (x - middle[0]) ** 2 + (y - middle[1]) ** 2 < radius**2
    image[inside] = colour
    return image, inside


def part(folder, images=(), **columns):
    """A training part of all of these images, with a table's other columns."""
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{index}.png" for index in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    ids = [path.stem for path in paths] or [
        str(i) for i in range(len(next(iter(columns.values()))))
    ]
    extra = pd.DataFrame(columns, dtype=str)
    return TrainingPart(Rows(ids, paths, extra=extra), np.arange(len(ids)))


# Boxes


def table(**columns):
    count = len(next(iter(columns.values())))
    return Rows([f"r{i}" for i in range(count)], [], extra=pd.DataFrame(columns, dtype=str))


@pytest.mark.parametrize(
    "names",
    [
        ("xmin", "ymin", "xmax", "ymax"),
        ("XMin", "YMin", "XMax", "YMax"),
        ("left", "top", "right", "bottom"),
        ("x1", "y1", "x2", "y2"),
        ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2"),
        ("x", "y", "width", "height"),
        ("bbox_x", "bbox_y", "bbox_w", "bbox_h"),
        ("x_min", "y_min", "w", "h"),
    ],
)
def test_boxes_are_found_by_their_names(names):
    last = (0.5, 0.6) if names[2][-1].lower() in "htw" and names[2] != "right" else (0.75, 0.7)
    values = dict(zip(names, ([0.25], [0.1], [last[0]], [last[1]]), strict=True))
    np.testing.assert_allclose(boxes.read(table(size=["7"], **values)), [[0.25, 0.1, 0.75, 0.7]])
    values.pop(names[3])
    assert boxes.read(table(**values)) is None


def test_pixels_become_shares_of_the_upright_image(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20)).save(tmp_path / "turned.jpg", exif=exif)
    rows = table(left=["5"], top=["10"], right=["15"], bottom=["60"])
    found = boxes.read(replace(rows, paths=[tmp_path / "turned.jpg"]))
    np.testing.assert_allclose(found, [[0.25, 0.25, 0.75, 1.0]])


@pytest.mark.parametrize(
    ("right", "said"),
    [("wide", "'wide' isn't a number"), ("", "isn't a number"), ("0.1", "is upside down")],
)
def test_a_box_that_is_none_is_told_with_its_row(right, said):
    with pytest.raises(UserError, match=rf"row 'r1': the box in the columns left, .*{said}"):
        boxes.read(table(left=[0.2, 0.2], top=[0.2, 0.2], right=[0.9, right], bottom=[0.9, 0.9]))


def test_a_box_beside_its_image_is_refused():
    with pytest.raises(UserError, match=r"row 'r0'.*beside its image"):
        boxes.read(table(x=[-0.5], y=[0.1], w=[0.2], h=[0.2]))


def test_a_table_keeps_its_boxes_and_takes_none_for_the_label(tmp_path):
    draw_table(tmp_path, rows=6, test=0, group=False)
    lines = (tmp_path / "train.csv").read_text().splitlines()
    for heads_, named in ((",x,y,width,height", "what"), (",xmin,ymin,xmax,ymax", "label")):
        head = lines[0].replace("label", named) + heads_
        rows = [f"{line},{1 + i % 2},2,10,20" for i, line in enumerate(lines[1:])]
        (tmp_path / "train.csv").write_text("\n".join([head, *rows]) + "\n")
        read = registry.get("reader", "table").function(tmp_path)
        assert list(read.train.attributes) == [named]
        assert list(read.train.extra) == heads_[1:].split(",")
        found = boxes.read(read.train)
        assert found[0].tolist() == pytest.approx(
            [1 / 40, 2 / 32, 11 / 40, 22 / 32]
            if "width" in heads_
            else [1 / 40, 2 / 32, 0.25, 20 / 32]
        )


# Plugins


def test_the_crop_follows_the_boxes(tmp_path):
    rng = np.random.default_rng(0)
    left, top = rng.normal(0.3, 0.02, 200), rng.normal(0.5, 0.02, 200)
    given_ = part(tmp_path, xmin=left, ymin=top, xmax=left + 0.2, ymax=top + 0.3)
    crop = made("position_crop", given_, spread=1.0)
    assert [crop.left, crop.top, crop.right, crop.bottom] == pytest.approx(
        [0.28, 0.48, 0.52, 0.82], abs=0.01
    )
    image = np.zeros((100, 200, 3), np.uint8)
    image[55:75, 65:95] = 255
    cut = crop(image)
    assert cut.shape[:2] == pytest.approx((34, 48), abs=2)
    assert (cut == 255).sum() == (image == 255).sum(), "the object is whole"
    wider = made("position_crop", given_, spread=3.0)
    assert wider.left < crop.left and wider.bottom > crop.bottom


@pytest.mark.parametrize("middle", [(30, 36), (88, 40), (36, 90)])
def test_what_stands_out_draws_the_crop_towards_it(tmp_path, middle):
    rng = np.random.default_rng(1)
    images = []
    for _ in range(12):
        image, inside = disc(0, 0, middle + rng.integers(-4, 5, 2), 14)
        noise = rng.normal(90, 12, image.shape)
        images.append((noise + 130 * inside[:, :, None]).clip(0, 255).astype(np.uint8))
    crop = made("position_crop", part(tmp_path, images), spread=1.0)
    found = np.array([crop.left + crop.right, crop.top + crop.bottom]) / 2 * 120
    assert np.abs(found - middle).max() < 14
    assert (crop.right - crop.left) * (crop.bottom - crop.top) < 0.5


def test_flat_and_tiny_images_are_not_cropped(tmp_path):
    flat = [np.full((9, 9, 3), 7, np.uint8), np.zeros((1, 1, 3), np.uint8)]
    crop = made("position_crop", part(tmp_path, flat))
    assert (crop.left, crop.top, crop.right, crop.bottom) == (0, 0, 1, 1)
    np.testing.assert_array_equal(crop(flat[0]), flat[0])


share = st.floats(0, 1, allow_subnormal=False)
shares = st.tuples(share, share).map(sorted)


@given(shares, shares, st.integers(1, 50), st.integers(1, 50))
def test_a_crop_is_never_empty_nor_beyond_the_image(across, down, width, height):
    crop = type(made("position_crop", TrainingPartOfOneBox()))(
        across[0], down[0], across[1], down[1]
    )
    out = crop(np.zeros((height, width, 3), np.uint8))
    assert 1 <= out.shape[0] <= height and 1 <= out.shape[1] <= width


class TrainingPartOfOneBox:
    boxes = np.array([[0.1, 0.2, 0.3, 0.4]])


def test_detail_is_revealed_and_factors_of_one_leave_the_image():
    rng = np.random.default_rng(0)
    dull = rng.integers(90, 110, (64, 64, 3), np.uint8)
    plain = {"contrast": 1.0, "sharpness": 1.0, "brightness": 1.0, "colour": 1.0, "clahe": 0.0}
    np.testing.assert_array_equal(made("reveal_detail", **plain)(dull), dull)

    def changed(**params):
        return made("reveal_detail", **{**plain, **params})(dull).astype(float)

    assert changed(clahe=4.0).std() > 1.5 * dull.std()
    assert changed(contrast=1.6).std() > 1.4 * dull.std()
    assert changed(sharpness=3.0).std() > 1.2 * dull.std()
    assert changed(brightness=1.3).mean() > 1.25 * dull.mean()
    assert np.ptp(changed(colour=0.5), axis=2).mean() < 0.7 * np.ptp(dull, axis=2).mean()


@pytest.mark.parametrize("background", [(4, 4, 6), (90, 40, 40), (200, 205, 215)])
def test_a_plain_background_becomes_white_around_the_object(background):
    image, inside = disc((230, 170, 140), background, radius=36)
    rng = np.random.default_rng(0)
    noisy = (image + rng.integers(-3, 4, image.shape)).clip(0, 255).astype(np.uint8)
    out = made("whiten_background")(noisy)
    white = (out == 255).all(2)
    assert white[~inside].mean() > 0.97
    assert white[inside].mean() < 0.05
    np.testing.assert_array_equal(out[~white], noisy[~white])


@pytest.mark.parametrize("dark", [0, 3, 8, 20, 40, 60])
@pytest.mark.parametrize("radius", [25, 45])
def test_a_dark_face_on_black_keeps_its_foreground(dark, radius):
    image, inside = disc((dark, dark, dark), (0, 0, 0), radius=radius)
    out = made("whiten_background")(image)
    assert (out[inside] == 255).all(1).mean() < 0.1


def test_a_dark_middle_of_a_bright_object_is_no_background():
    image, _ = disc((220, 180, 150), (5, 5, 5), radius=45)
    _, inner = disc(0, 0, radius=25)
    image[inner] = 5
    out = made("whiten_background")(image)
    assert (out[inner] == 5).all() and (out[0] == 255).all()


def test_a_border_of_many_colours_is_no_background():
    image = np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8)
    np.testing.assert_array_equal(made("whiten_background")(image), image)
    small, _ = disc((255, 0, 0), (0, 0, 90), radius=10)
    out = made("whiten_background", most=0.5)(small)
    np.testing.assert_array_equal(out, small)


# A fold's own


@dataclass(frozen=True)
class Painted:
    """Every image in one colour, that of the brightest training image."""

    level: int

    def __call__(self, image):
        return np.full_like(image, self.level)


def level(rows):
    """The brightest image of the training part, painted all over every image."""
    return Painted(max(int(image.mean()) for image in rows.images()))


def counting(rows, *, offset=0.0):
    """A fitted state that is the same whatever it sees."""
    for _ in rows.images(1):
        fitted.append(1)
    return Painted(40 + int(offset))


fitted: list[int] = []


@pytest.fixture(scope="module", autouse=True)
def _registered():
    registry.load()
    preprocessing()(level)
    preprocessing(offset=Float(0, 9))(counting)
    yield
    for function in (level, counting):
        preprocessing.plugins.pop(function.__name__)


@pytest.fixture
def started(inside):
    """Rows of fold k are of brightness 40 + 40 k, so that each fold's training part tells its own."""
    started = opening.begin(Options(space="space.toml", folds=3, threads=1))
    for index, path in enumerate(started.data.paths):
        fold = started.folds[index] if index < len(started.folds) else 0
        draw(path, (40 + 40 * fold,) * 3, index)
    return started


@pytest.fixture
def task(started):
    return started.task()


def maps(task):
    return sorted(f.name for f in task.cache.glob("images-*.npy"))


def test_each_fold_reads_a_map_of_its_own_training_part(task):
    used = recipe(preprocessing=("level", {}))
    seen = [int(task.pixels(used, fold).mean()) for fold in range(3)]
    # The brightest rows are those of fold 2: only the fold that scores them doesn't know.
    assert seen[0] == seen[1] and seen[2] < seen[0] - 20
    assert len(maps(task)) == 2, "folds of one state share a map"


@pytest.mark.parametrize("freeze", ["full", "head_only", "gradual"])
def test_a_fold_trains_and_scores_on_its_own_map(task, tmp_path, freeze):
    """What reaches a network is the fold's own: fold 0's map for all would show in the features."""
    used = recipe(preprocessing=("level", {}), freeze=(freeze, {}), epochs=3)
    wanted = [int(task.pixels(used, fold)[0, 0, 0, 0]) for fold in range(3)]
    features = Features(task, used)
    tables = [np.asarray(features.plain(fold)) for fold in range(3)]
    assert not np.allclose(tables[0], tables[2])
    store = TrialStore(tmp_path)
    trial.fit(task, used, store, quiet)
    for fold in range(3):
        # Every row of a fold's map looks alike, so that it is predicted alike, by its own network.
        rows = np.concatenate([store.load(fold).validation, store.load(fold).test])
        np.testing.assert_allclose(rows, np.broadcast_to(rows[0], rows.shape), atol=1e-5)
        again = _by_weights(task, used, store, fold, wanted[fold])
        np.testing.assert_allclose(rows[0], again, atol=1e-4)
        other = _by_weights(task, used, store, fold, wanted[2 if fold != 2 else 0])
        assert np.abs(rows[0] - other).max() > 1e-3


def _by_weights(task, used, store, fold, value):
    from safetensors.torch import load_file

    from automask.training import network

    built = network.build(used, task.data.attributes, {}, task.seed, fold)
    built.load_state_dict(load_file(store.weights(fold)), strict=False)
    image = np.full((1, 32, 32, 3), value, np.uint8)
    return network.predict(built, image, np.arange(1), task.device, task.data.target)[0]


def test_later_test_rows_are_predicted_on_each_folds_map(started, task, tmp_path, monkeypatch):
    from automask.ensembles import members

    monkeypatch.setattr(type(started), "task", lambda self: task)
    used, store = recipe(preprocessing=("level", {})), TrialStore(tmp_path)
    trial.fit(task, used, store, quiet)
    before = store.test(3)
    members._predict(started, used, store)
    np.testing.assert_allclose(store.test(3), before, atol=1e-5)


def test_the_fit_sees_the_training_part_only(task):
    for name, params in (("position_crop", {}), ("level", {})):
        used = recipe(preprocessing=(name, params))
        before = [task.prepared(used, fold) for fold in range(3)]
        _, scored = task.fold_rows(0)
        for row in scored:
            Image.new("RGB", (300, 4), (255, 255, 255)).save(task.data.train.paths[row])
        images = type(task.images)(
            task.images.paths, task.images.largest, task.images.resizes, task.cache
        )
        changed = replace(task, images=images)
        assert changed.prepared(used, 0) == before[0]
        assert changed.prepared(used, 1) != before[1]
        for row in scored:
            draw(task.data.train.paths[row], (40, 40, 40), int(row))


def test_boxes_of_the_scored_fold_do_not_count(task):
    count = len(task.data.labels)
    left = np.random.default_rng(0).uniform(0.3, 0.4, count)

    def state(planted, fold=0):
        values = np.where(task.folds == 0, planted, left)
        extra = pd.DataFrame(
            {"x": values, "y": values, "w": 0.01 + left / 2, "h": 0.01 + left / 2}, dtype=str
        )
        data = replace(task.data, train=replace(task.data.train, extra=extra))
        return replace(task, data=data).prepared(recipe(preprocessing=("position_crop", {})), fold)

    assert state(0.35) == state(0.001) == state(0.7)
    assert state(0.35, fold=1) != state(0.001, fold=1)


def test_a_state_is_fitted_once_and_kept(task):
    used = recipe(preprocessing=("counting", {}))
    fitted.clear()
    first = [task.prepared(used, fold) for fold in range(3)]
    assert len(fitted) == 3
    assert [replace(task).prepared(used, fold) for fold in range(3)] == first
    assert len(fitted) == 3, "another worker reads what was kept"
    assert [task.pixels(used, fold)[0, 0, 0, 0] for fold in range(3)] == [40] * 3
    assert len(maps(task)) == 1
    task.pixels(recipe(preprocessing=("counting", {"offset": 5.0})), 0)
    assert len(maps(task)) == 2


def test_what_is_not_fitted_makes_one_map_for_all_folds(task):
    for count, (name, params) in enumerate(
        [("none", {}), ("reveal_detail", {}), ("reveal_detail", {"clahe": 3.0})], 1
    ):
        used = recipe(preprocessing=(name, params))
        tables = [task.pixels(used, fold) for fold in range(3)]
        assert tables[0] is tables[1] is tables[2]
        assert len(maps(task)) == count
    plain = task.images.at("pad", 32)
    small = task.images.at("pad", 16, task.prepared(used, 0))
    assert np.abs(plain[:, ::2, ::2].astype(int) - small).mean() > 1, "shrunk from its own map"


def test_heads_of_folds_that_share_a_table_gather_from_it_at_once(task):
    features = Features(task, recipe())
    assert isinstance(features.tables(None, 0, 3), np.ndarray)
    own = Features(task, recipe(preprocessing=("level", {})))
    rows = np.arange(6).reshape(3, 2)
    by_fold = own.tables(None, 0, 3)[rows]
    for fold in range(3):
        np.testing.assert_array_equal(by_fold[fold], own.plain(fold)[rows[fold]])


def test_a_table_a_fold_of_the_same_features_trains_the_same_heads(task, monkeypatch):
    used = recipe(freeze=("head_only", {}), epochs=3)
    shared = heads.fit_heads(task, [used], Features(task, used), quiet)[0]
    features = Features(task, used)
    key = Features.key
    monkeypatch.setattr(Features, "key", lambda self, fold: f"{key(self, fold)}-{fold}")
    apart = heads.fit_heads(task, [used], features, quiet)[0]
    assert len(features.opened) == 3
    for a, b in zip(shared, apart, strict=True):
        np.testing.assert_array_equal(a.validation, b.validation)
        np.testing.assert_array_equal(a.test, b.test)


@pytest.mark.parametrize("name", ["position_crop", "reveal_detail", "whiten_background"])
def test_a_state_comes_back_from_json(tmp_path, name):
    image, _ = disc((200, 90, 30), (20, 20, 20))
    transform = made(name, part(tmp_path, [image]))
    assert from_json(json.loads(json.dumps(to_json(transform)))) == transform
    assert from_json(json.loads(json.dumps(to_json(None)))) is None


def test_who_looks_at_the_rows_is_fitted():
    fitted = [name for name in registry.plugins("preprocessing") if is_fitted(name)]
    assert fitted == ["position_crop", "level", "counting"]


def test_who_looks_at_the_rows_and_declares_not_to_is_refused(task, monkeypatch):
    plugin = registry.get("preprocessing", "level")
    declared = replace(plugin, abilities={"fitted": False})
    monkeypatch.setitem(registry.KINDS["preprocessing"].plugins, "level", declared)
    with pytest.raises(PluginError, match=r"'level' looks at .* say @preprocessing\(fitted=True\)"):
        replace(task).prepared(recipe(preprocessing=("level", {})), 0)


def test_room_is_counted_for_a_map_a_fold(inside):
    (inside / "space.toml").write_text(SPACE + "[preprocessing.none]\n[preprocessing.level]\n")
    opened = opening.begin(Options(space="space.toml", folds=3))
    plain = replace(
        opened.space, competitors={**opened.space.competitors, "preprocessing": {"none": {}}}
    )
    one = len(opened.data.paths) * 3 * 32**2
    assert [map_bytes(plain, opened.data, 3, trials) for trials in (1, 4, 9)] == [one] * 3
    counted = [map_bytes(opened.space, opened.data, 3, trials) for trials in (1, 3, 9)]
    assert counted == [one, 3 * one, 4 * one]
    assert replace(opened, space=plain).caches == one * 5 // 4
    assert opened.caches == one * 7 // 4


def test_a_search_crops_and_a_bad_box_is_told_before_it(project):
    table_ = project / "data" / "train.csv"
    lines = table_.read_text().splitlines()
    space = SPACE.replace("[freeze.head_only]", "") + "[preprocessing.position_crop]\n"
    (project / "space.toml").write_text(space)
    head, rows = f"{lines[0]},xmin,ymin,xmax,ymax", [f"{line},5,5,30,25" for line in lines[1:]]
    table_.write_text("\n".join([head, *rows[:-1], rows[-1].replace("30", "x")]) + "\n")
    command = ("search", "--space", "space.toml", "--folds", "3", "--workers", "1", "--trials", "1")
    refused(automask(project, *command), "row 'a29'", "'x' isn't a number")
    table_.write_text("\n".join([head, *rows]) + "\n")
    out = automask(project, *command)
    assert out.returncode == 0, out.stderr
    assert "1 complete" in out.stdout and "position_crop" in out.stdout
    found = list((project / "runs" / "cache").glob("images-*.npy"))
    assert len(found) == 1 and "position_crop" in found[0].name, "equal boxes: one map for all"
