"""Ten well-known competitions, from `init` through `search` and `ensemble` to a submission that has
the sample's exact form, without a line edited by hand."""

import tomllib

import pandas as pd
import pytest

from helpers.commands import automask
from helpers.layouts import LAYOUTS, LEAVES, RANZCR

SPACE = """
[training]
pretrained = false
image_size = 32
epochs = 1
warmup_epochs = 0
batch_size = 8

[backbone.timm]
model = "test_resnet"
drop_rate = 0.0
drop_path_rate = 0.0

[freeze.full]

[augmentation.none]
"""

#: What `init` makes of each: the metric, and how answers are said.
READ = {
    "dog_breed": ("log_loss", "probabilities"),
    "aptos": ("macro_f1", None),
    "plant_pathology_2020": ("log_loss", "probabilities"),
    "plant_pathology_2021": ("macro_f1", "sets"),
    "cassava": ("macro_f1", None),
    "state_farm": ("log_loss", "probabilities"),
    "histopathologic": ("macro_f1", None),
    "ranzcr": ("roc_auc", "probabilities"),
    "humpback": ("map_5", "top"),
    "digit_recognizer": ("macro_f1", None),
}


def fits(name, cells):
    """Whether the answers of a submission (a data frame of text) are such as the competition's."""
    if name in ("dog_breed", "plant_pathology_2020", "state_farm"):
        shares = cells.astype(float)
        return shares.gt(0).all(None) and shares.sum(axis=1).sub(1).abs().lt(1e-6).all()
    if name == "ranzcr":
        shares = cells.astype(float)
        return list(cells) == list(RANZCR) and shares.gt(0).all(None) and shares.lt(1).all(None)
    answers = [cell.split(" ") for cell in cells.iloc[:, 0]]
    if name == "plant_pathology_2021":
        labels = {label for leaf in LEAVES for label in leaf.split()} | {""}
        return all({*labels} >= {*answer} for answer in answers)
    if name == "humpback":
        whales = [answer for answer in answers if len({*answer}) == 5]
        return len(whales) == len(answers) and all(w[:2] in ("ne", "w_") for a in whales for w in a)
    return all(len(answer) == 1 and answer[0].isdigit() for answer in answers)


@pytest.fixture
def drawn(request, tmp_path):
    (tmp_path / "data").mkdir()
    LAYOUTS[request.param](tmp_path / "data")
    (tmp_path / "tiny.toml").write_text(SPACE)
    return request.param, tmp_path


@pytest.mark.parametrize("drawn", LAYOUTS, indirect=True)
def test_a_submission_has_the_samples_form(drawn):
    name, folder = drawn
    init = automask(folder, "init", "data")
    assert init.returncode == 0, init.stderr
    written = tomllib.loads((folder / "automask.toml").read_text("utf-8"))
    assert (written["search"]["metric"], written["data"].get("answers")) == READ[name], init.stdout
    options = ("--trials", "1", "--space", "tiny.toml", "--folds", "2", "--workers", "1")
    search = automask(folder, "search", *options)
    assert search.returncode == 0, search.stdout + search.stderr
    blend = automask(folder, "ensemble")
    assert blend.returncode == 0, blend.stdout + blend.stderr
    texts = {"dtype": str, "keep_default_na": False}
    submission = pd.read_csv(folder / "submission.csv", **texts)
    sample = pd.read_csv(folder / "data" / "sample_submission.csv", **texts)
    assert list(submission) == list(sample)
    assert submission.iloc[:, 0].tolist() == sample.iloc[:, 0].tolist()
    assert fits(name, submission.iloc[:, 1:]), submission
    kept = automask(folder, "submit")
    assert kept.returncode == 0, kept.stdout + kept.stderr


@pytest.mark.parametrize("drawn", ["histopathologic"], indirect=True)
def test_a_metric_of_probabilities_makes_probabilities_of_zeros_and_ones(drawn):
    _, folder = drawn
    assert 'say answers = "probabilities"' in automask(folder, "init", "data").stdout
    options = ("--trials", "1", "--space", "tiny.toml", "--folds", "2", "--workers", "1")
    assert automask(folder, "search", *options, "--metric", "roc_auc").returncode == 0
    assert automask(folder, "ensemble").returncode == 0
    shares = pd.read_csv(folder / "submission.csv")["label"]
    assert shares.between(0, 1, inclusive="neither").all() and shares.nunique() > 2
