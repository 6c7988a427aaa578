"""Classes, folds and images: properties that must hold for any table."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from automask.data import dataset
from automask.data.folds import draw_folds, warn_rare
from automask.data.tables import Rows
from automask.errors import UserError
from automask.space import registry
from helpers.competition import draw, tables


@settings(max_examples=60)
@given(st.data())
def test_folds_cover_every_row_once_and_never_part_a_group(drawn):
    folds = drawn.draw(st.integers(2, 5))
    count = drawn.draw(st.integers(folds * 4, 60))
    labels = np.array(drawn.draw(st.lists(st.integers(0, 3), min_size=count, max_size=count)))
    groups = np.array(drawn.draw(st.lists(st.integers(0, 14), min_size=count, max_size=count)))
    grouped = drawn.draw(st.booleans())
    made = tables(labels.astype(str), groups if grouped else None)
    assume(len(set(labels.tolist())) > 1 and (not grouped or len(set(groups.tolist())) >= folds))
    prepared = dataset.prepare(made)
    try:
        fold = draw_folds(prepared, "stratified", folds, 0)
    except UserError as error:
        # A few large groups can't always fill every fold.
        assert "no class has as many rows" in str(error) or (grouped and "empty" in str(error))
        return
    assert set(fold.tolist()) == set(range(folds))
    if grouped:
        assert all(len(set(fold[groups == group])) == 1 for group in set(groups.tolist()))
    again = draw_folds(prepared, "stratified", folds, 0)
    assert (fold == again).all()


def test_folds_are_stratified():
    labels = ["a"] * 80 + ["b"] * 20
    prepared = dataset.prepare(tables(labels))
    fold = draw_folds(prepared, "stratified", 5, 0)
    for k in range(5):
        assert np.bincount(prepared.labels[fold == k]).tolist() == [16, 4]


def test_fewer_groups_than_folds_is_refused():
    prepared = dataset.prepare(tables(["a", "b"] * 10, [0, 1, 2] * 6 + [0, 1]))
    with pytest.raises(UserError, match="5 folds of 3 groups: use --folds 3 or fewer"):
        draw_folds(prepared, "stratified", 5, 0)


def test_rare_classes_are_named():
    prepared = dataset.prepare(tables(["a"] * 10 + ["b"] * 10 + ["c"] * 2))
    (warning,) = warn_rare(prepared, 5)
    assert "c (2)" in warning and "a (" not in warning
    assert warn_rare(prepared, 2) == []


def test_the_class_is_the_combination_of_the_attributes():
    prepared = dataset.prepare(tables({"kind": ["01", "01", "2"], "who": ["x", "y", "x"]}))
    said = [prepared.attributes.combination(label) for label in prepared.labels]
    assert said == [("01", "x"), ("01", "y"), ("2", "x")]
    joint = np.array([[0.5, 0.2, 0.3]])
    np.testing.assert_allclose(prepared.attributes.marginal(joint, 0), [[0.7, 0.3]])
    np.testing.assert_allclose(prepared.attributes.marginal(joint, 1), [[0.8, 0.2]])


def test_train_and_test_may_share_ids_but_no_images(tmp_path):
    files = [tmp_path / "train/1.png", tmp_path / "train/2.png", tmp_path / "test/1.png"]
    for seed, file in enumerate(files):
        draw(file, (90, 90, 90), seed)
    made = tables(["a", "b"], test=Rows(["r1"], files[2:]))
    made = replace(made, train=replace(made.train, paths=files[:2]))
    assert dataset.prepare(made).test.ids == ["r1"]
    files[2].write_bytes(files[1].read_bytes())
    with pytest.raises(UserError, match="share 1 images, such as 'r1'"):
        dataset.prepare(made)
    with pytest.raises(UserError, match="share 1 images, such as 'other'"):
        dataset.prepare(replace(made, test=Rows(["other"], files[:1])))


def test_a_single_class_is_refused():
    with pytest.raises(UserError, match="nothing to learn"):
        dataset.prepare(tables(["a", "a"]))


# Images


def test_images_become_one_size_upright_and_without_transparency(tmp_path):
    from PIL import Image

    from automask.data.decoding import decode
    from automask.data.images import Images

    wide = Image.new("RGB", (40, 20), "red")
    exif = Image.Exif()
    exif[0x0112] = 6
    wide.save(tmp_path / "turned.jpg", exif=exif)
    assert decode(tmp_path / "turned.jpg").shape == (40, 20, 3)
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    assert (decode(tmp_path / "clear.png") == 255).all()
    Image.new("I;16", (8, 8), 65535).save(tmp_path / "deep.png")
    assert (decode(tmp_path / "deep.png") == 255).all()
    Image.new("P", (8, 8)).save(tmp_path / "palette.gif")
    paths = sorted(tmp_path.glob("*.*g*"))
    resizes = {p.name: p.function for p in registry.plugins("resize").values()}
    images = Images(paths, 24, resizes, tmp_path / "cache")
    for name in resizes:
        for size in (24, 12):
            assert images.at(name, size).shape == (len(paths), size, size, 3)
    assert isinstance(images.at("pad", 24), np.memmap)


def test_every_unreadable_image_is_named_before_anything_is_kept(tmp_path):
    from automask.data.images import Images

    for index in range(4):
        draw(tmp_path / f"{index}.jpg", (9, 9, 9), index, (60, 60))
    torn = (tmp_path / "1.jpg").read_bytes()
    (tmp_path / "1.jpg").write_bytes(torn[: len(torn) // 2])
    (tmp_path / "3.jpg").write_bytes(b"no image at all")
    paths = sorted(tmp_path.glob("*.jpg"))
    images = Images(paths, 16, {"pad": registry.get("resize", "pad").function}, tmp_path / "cache")
    with pytest.raises(UserError) as caught:
        images.at("pad", 16)
    assert "2 of 4 images" in str(caught.value)
    assert "1.jpg" in str(caught.value) and "3.jpg" in str(caught.value)
    assert not [f for f in (tmp_path / "cache").iterdir() if f.suffix != ".lock"]
