"""Searches of every target, from a reader's tables to the blend."""

import numpy as np
import pytest
from PIL import Image

import automask
from automask.data import dataset
from automask.data.tables import Rows, Tables
from automask.errors import UserError

SPACE = """
[training]
pretrained = false
image_size = 32
epochs = {epochs}
warmup_epochs = 0
batch_size = 16

[backbone.timm]
model = "test_resnet"

[optimizer.adamw]
lr = 0.01

[head.joint]
[loss.cross_entropy]
[loss.sigmoid_bce]
[loss.smooth_l1]
[augmentation.none]
"""
READER = '''
import pandas as pd
from automask import Text, reader
from automask.data.tables import Rows, Tables


@reader(kind=Text(), unit=Text(), fold=Text())
def drawn(folder, *, kind="single", unit=None, fold=None):
    """A table that says what is asked."""
    file = folder / "drawn.csv"
    if not file.exists():
        return None
    table = pd.read_csv(file, dtype=str, keep_default_na=False)
    columns = [c for c in table if c.startswith("is_")]

    def rows(part, answers):
        return Rows(
            ids=part["id"].tolist(),
            paths=[folder / name for name in part["id"]],
            attributes=part[columns] if answers else pd.DataFrame(),
            units=part[unit].tolist() if unit else None,
            folds=part[fold].tolist() if fold and answers else None,
        )

    train, test = (table[table["part"] == part].reset_index() for part in ("train", "test"))
    return Tables(rows(train, True), rows(test, False), kind=kind)
'''


def draw(folder, answers, brightness, pictures=1, test=8):
    """A project of images as bright as `brightness` `[N, 3]` says, with the columns `answers`."""
    rng = np.random.default_rng(0)
    lines = [",".join(["id", "part", "thing", "fold", *answers])]
    count = len(brightness)
    (folder / "data").mkdir(parents=True)
    for index, levels in enumerate(np.repeat(brightness, pictures, axis=0)):
        noise = rng.integers(-20, 20, (32, 32, 3))
        pixels = (np.array(levels) + noise).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"data/{index}.png")
        row = index // pictures
        cells = [str(column[row]) for column in answers.values()]
        part = "test" if row >= count - test else "train"
        lines.append(",".join([f"{index}.png", part, f"t{row}", f"f{row % 4}", *cells]))
    (folder / "data/drawn.csv").write_text("\n".join(lines) + "\n")
    (folder / "plugins").mkdir()
    (folder / "plugins/mine.py").write_text(READER)


def search(folder, settings, metric, epochs=4, trials=1):
    (folder / "automask.toml").write_text(
        f'[data]\npath = "data"\nreader = "drawn"\n{settings}\n[search]\nfolds = 3\n'
    )
    (folder / "space.toml").write_text(SPACE.format(epochs=epochs))
    found = automask.search(
        folder=folder, space="space.toml", metric=metric, trials=trials, workers=1
    )
    return found, found.ensemble()


def labels_and_pixels(rows=60):
    """Three labels, each a channel that is bright."""
    rng = np.random.default_rng(1)
    labels = (rng.random((rows, 3)) < (0.5, 0.4, 0.3)).astype(int)
    return labels, 60 + 130 * labels


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
    assert "Hardest images" in page and "Confusion" not in page and "Reliability" not in page


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
    assert "Hardest images" in page and "Classes" not in page


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
