"""Models of labels, numbers, grades and of things with several pictures."""

import numpy as np
import pytest

import automask
from helpers.targets import draw, labels_and_pixels, search


def several(folder):
    labels, pixels = labels_and_pixels(40)
    draw(folder, {f"is_{k}": labels[:, k] for k in range(3)}, pixels)
    return search(folder, 'kind = "multi"', "macro_f1")


def number(folder):
    years = np.random.default_rng(2).uniform(1950, 2010, 40).round(1)
    draw(folder, {"is_year": years}, (years - 1950)[:, None] * np.array([4, 4, 4]))
    return search(folder, 'kind = "number"', "rmse")


def grades(folder):
    rows = np.arange(44) % 4
    draw(folder, {"is_grade": rows}, np.repeat(40 + 40 * rows[:, None], 3, axis=1))
    return search(folder, "", "cohen_kappa")


@pytest.mark.parametrize("task", [several, number, grades])
def test_every_target_is_predicted_as_the_study_did(tmp_path, task):
    study, _ = task(tmp_path)
    method = "hard_vote" if task is several else "mean"
    result = study.ensemble(method=method)
    made = study.export(tmp_path / "model", method=method)
    data = result.data
    assert made.difference < 1e-4
    model = automask.load_model(tmp_path / "model")
    assert model.target == data.target
    table = model.probabilities(data.test.paths)
    np.testing.assert_allclose(table, result.blend.test, atol=1e-5 * table.max())
    frame = model.predict(data.test.paths)
    decided = data.target.decide(result.blend.test)
    if task is several:
        names = np.array(model.classes)
        assert frame["labels"].tolist() == [" ".join(names[row > 0]) for row in decided]
    elif task is number:
        np.testing.assert_allclose(frame["is_year"], decided, atol=1e-2)
    else:
        assert frame["is_grade"].tolist() == [model.classes[grade] for grade in decided]


def test_a_thing_of_several_pictures_is_exported_and_its_pictures_are_answered(tmp_path):
    rows = np.arange(40) % 2
    draw(tmp_path, {"is_bright": rows}, 60 + 130 * rows[:, None].repeat(3, 1), pictures=2)
    study, result = search(tmp_path, 'unit = "thing"', "accuracy")
    made = study.export(tmp_path / "model", method="mean")
    model = automask.load_model(tmp_path / "model")
    assert made.difference < 1e-5 and model.contents.rejection is not None
    assert model.contents.pooled
    paths = result.data.test.paths
    assert len(model.predict(paths)) == len(paths)
    with pytest.raises(automask.UserError, match="--unit COLUMN"):
        model.predict(paths, reject=0.9)
