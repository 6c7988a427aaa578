"""Which images are predicted, and what is said of each."""

import io
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import automask
from automask import UserError
from automask.data.labels import Attributes
from automask.prediction import answers, sources
from automask.prediction import model as models
from automask.prediction.contents import Answers, Rejection
from automask.target import MULTI, Number
from helpers.commands import automask as command
from helpers.commands import refused


@pytest.fixture
def photos(tmp_path, template):
    """A folder with four images, two of them deeper, and a text."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for name in ("t0", "t1"):
        shutil.copy(template / f"data/images/{name}.png", folder)
        shutil.copy(template / f"data/images/{name}.png", folder / f"more/{name}b.png")
    (folder / "notes.txt").write_text("notes")
    return folder


def predicted(folder, *arguments):
    """The table that the command writes, and what it says."""
    done = command(folder, "predict", *arguments, "-o", folder / "out.csv")
    assert done.returncode == 0, done.stdout + done.stderr
    return pd.read_csv(folder / "out.csv", dtype={"label": str}, keep_default_na=False), done.stderr


def test_files_folders_tables_and_standard_input_are_the_same_images(exported, photos, tmp_path):
    frame, said = predicted(tmp_path, exported, photos)
    names = [str(photos / n) for n in ("t0.png", "t1.png", "more/t0b.png", "more/t1b.png")]
    assert frame["image"].tolist() == names
    assert "4 images; 1 other files were left alone" in said
    assert frame["probability"].between(1 / 3, 1).all()
    by_file, _ = predicted(tmp_path, exported, *names)
    assert by_file.equals(frame)
    table = pd.DataFrame(
        {"id": range(4), "photo": ["t0.png", "t1.png", "more/t0b.png", "more/t1b.png"]}
    )
    table.to_csv(photos / "new.csv", index=False)
    table.to_parquet(photos / "new.parquet")
    for name in ("new.csv", "new.parquet"):
        by_table, said = predicted(tmp_path, exported, photos / name)
        assert by_table["image"].tolist() == table["photo"].tolist()
        assert "images are those of column 'photo'" in said
        assert by_table.drop(columns="image").equals(frame.drop(columns="image"))
    done = subprocess.run(
        [sys.executable, "-m", "automask", "predict", exported, "-"],
        input="\n".join(names) + "\n",
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    by_input = pd.read_csv(io.StringIO(done.stdout), dtype={"label": str}, keep_default_na=False)
    assert by_input.equals(frame)


def test_top_probabilities_and_parquet(exported, photos, tmp_path):
    frame, _ = predicted(tmp_path, exported, photos, "--top", "2", "--probabilities")
    classes = ["p(01)", "p(2)", "p(NA)"]
    assert list(frame)[3:] == ["top1", "probability1", "top2", "probability2", *classes]
    np.testing.assert_allclose(frame[classes].sum(axis=1), 1)
    np.testing.assert_allclose(frame["probability1"], frame[classes].max(axis=1))
    assert (frame["probability1"] >= frame["probability2"]).all()
    done = command(tmp_path, "predict", exported, photos, "--probabilities", "-o", "out.parquet")
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(pd.read_parquet(tmp_path / "out.parquet")[classes], frame[classes])


def test_what_cant_be_read_is_listed_and_the_rest_predicted(exported, photos, tmp_path):
    (photos / "a.jpg").write_text("no image")
    (photos / "b.png").write_bytes((photos / "t0.png").read_bytes()[:20])
    table = pd.DataFrame({"path": ["a.jpg", "t0.png", "gone.png", "b.png", "t1.png"]})
    table.to_csv(photos / "new.csv", index=False)
    frame, said = predicted(tmp_path, exported, photos / "new.csv")
    answered = frame["label"] != ""
    assert frame["image"][answered].tolist() == ["t0.png", "t1.png"]
    assert "3 of 5 images can't be read" in said and "gone.png" in said and "a.jpg" in said
    assert frame["error"].str.contains("a.jpg|b.png|gone.png")[~answered].all()
    stopped = command(tmp_path, "predict", exported, photos / "new.csv", "--on-bad-image", "stop")
    refused(stopped, "a.jpg")
    assert stopped.stdout == ""
    refused(
        command(tmp_path, "predict", exported, photos, "--on-bad-image", "ignore"), "skip or stop"
    )


def test_where_nothing_can_be_read_it_is_listed_all_the_same(exported, photos, tmp_path):
    (photos / "a.jpg").write_text("no image")
    (photos / "only.csv").write_text("path\na.jpg\ngone.jpg\n")
    for source, count in ((photos / "a.jpg", 1), (photos / "only.csv", 2)):
        frame, said = predicted(tmp_path, exported, source)
        assert (frame["label"] == "").all() and (frame["error"] != "").all()
        assert f"{count} of {count} images can't be read, and have no answer" in said
        assert f"{count} rows, 0 of them answered" in said
        stopped = command(tmp_path, "predict", exported, source, "--on-bad-image", "stop")
        refused(stopped, "a.jpg")


def test_what_names_no_image_is_refused(exported, photos, tmp_path):
    (tmp_path / "empty").mkdir()
    refused(command(tmp_path, "predict", exported, "empty"), "empty: no images in it")
    refused(command(tmp_path, "predict", exported, "nowhere"), "nowhere: no such file or folder")
    (tmp_path / "two.csv").write_text(f"a,b\n{photos}/t0.png,{photos}/t1.png\n")
    refused(command(tmp_path, "predict", exported, "two.csv"), "a and b both do", "--column")
    frame, _ = predicted(tmp_path, exported, "two.csv", "--column", "b")
    assert frame["image"].tolist() == [f"{photos}/t1.png"]
    refused(command(tmp_path, "predict", exported, "two.csv", "--column", "c"), "no column 'c'")
    (tmp_path / "none.csv").write_text("a,b\n1,2\n")
    refused(command(tmp_path, "predict", exported, "none.csv"), "as none does")
    (tmp_path / "bare.csv").write_text("a,b\n")
    refused(command(tmp_path, "predict", exported, "bare.csv"), "has no rows")
    refused(
        command(tmp_path, "predict", exported, photos, "-o", "nowhere/out.csv"), "can't be written"
    )


def test_a_wide_image_is_read(exported, tmp_path):
    Image.new("RGB", (20_000, 40), (200, 40, 40)).save(tmp_path / "wide.png")
    frame, _ = predicted(tmp_path, exported, tmp_path / "wide.png")
    assert frame["label"].tolist() != [""]


def test_a_batch_more_changes_nothing(exported, photos, monkeypatch, heard):
    model = automask.load_model(exported)
    paths = [source.path for source in sources.find_images([str(photos)])] * 3
    expected = model.probabilities(paths)
    monkeypatch.setattr(models, "IMAGES", 5)
    np.testing.assert_allclose(model.probabilities(paths), expected, atol=1e-6)
    assert [step for step in heard.steps if step[0] == "predicting"][-1] == ("predicting", 12, 12)
    with pytest.raises(UserError, match="no images"):
        model.probabilities([])


def test_rows_that_arent_sure_stay_unanswered(exported, trained, photos, tmp_path):
    model = automask.load_model(exported)
    table = model.contents.rejection
    assert table.confidence == sorted(table.confidence, reverse=True)
    reached = max(table.precision)
    frame = model.predict([str(p) for p in photos.glob("*.png")], reject=reached)
    sure = frame["probability"] >= answers.threshold(table, reached)
    assert (frame["label"].notna() == sure).all()
    refused(command(tmp_path, "predict", exported, photos, "--reject", "1.5"), "a share")
    points = Rejection(
        confidence=[0.9, 0.8, 0.6], precision=[1.0, 0.9, 0.95], answered=[0.1, 0.5, 1]
    )
    assert [answers.threshold(points, share) for share in (0.99, 0.95, 0.5)] == [0.9, 0.6, 0.6]
    with pytest.raises(UserError, match=r"at most 0\.900"):
        answers.threshold(points.model_copy(update={"precision": [0.9, 0.8, 0.7]}), 0.95)


def other(contents, kind, names):
    """The contents of a model of another target."""
    attributes = Attributes(("labels",), (names,), np.arange(len(names))[:, None])
    return contents.model_copy(update={"answers": Answers.of(kind, attributes)})


def test_labels_are_joined_and_a_number_is_a_column(exported):
    contents = automask.load_model(exported).contents
    values = np.array([[0.9, 0.2, 0.7], [0.1, 0.2, 0.3], [np.nan, np.nan, np.nan]])
    several = other(contents, MULTI, ("cat", "dog", "hat"))
    read = np.array([True, True, False])
    predictions = answers.Predictions(values, {2: "c: can't be read"}, read)
    frame = answers.table(several, predictions, ["a", "b", "c"], probabilities=True)
    assert frame["labels"].tolist()[:2] == ["cat hat", ""] and frame["labels"].isna()[2]
    assert list(frame)[2:] == ["p(cat)", "p(dog)", "p(hat)", "error"]
    with pytest.raises(UserError, match="any number of labels a row"):
        answers.table(several, predictions, ["a", "b", "c"], top=2)
    number = other(contents, Number(40.0, 10.0), ("age",))
    assert number.answers.kind == Number(40.0, 10.0)
    frame = answers.table(number, answers.Predictions(values[:2, :1], {}, read[:2]), ["a", "b"])
    assert frame["labels"].tolist() == [0.9, 0.1] and list(frame) == ["image", "labels"]
    with pytest.raises(UserError, match="a number a row"):
        answers.table(number, predictions, ["a", "b"], reject=0.9)
