"""The audit: copies, the groups that hold them together, leaks, and what a study keeps of them."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from automask.data.depth import Depth
from automask.data.tables import Rows
from automask.diagnostics import audit, image_matching, leakage, near_duplicates
from automask.diagnostics.groups import describe_joined, join_groups
from automask.diagnostics.near_duplicates import SIDE, Pairs
from automask.storage.project import Project
from automask.storage.study_store import StudyStore
from automask.study.opening import begin, open_or_survey
from automask.study.session import Options, open_session
from helpers.commands import automask
from helpers.competition import draw, draw_table


def picture(seed, size=(120, 100)):
    """Smooth shapes under a little noise."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize(size, Image.Resampling.BICUBIC), np.int16)
    noisy = smooth + rng.integers(-12, 13, (size[1], size[0], 1))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def recompressed(image):
    return image


def cropped(image):
    width, height = image.size
    return image.crop((width // 12, 0, width, round(0.9 * height)))


def mirrored(image):
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def written(folder, images, quality=95):
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{index}.jpg" for index in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        image.convert("RGB").save(path, quality=quality)
    return paths


def found(paths):
    return near_duplicates.find_pairs(near_duplicates.thumbnails(paths))


def pairs(*rows, exact=False):
    count = len(rows)
    return Pairs(
        np.array(rows, np.int64).reshape(-1, 2),
        np.ones(count),
        np.zeros(count, bool),
        np.full(count, exact),
        np.zeros(0, np.int64),
    )


@pytest.mark.parametrize("change", [recompressed, cropped, mirrored])
def test_planted_copies_are_found_and_nothing_else(tmp_path, change):
    originals = [picture(seed) for seed in range(24)]
    paths = written(tmp_path / "a", originals)
    copies = written(tmp_path / "b", [change(image) for image in originals[:12]], quality=40)
    told = found(paths + copies)
    assert told.rows.tolist() == [[row, 24 + row] for row in range(12)]
    assert told.mirrored.all() == told.mirrored.any() == (change is mirrored)
    assert not told.exact.any()


def test_a_crop_of_fine_stripes_is_found(tmp_path):
    """Whose finest detail depends on where the thumbnail's pixels come to lie."""
    y, x = np.mgrid[:160, :120]
    plain = np.asarray(picture(5, (120, 160)), float)
    for row, (along, period) in enumerate(((y, 4.6), (x, 5.3), (x + y, 6.7))):
        pixels = 0.4 * plain + 80 + 60 * np.sign(np.sin(2 * np.pi * along / period))[..., None]
        striped = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
        cut = striped.crop((7, 3, 113, 147))
        told = found(written(tmp_path / str(row), [striped, cut, picture(6)], quality=90))
        assert told.rows.tolist() == [[0, 1]], period


def test_the_mirrored_view_of_a_crop_is_that_of_the_mirrored_image():
    images = np.stack([np.asarray(picture(seed, (SIDE, SIDE))) for seed in range(3)])
    mirror = np.ascontiguousarray(images[:, :, ::-1])
    for view, other_side in ((0, 0), (1, 3), (2, 2), (4, 6)):
        left = image_matching._mirror(*image_matching._describe(images, view))
        for one, two in zip(left, image_matching._describe(mirror, other_side), strict=True):
            assert np.allclose(one, two, atol=1.01 if one.dtype == np.uint8 else 1e-4)


def test_the_same_file_twice_is_exact(tmp_path):
    paths = written(tmp_path / "a", [picture(0), picture(1), picture(0), picture(0)])
    told = found(paths)
    assert told.rows.tolist() == [[0, 2], [0, 3]] and told.exact.all()


def test_one_shape_in_another_colour_is_another_image(tmp_path):
    grey = picture(3).convert("L")
    red = grey.point(lambda v: min(255, v + 60))
    dim = grey.point(lambda v: v // 2)
    one = Image.merge("RGB", (red, dim, dim))
    two = Image.merge("RGB", (dim, dim, red))
    assert len(found(written(tmp_path / "a", [one, two]))) == 0


@pytest.mark.parametrize("size", [(16, 16), (5, 300), (1, 1)])
def test_tiny_grey_and_blank_images_are_no_copies_of_each_other(tmp_path, size):
    noise = [
        Image.fromarray(
            np.random.default_rng(seed).integers(0, 256, size[::-1], dtype=np.uint8), mode="L"
        )
        for seed in range(6)
    ]
    blank = [Image.new("L", size, level) for level in (0, 0, 128, 255)]
    paths = [tmp_path / f"{index}.png" for index in range(10)]
    for path, image in zip(paths, noise + blank, strict=True):
        image.save(path)
    told = found(paths)
    assert len(told) == 0
    assert {6, 7, 8, 9} <= set(told.blank.tolist())


def test_no_image_and_one_image_have_no_pairs():
    for count in (0, 1):
        assert len(near_duplicates.find_pairs(np.zeros((count, SIDE, SIDE, 3), np.uint8))) == 0


def test_a_file_that_cannot_be_read_is_left_to_whoever_trains(tmp_path):
    (tmp_path / "bad.jpg").write_text("no image")
    images, (problem,) = near_duplicates.read_thumbnails([tmp_path / "bad.jpg"], Depth())
    assert images.max() == 0
    assert "bad.jpg" in problem and problem.endswith(near_duplicates.UNREADABLE)


@settings(max_examples=200)
@given(data=st.data())
def test_copies_and_declared_groups_stay_on_one_side(data):
    rows = data.draw(st.integers(4, 40))
    folds = data.draw(st.integers(2, 4))
    numbers = st.integers(0, rows - 1)
    two = data.draw(st.lists(st.tuples(numbers, numbers), max_size=15))
    two = [sorted(pair) for pair in two if pair[0] != pair[1]]
    some = st.none() | st.lists(st.integers(0, rows), min_size=rows, max_size=rows)
    groups = data.draw(some)
    groups = None if groups is None else np.unique(groups, return_inverse=True)[1]
    told = join_groups(groups, rows, pairs(*two), folds)
    units = np.arange(rows) if told.groups is None else told.groups
    assert set(units.tolist()) == set(range(units.max() + 1))
    if groups is not None:
        for group in np.unique(groups):
            assert len(np.unique(units[groups == group])) == 1
    apart = sum(units[a] != units[b] for a, b in two)
    assert apart == 0 or told.apart > 0
    exact = join_groups(groups, rows, pairs(*two, exact=True), folds)
    whole = np.arange(rows) if exact.groups is None else exact.groups
    assert all(whole[a] == whole[b] for a, b in two)


def test_a_chain_of_look_alikes_does_not_swallow_the_data():
    chain = [(row, row + 1) for row in range(30)]
    told = join_groups(None, 60, pairs(*chain, (40, 41)), folds=3)
    assert told.apart == 31
    assert told.groups[40] == told.groups[41] and np.bincount(told.groups).max() == 2
    assert len(describe_joined(told, declared=False)) == 2


def test_pairs_with_test_images_join_nothing():
    told = join_groups(None, 5, pairs((0, 7), (1, 7)), folds=2)
    assert told.groups is None and describe_joined(told, declared=False) == []


def rows_of(ids, folder, extra=None):
    """Rows that all have one image, so that only their names differ."""
    draw(folder / "one.png", (90, 90, 90), 0)
    return Rows(ids, [folder / "one.png"] * len(ids), extra=pd.DataFrame(extra or {}))


def test_an_id_that_tells_the_label_is_found(tmp_path):
    rng = np.random.default_rng(0)
    labels, folds = np.repeat([0, 1, 2], 40), rng.integers(0, 3, 120)
    numbers = leakage.sources(
        rows_of([f"im{label}x{i:04}" for i, label in enumerate(labels)], tmp_path)
    )
    assert leakage.leak("ids", numbers["ids"], labels, folds, 0).counts
    assert leakage.leak("row order", numbers["row order"], labels, folds, 0).counts


def test_random_ids_tell_nothing(tmp_path):
    rng = np.random.default_rng(1)
    labels, folds = rng.integers(0, 3, 120), rng.integers(0, 3, 120)
    ids = [f"{value:010x}" for value in rng.integers(0, 2**40, 120)]
    for source, numbers in leakage.sources(rows_of(ids, tmp_path)).items():
        assert not leakage.leak(source, numbers, labels, folds, 0).counts, source


def test_names_and_columns_that_repeat_are_candidates(tmp_path):
    labels = np.arange(60) % 2
    ids = [f"person{row // 3}_{row % 3}" for row in range(60)]
    extra = {
        "session": [f"s{row // 5}" for row in range(60)],
        "sex": ["f" if row % 2 else "m" for row in range(60)],
        "serial": [str(row) for row in range(60)],
    }
    told = leakage.candidates(rows_of(ids, tmp_path, extra), labels, folds=5)
    assert set(told) == {"the id without its last part", "column 'session'"}
    assert leakage.candidates(rows_of([f"r{i}" for i in range(60)], tmp_path), labels, 5) == {}


def test_the_gap_is_sure_where_groups_tell_the_label_and_only_there():
    rng = np.random.default_rng(0)
    groups = np.arange(240) // 6
    labels = rng.integers(0, 2, 40)[groups]
    person = rng.normal(size=(40, 30))[groups]
    features = person + rng.normal(scale=0.1, size=(240, 30))
    told = leakage.gap(features, labels, groups, 4, 0)
    assert told.sure and told.value > 0.1
    plain = labels[:, None] + rng.normal(scale=0.5, size=(240, 30))
    assert abs(leakage.gap(plain, labels, groups, 4, 0).value) < 0.05


@pytest.fixture
def copied(inside):
    """The drawn project, without a group column, with copies of other labels and in test."""
    folder = draw_table(inside / "data", group=False)
    lines = (folder / "train.csv").read_text().splitlines()
    for row in range(4):
        image = Image.open(folder / f"images/a{row}.png")
        mirrored(image).save(folder / f"images/c{row}.png")
        lines.append(f"c{row},images/c{row}.png,{lines[row + 1].split(',')[2]}")
    lines[-1] = lines[-1].rsplit(",", 1)[0] + ",NA"
    (folder / "train.csv").write_text("\n".join(lines) + "\n")
    Image.open(folder / "images/a9.png").save(folder / "images/t0.png")
    assert automask(inside, "init", "data", "--force").returncode == 0
    return inside


def test_copies_join_the_groups_of_a_study_which_goes_on_with_them(copied):
    options = Options(space="space.toml", folds=3)
    begun = begin(options)
    groups, folds = begun.data.groups, begun.folds
    ids = begun.data.train.ids
    for row in range(4):
        a, c = ids.index(f"a{row}"), ids.index(f"c{row}")
        assert groups[a] == groups[c] and folds[a] == folds[c]
    assert len(np.unique(groups)) == 30
    assert any("near-duplicates" in note for note in begun.notes)
    # Neither a broken cache nor one that is gone moves anything: the study keeps what it drew.
    for file in (Project().runs / "cache").glob("pairs-*.npz"):
        file.write_bytes(b"PK broken")
    again = begin(options)
    for session in (again, open_session(Options())):
        assert (session.folds == folds).all() and (session.data.groups == groups).all()
    assert not any("near-duplicates" in note for note in again.notes)


def test_a_broken_cache_of_pairs_is_made_again(copied):
    store, paths = (
        StudyStore(Project().runs / "main"),
        sorted((copied / "data/images").glob("*.png")),
    )
    first = near_duplicates.cached_pairs(paths, store)
    (file,) = (Project().runs / "cache").glob("pairs-*.npz")
    for broken in (b"", b"PK broken", file.read_bytes()[:200]):
        file.write_bytes(broken)
        assert (near_duplicates.cached_pairs(paths, store).rows == first.rows).all()


def test_findings_of_a_study_are_kept_and_read(copied):
    session = begin(Options(space="space.toml", folds=3))
    assert audit.findings(session) is None
    told = audit.find_all(session)
    audit.save(session, told)
    assert (
        audit.findings(session)
        == told
        == [audit.Finding(**json.loads(json.dumps(f.__dict__))) for f in told]
    )
    by_kind = {finding.kind: finding for finding in told}
    assert by_kind["copies"].counts == {"pairs": 4, "exact": 0, "apart": 0}
    (conflict,) = by_kind["conflicts"].pairs
    assert [by_kind["conflicts"].rows[i]["id"] for i in conflict["rows"]] == ["a3", "c3"]
    assert conflict["mirrored"]
    (pair,) = by_kind["test_copies"].pairs
    assert [by_kind["test_copies"].rows[i]["id"] for i in pair["rows"]] == ["a9", "t0"]
    assert pair["exact"]


def test_a_study_from_before_groups_were_kept_goes_on(inside):
    options = Options(space="space.toml", folds=3)
    begun = begin(options)
    begun.store.save_folds(begun.data.train.ids, begun.folds)
    again = open_or_survey(options)
    assert (again.data.groups == begun.data.groups).all() and again.study is not None


def test_audit_prints_and_writes_pairs(copied):
    done = automask(copied, "audit", "--space", "space.toml", "--folds", 3, "--csv", "pairs.csv")
    assert done.returncode == 0, done.stderr
    assert "near-duplicates in train" in done.stdout and "wrote 6 pairs" in done.stdout
    written = pd.read_csv(copied / "pairs.csv", dtype=str)
    assert set(written["finding"]) == {"copies", "conflicts", "test_copies"}
    assert {"id_a", "path_b", "how", "similarity"} <= set(written.columns)
    assert not (copied / "runs/main").exists()
