"""Searches of every target, from a reader's tables to the blend."""

import numpy as np
import pytest

import automask
from automask.data import dataset
from automask.data.tables import Rows, Tables
from automask.errors import UserError
from helpers.targets import draw, labels_and_pixels, search


@pytest.mark.parametrize("metric", ["macro_f1", "roc_auc"])
def test_labels_are_learned_each_by_itself_and_thresholds_are_theirs(tmp_path, metric):
    labels, pixels = labels_and_pixels()
    draw(tmp_path, {f"is_{k}": labels[:, k] for k in range(3)}, pixels)
    study, result = search(tmp_path, 'kind = "multi"', metric)
    assert result.data.labels.tolist() == labels[:-8].tolist()
    assert result.nested.value > 0.8
    assert result.blend.test.shape == (8, 3)
    sums = result.blend.honest.sum(1)
    assert sums.min() < 0.9 and sums.max() > 1.1
    assert result.calibration is None and result.attributes == {}
    assert result.classes["rows"].tolist() == labels[:-8].sum(0).tolist()
    page = study.report(tmp_path / "report.html").read_text("utf-8")
    assert "Hardest images" in page and "no one class that is taken for another" in page
    assert "All labels together, each a question of its own" in page


def test_a_number_is_learned_in_its_own_unit(tmp_path):
    years = np.random.default_rng(2).uniform(1950, 2010, 60).round(1)
    level = (years - 1950)[:, None] * np.array([4, 4, 4])
    draw(tmp_path, {"is_year": years}, level)
    study, result = search(tmp_path, 'kind = "number"', "rmse", epochs=8)
    truth = years[:-8]
    assert result.blend.honest.shape == (52, 1)
    assert -result.nested.value < 0.6 * truth.std()
    assert result.shift == {} and result.class_tables == []
    assert 1900 < result.blend.test.mean() < 2060
    page = study.report(tmp_path / "report.html").read_text("utf-8")
    assert "Hardest images" in page and 'id="classes"' not in page
    assert "A number is off, never confused" in page


def test_grades_are_in_the_order_of_numbers_and_have_cut_points(tmp_path):
    grades = np.arange(66) % 11
    draw(tmp_path, {"is_grade": grades}, np.repeat(20 + 20 * grades[:, None], 3, axis=1))
    _, result = search(tmp_path, "", "cohen_kappa", epochs=8)
    assert [result.data.attributes.describe(k) for k in range(11)] == list(map(str, range(11)))
    assert result.data.target.name == "ordered"
    assert result.nested.value > 0.5


def test_a_thing_is_scored_once_and_its_pictures_stay_together(tmp_path):
    labels = np.arange(40) % 2
    draw(tmp_path, {"is_bright": labels}, 60 + 130 * labels[:, None].repeat(3, 1), pictures=2)
    study, result = search(tmp_path, 'unit = "thing"', "accuracy")
    folds = study._session.folds
    assert (folds[::2] == folds[1::2]).all()
    np.testing.assert_array_equal(result.blend.honest[::2], result.blend.honest[1::2])
    assert result.submission["id"].tolist() == [f"t{row}" for row in range(32, 40)]


def test_a_tables_own_folds_hold(tmp_path):
    labels = np.arange(40) % 2
    draw(tmp_path, {"is_bright": labels}, 60 + 130 * labels[:, None].repeat(3, 1))
    study, _ = search(tmp_path, 'fold = "fold"', "accuracy")
    assert study._session.folds.tolist() == [row % 4 for row in range(32)]
    with pytest.raises(UserError, match="4 folds of its own, and --folds says 3"):
        automask.search(folder=tmp_path, study="other", space="space.toml", folds=3, trials=1)


def test_a_metric_that_is_not_for_the_answers_is_refused_with_those_that_are(tmp_path):
    labels, pixels = labels_and_pixels(30)
    draw(tmp_path, {f"is_{k}": labels[:, k] for k in range(3)}, pixels)
    with pytest.raises(UserError, match=r"cohen_kappa isn't for any number of labels.*macro_f1"):
        search(tmp_path, 'kind = "multi"', "cohen_kappa")


def table(texts):
    import pandas as pd

    rows = Rows([str(i) for i in range(len(texts))], [], pd.DataFrame({"grade": texts}, dtype=str))
    return Tables(rows)


def test_a_study_of_an_early_version_keeps_the_order_of_texts():
    texts = [str(grade) for grade in range(12)]
    assert dataset.prepare(table(texts)).attributes.values[0] == tuple(texts)
    assert dataset.prepare(table(texts), as_text=True).attributes.values[0] == tuple(sorted(texts))


def test_a_recipe_whose_loss_is_of_another_target_is_refused_with_one_that_fits(tmp_path):
    labels, pixels = labels_and_pixels(40)
    draw(tmp_path, {f"is_{k}": labels[:, k] for k in range(3)}, pixels)
    search(tmp_path, 'kind = "multi"', "macro_f1", epochs=1)
    network = {"backbone": {"timm": {"model": "test_resnet"}}}
    for loss in ({"loss": {"cross_entropy": {}}}, {}):
        with pytest.raises(UserError, match=r"cross_entropy' isn't for any .*\[loss.sigmoid_bce\]"):
            automask.train({**network, **loss}, folder=tmp_path)
