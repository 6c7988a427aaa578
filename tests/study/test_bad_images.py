"""Images that can't be read, deep ones and changed ones, as a study begins and goes on."""

import os

import numpy as np
import pytest
from PIL import Image

from automask.data.depth import Depth
from automask.errors import UserError
from automask.study import opening, run
from automask.study.session import Options, open_session
from helpers.commands import automask, refused
from helpers.csv_files import rows
from helpers.searches import searcher

NOW = Options(space="space.toml", folds=3)
SKIP = Options(space="space.toml", folds=3, on_bad_image="skip")


def tear(folder, *names):
    """Leave a part of these images, which become noise of enough bytes."""
    for name in names:
        noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
        Image.fromarray(noise).save(folder / "torn.png")
        content = (folder / "torn.png").read_bytes()
        (folder / "torn.png").unlink()
        (folder / name).write_bytes(content[: len(content) * 2 // 3])


def test_a_bad_train_image_stops_before_a_study_is_there(inside):
    tear(inside / "data/images", "a3.png", "a8.png", "t2.png")
    with pytest.raises(UserError, match=r"2 of 30 train images can't be read.*skip") as error:
        opening.begin(NOW)
    assert "a3.png" in str(error.value) and "runs/bad_images.csv" in str(error.value)
    header, *listed = rows(inside / "runs/bad_images.csv")
    assert header == ["table", "id", "path", "problem", "result"]
    assert [(row[0], row[1], row[4]) for row in listed] == [
        ("train", "a3", "stops a search"),
        ("train", "a8", "stops a search"),
        ("test", "t2", "read as far as it goes"),
    ]
    assert not (inside / "runs/main").exists()
    for name in ("a3.png", "a8.png"):
        Image.new("RGB", (8, 8)).save(inside / "data/images" / name)
    opening.begin(NOW)
    assert not (inside / "runs/bad_images.csv").exists()
    with pytest.raises(UserError, match="--on-bad-image leave: stop or skip"):
        opening.begin(Options(space="space.toml", on_bad_image="leave"))


def test_rows_that_are_skipped_stay_out_of_the_study(inside):
    tear(inside / "data/images", "a3.png", "a8.png")
    session = opening.begin(SKIP)
    assert any("2 train images" in note and "left out" in note for note in session.notes)
    ids = [f"a{i}" for i in range(30) if i not in (3, 8)]
    assert session.data.train.ids == ids and len(session.folds) == 28
    run.decode(session)
    # Whatever is asked for later, and though they were mended.
    for name in ("a3.png", "a8.png"):
        Image.new("RGB", (8, 8)).save(inside / "data/images" / name)
    for again in (opening.begin(NOW), open_session(Options())):
        assert again.data.train.ids == ids and (again.folds == session.folds).all()
    assert [row[4] for row in rows(inside / "runs/main/bad_images.csv")[1:]] == ["left out"] * 2


def test_bad_test_images_are_predicted_and_listed(project):
    tear(project / "data/images", "t2.png")
    (project / "data/images/t4.png").write_bytes(b"no image")
    out = automask(project, "search", "--space", "space.toml", "--folds", "3", "--trials", "1")
    assert out.returncode == 0, out.stderr
    text = " ".join(out.stdout.split())
    assert "1 test image can't be read to the end (t2): read as far as it goes" in text
    assert "1 test image can't be read to the end (t4): predicted from a grey image" in text
    assert automask(project, "ensemble").returncode == 0
    assert len(rows(project / "submission.csv")) == 10


def test_the_option_of_the_command_line(project):
    tear(project / "data/images", "a3.png")
    search = ("search", "--space", "space.toml", "--folds", "3", "--trials", "1", "--workers", "1")
    refused(automask(project, *search), "1 of 30 train images", "--on-bad-image skip")
    out = automask(project, *search, "--on-bad-image", "skip")
    assert out.returncode == 0, out.stderr
    assert "1 train image can't be read to the end (a3): left out" in " ".join(out.stdout.split())


def test_pixels_are_scaled_as_the_study_began(inside):
    rng = np.random.default_rng(0)
    for file in (inside / "data/images").glob("*.png"):
        Image.fromarray(rng.integers(0, 4096, (40, 32)).astype(np.uint16)).save(file)
    session = opening.begin(NOW)
    depth = Depth({"uint16": (0.0, 4096.0)})
    assert session.data.depth == depth
    assert any("39 of 39 images have more than 8 bits" in note for note in session.notes)
    pixels = session.images().at("pad", 32)
    assert pixels.max() > 240 and 100 < pixels.mean() < 140
    assert open_session(Options()).data.depth == opening.begin(NOW).data.depth == depth


def test_an_earlier_study_keeps_the_upper_byte(inside):
    session = opening.begin(NOW)
    session.study.set_user_attr("depth", None)
    assert open_session(Options()).data.depth.ranges == {"uint16": (0, 65536)}


def change(file):
    """Another content of the same size, and of the same time."""
    facts = file.stat()
    content = bytearray(file.read_bytes())
    content[-30] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def test_files_that_change_but_not_in_size_are_noticed(inside):
    session = opening.begin(NOW)
    before, key = session.images().key, session.task().test_key
    change(inside / "data/images/t1.png")
    again = opening.begin(NOW)
    assert again.images().key != before and again.task().test_key != key
    searcher(again, 1).run()
    change(inside / "data/images/a1.png")
    with pytest.raises(UserError, match="begun with other images"):
        opening.begin(NOW)


def test_a_study_that_noted_no_contents_goes_on(inside):
    session = opening.begin(NOW)
    noted = dict(session.study.user_attrs["fingerprint"])
    del noted["images"]
    session.study.set_user_attr("fingerprint", noted)
    change(inside / "data/images/a1.png")
    opening.begin(NOW)


def test_test_rows_of_earlier_keys_are_the_same(inside):
    from automask.storage.trial_store import is_same_test

    key = opening.begin(NOW).task().test_key
    earlier = key.partition("-")[0]
    assert is_same_test(earlier, key) and is_same_test(key, key) and is_same_test("", "")
    assert not is_same_test(key, f"{earlier}-other") and not is_same_test("", key)
