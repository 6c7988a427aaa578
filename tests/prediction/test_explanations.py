"""Where a model looked."""

import shutil

import numpy as np
import pytest
from PIL import Image

import automask
from automask.prediction.explanation import GREY, Occlusions, explain, shrink_whole
from automask.report import explanation_page
from automask.target import SINGLE, Number
from helpers.commands import automask as command
from helpers.commands import refused


def corner(images):
    """Sure of the second class as far as the upper left corner is bright."""
    bright = np.array([image[:20, :20].mean() / 255 for image in images])
    return np.stack([1 - bright, bright], 1)


def test_what_hides_the_reason_is_bright():
    pixels = np.full((80, 120, 3), 40, np.uint8)
    pixels[:20, :30] = 255
    one = explain(pixels, corner, SINGLE)
    assert one.label == 1 and one.value == 1 and one.loss == pytest.approx(1 - GREY / 255)
    assert one.heat[:2, :2].min() > 0.4 and one.heat[4:].max() == one.heat[:, 4:].max() == 0
    assert one.heat.max() == 1
    # What is hidden is the image's own, at any shape, and the image itself stays.
    assert (pixels[:20, :30] == 255).all() and len(Occlusions(pixels)) == 50


def test_where_nothing_hidden_changes_anything_nothing_is_bright():
    one = explain(np.zeros((3, 5, 3), np.uint8), lambda images: np.ones((len(images), 1)), SINGLE)
    assert one.loss == 0 and not one.heat.any()


def test_of_a_number_a_change_counts_both_ways():
    def mean(images):
        return np.array([[image.mean()] for image in images])

    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, 32:] = 255
    one = explain(pixels, mean, Number(100.0, 50.0))
    assert one.value == pytest.approx(127.5) and one.heat[4, 0] > 0.9 and one.heat[4, 7] > 0.9


def test_a_large_image_is_made_smaller_by_whole_pixels():
    assert shrink_whole(np.zeros((300, 950, 3), np.uint8), 100).shape == (100, 316, 3)
    assert shrink_whole(np.zeros((199, 950, 3), np.uint8), 100).shape == (199, 950, 3)


def test_a_model_explains_what_it_answers(exported, trained):
    paths = automask.load(trained).ensemble().data.test.paths[:2]
    model = automask.load_model(exported)
    explanations = model.explain(paths)
    table = model.probabilities(paths)
    assert [one.label for one in explanations] == table.argmax(1).tolist()
    np.testing.assert_allclose([one.value for one in explanations], table.max(1), atol=1e-5)
    [one] = model.explain(Image.open(paths[0]))
    np.testing.assert_allclose(one.heat, explanations[0].heat, atol=1e-3)
    hidden = Occlusions(one.pixels)
    losses = one.value - model.probabilities(list(hidden))[1:, one.label]
    assert one.loss == pytest.approx(losses.max(), abs=1e-6)


def test_the_page_is_of_what_can_be_read(model, project, tmp_path, monkeypatch):
    """From the folder alone: no study, no data."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("t0", "t1", "t2"):
        shutil.copy(project / f"data/images/{name}.png", photos / f"<{name}>.png")
    (photos / "a.jpg").write_text("no image")
    run = ("predict", model, "photos", "--explain")
    done = command(tmp_path, *run, "page.html", "-o", "out.csv")
    assert done.returncode == 0, done.stderr
    assert "wrote page.html" in done.stderr and "4 rows, 3 of them answered" in done.stderr
    page = (tmp_path / "page.html").read_text("utf-8")
    assert page.count("<article") == 3 and page.count("data:image/jpeg") == 6
    assert "&lt;t0&gt;.png" in page and "<t0>" not in page and "occlusion" in page
    refused(command(tmp_path, *run, "nowhere/page.html"), "can't be written")
    monkeypatch.setattr(explanation_page, "MOST", 2)
    automask.predict(model, [photos], explain=tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text("utf-8").count("<article") == 2
