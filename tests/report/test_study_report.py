"""The report of a study: its facts, its charts, where networks looked, and the page in a browser."""

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import asdict

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from automask import units
from automask.data import dataset
from automask.data.dataset import Attributes
from automask.diagnostics import audit
from automask.diagnostics.audit import Finding
from automask.ensembles import calibration
from automask.report import batch, charts, curves, evaluation, grad_cam, study_report
from automask.space.recipe import Choice, Recipe
from automask.study.session import Options, open_session
from automask.target import SINGLE
from automask.training.network import Backbone, Network, build
from helpers import competition
from helpers.commands import automask, refused
from helpers.competition import SPACE, draw_table

NASTY = "</style><script>alert('x')</script> & \"{{ facts }}\""


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    """A folder with a searched study of two trials, and its report."""
    folder = tmp_path_factory.mktemp("studied")
    draw_table(folder / "data")
    (folder / "space.toml").write_text(SPACE)
    assert automask(folder, "init", "data").returncode == 0
    early = automask(folder, "report")
    refused(early, "no study 'main'")
    search = ("search", "--space", "space.toml", "--folds", "3", "--workers", "1", "--trials", "2")
    assert automask(folder, *search).returncode == 0
    made = automask(folder, "report")
    assert made.returncode == 0, made.stderr
    assert "wrote report.html: " in made.stdout
    return folder


@pytest.fixture
def session(studied, monkeypatch):
    monkeypatch.chdir(studied)
    return open_session(Options())


def test_the_page_tells_the_studys_own_numbers(session):
    facts = study_report.gather(session)
    json.dumps(facts, allow_nan=False)
    assert [trial["number"] for trial in facts["history"]] == [0, 1]
    best = max(trial["value"] for trial in facts["history"])
    assert facts["history"][-1]["best"] == best
    single = next(s for s in facts["scores"] if s["name"].startswith("Best single"))
    assert single["value"] == pytest.approx(best, abs=1e-6)
    counts = np.array(facts["tables"][0]["counts"])
    assert counts.sum() == 30 == sum(row["count"] for row in facts["reliability"]["reliability"])
    assert len(facts["hardest"]) == min(study_report.HARDEST, 30 - np.trace(counts))
    looks = facts["looked"]["rows"]
    assert looks and facts["looked"]["layer"].startswith("backbone.net.")
    wrong = [row["id"] for row in facts["hardest"]][: study_report.LOOKED]
    assert [row["id"] for row in looks[: len(wrong)]] == wrong
    text = session.store.folder.parents[1].joinpath("report.html").read_text("utf-8")
    assert f"{facts['scores'][0]['value']:.3f}" in text


def test_the_members_curves_and_a_batch_are_the_trials_own(session):
    facts = study_report.gather(session)
    trials = session.study.get_trials()
    for curve, member in zip(facts["curves"], facts["blend"]["members"], strict=True):
        trial = trials[member["trial"]]
        assert curve["name"] == f"trial {trial.number}" and len(curve["folds"]) == 3
        assert set(curve["folds"]) <= set(trial.intermediate_values.values())
    seen = facts["batch"]
    assert seen["trial"] == session.study.best_trial.number
    assert len(seen["rows"]) == 8  # the batch's size
    ids = dict(zip(session.data.train.ids, session.data.labels, strict=True))
    for row in seen["rows"]:
        assert row["aims"] == session.data.describe_answer(ids[row["id"]])
        assert session.folds[session.data.train.ids.index(row["id"])] != 0


def test_a_mixed_batch_counts_as_several_classes(session, monkeypatch):
    recipe_of = batch.recipe_of

    def mixed(trial):
        recipe = recipe_of(trial)
        choices = {"mix": Choice("mixup", {"alpha": 8.0}), "sampling": Choice("smote", {})}
        return Recipe({**recipe.choices, **choices}, recipe.training)

    monkeypatch.setattr(batch, "recipe_of", mixed)
    seen = batch.first_batch(session)
    assert any("%" in row.aims for row in seen.rows)
    assert "sampling 'smote' asks for features first" in seen.remarks[0]


def test_without_a_trial_there_is_no_batch(session, monkeypatch):
    monkeypatch.setattr(batch, "complete_trials", lambda study: [])
    assert batch.first_batch(session) == "no trial is complete"


def test_labels_have_swaps_reliability_and_losses():
    labels = np.array([[1, 0, 0], [1, 0, 1], [0, 1, 0], [0, 0, 0]])
    columns = {name: labels[:, place].astype(str) for place, name in enumerate("abc")}
    data = dataset.prepare(competition.tables(columns, kind="multi"))
    probability = np.array([[0.2, 0.9, 0.1], [0.9, 0.1, 0.9], [0.1, 0.9, 0.1], [0.1, 0.1, 0.1]])
    [told] = evaluation.tables(data, probability)
    assert told["pairs"] == [{"given": "a", "said": "b", "rows": 1}]
    measured = evaluation.label_reliability(data, probability)
    assert sum(row.count for row in measured.reliability) == 12
    sure = [row for row in measured.reliability if row.confidence > 0.85]
    assert sum(row.accuracy * row.count for row in sure) == pytest.approx(10)
    row = evaluation.describe_row(data, probability, 0)
    assert row["loss"] == pytest.approx(-np.log([0.2, 0.1, 0.9]).mean())
    single = dataset.prepare(competition.tables(["x", "y"]))
    assert evaluation.label_reliability(single, np.eye(2)) is None
    assert evaluation.describe_row(single, np.array([[0.25, 0.75]]), 0)["loss"] == pytest.approx(
        np.log(4)
    )


def test_plots_that_make_no_sense_are_sentences(session):
    facts = study_report.gather(session)
    number = facts | {"tables": [], "reliability": None, "confusable": False}
    text = study_report.render(number, {})
    assert "A number is off, never confused" in text and "comes without a probability" in text
    labels = facts | {"confusable": False}
    assert "so that a row has no one class that is taken for another" in study_report.render(
        labels, {}
    )
    curves_of = [{"name": NASTY, "recipe": "x", "rungs": [], "folds": [0.5, None, 0.7]}]
    text = study_report.render(facts | {"curves": curves_of}, {})
    assert "None was looked at first" in text


def test_lines_leave_out_what_was_not_measured():
    drawn = ET.fromstring(curves.lines([("a", [0.5, None, 0.7]), (NASTY, [0.1])], "folds"))
    assert len(drawn.findall("circle")) == 3 and len(drawn.findall("polyline")) == 2
    assert curves.lines([("a", [None])], "folds") == "" == curves.lines([], "folds")
    assert ET.fromstring(curves.lines([("a", [0.5])], "folds")) is not None  # one alone


def test_the_audits_are_sections_with_pictures(session):
    ids, facts = session.data.train.ids, study_report.gather(session)
    nothing = facts | {"leaks": None, "suspects": []}
    pictures = study_report.pictures(session.data, ids)
    plain = study_report.render(nothing, pictures)
    assert 'id="leaks"' not in plain and "No label is suspect" in plain
    leak = {"title": NASTY, "sentence": "Two of a kind.", "rows": [[ids[0], ids[1]]]}
    suspect = {"id": ids[2], "given": NASTY, "likely": "01", "probability": 0.97}
    full = study_report.render(nothing | {"leaks": [leak], "suspects": [suspect]}, pictures)
    assert 'id="suspects"' in full and "97%" in full and "Two of a kind." in full
    assert full.count("<img") == plain.count("<img") + 3


def test_whatever_people_name_stays_text(session):
    """Classes, columns, files, studies and recipes: every text in the facts, and every name."""
    facts = study_report.gather(session)
    facts["suspects"] = [{"id": "a", "given": "b", "likely": "c", "probability": 0.97}]
    facts["leaks"] = [{"title": "a", "sentence": "b", "rows": [["c", "d"]]}]
    facts["importance"] = {NASTY: 0.9}

    def spoiled(value):
        if isinstance(value, dict):
            keep = ("state", "image")
            return {key: v if key in keep else spoiled(v) for key, v in value.items()}
        if isinstance(value, list):
            return [spoiled(v) for v in value]
        return NASTY if isinstance(value, str) else value

    text = study_report.render(spoiled(facts), {NASTY: ""})
    for begin in ("<script", "</style><", "{{ charts", 'alt="picture of </'):
        assert begin not in text
    assert text.count("<title>automask: study &lt;/style&gt;&lt;script&gt;") == 1
    assert text.count("&lt;script&gt;") > 50


def test_a_planted_copy_is_in_the_report(session, monkeypatch):
    ids = session.data.train.ids
    row = {"table": "train", "id": ids[0], "path": "", "label": ""}
    pair = {"rows": [0, 1], "similarity": 1.0, "mirrored": False, "exact": True}
    found = Finding("copies", "Copies", "One pair.", "", {}, [row, row | {"id": ids[1]}], [pair])
    audit.save(session, [found])
    told = study_report.gather(session)["leaks"]
    assert told == [{"title": "Copies", "sentence": "One pair.", "rows": [[ids[0], ids[1]]]}]


def test_the_report_tells_what_the_ensemble_told(studied, monkeypatch):
    before = automask(studied, "report", "-o", "before.html")
    assert before.returncode == 0 and "was run yet" in (studied / "before.html").read_text("utf-8")
    told = automask(studied, "ensemble")
    assert told.returncode == 0, told.stderr
    monkeypatch.chdir(studied)
    facts = study_report.gather(open_session(Options()))
    assert facts["blend"]["run"] and facts["blend"]["asked"] == "auto"
    assert f"{facts['scores'][0]['value']:.4f}" in told.stdout


def test_without_captum_a_sentence_says_how_to_get_it(session, monkeypatch):
    monkeypatch.setattr(grad_cam, "find_spec", lambda name: None)
    facts = study_report.gather(session)
    assert facts["looked"]["rows"] == []
    text = study_report.render(facts, {})
    assert "pip install &#39;automask[report]&#39;" in text


def test_weights_that_are_gone_are_told(session, monkeypatch):
    monkeypatch.setattr(grad_cam, "complete_trials", lambda study: [])
    assert "weights" in grad_cam.look_at(session, np.array([0]))


ATTRIBUTES = Attributes(("label",), (("a", "b"),), np.array([[0], [1]]))


def network(model):
    recipe = Recipe(
        {"backbone": Choice("timm", {"model": model}), "head": Choice("joint", {})},
        {"image_size": 64, "pretrained": False},
    )
    return build(recipe, ATTRIBUTES, {}, 0, 0).eval()


@pytest.mark.parametrize("model", ["test_resnet", "test_convnext", "test_efficientnet"])
def test_the_map_is_the_last_one_with_places(model):
    made = network(model)
    images = torch.rand(2, 64, 64, 3) * 255
    layer = grad_cam.spatial_layer(made, images)
    heat, probability = grad_cam.grad_cam(made, layer, images, SINGLE)
    assert heat.shape == (2, 64, 64) and heat.min() >= 0 and heat.max() <= 1
    assert probability.sum(1) == pytest.approx(1, abs=1e-5)


def test_tokens_of_a_transformer_have_no_map():
    assert grad_cam.spatial_layer(network("test_vit"), torch.zeros(1, 64, 64, 3)) == ""


def test_the_heat_lies_on_what_the_class_was_said_for():
    """A network that counts bright pixels: white squares speak for its class, black ground doesn't."""
    conv = nn.Conv2d(3, 1, 4, 4, bias=False)
    nn.init.constant_(conv.weight, 1.0)
    net = nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    head = nn.Linear(1, 2, bias=False)
    head.weight.data = torch.tensor([[1.0], [-1.0]])
    made = Network(Backbone(net, 1, [["0.weight"]], (0.0,) * 3, (1.0,) * 3), head).eval()
    images = torch.zeros(2, 32, 32, 3)
    images[0, :8, :8] = 255
    images[1, 24:, 16:24] = 255
    layer = grad_cam.spatial_layer(made, images)
    heat, _ = grad_cam.grad_cam(made, layer, images, SINGLE)
    for row, place in enumerate([(slice(0, 8), slice(0, 8)), (slice(24, 32), slice(16, 24))]):
        assert heat[row][place].mean() > 0.6
        rest = heat[row].copy()
        rest[place] = 0
        assert rest.mean() < 0.1
    look = grad_cam.Look(0, images[0].numpy().astype(np.uint8), heat[0], 0, 1.0)
    painted = grad_cam.painted(look, 64)
    assert painted.shape == (64, 64, 3) and painted[60, 60].max() < 20 < painted[2, 2].max()


row_tables = st.integers(2, 5).flatmap(
    lambda classes: st.lists(
        st.tuples(
            st.integers(0, classes - 1),
            st.lists(st.floats(0.01, 1), min_size=classes, max_size=classes),
        ),
        min_size=1,
        max_size=30,
    )
)


def arrays(rows):
    probability = np.array([values for _, values in rows])
    return np.array([label for label, _ in rows]), probability / probability.sum(1, keepdims=True)


@given(row_tables)
def test_bins_and_mistakes_account_for_every_row(rows):
    target, probability = arrays(rows)
    found = calibration.reliability(target, probability)
    assert sum(row.count for row in found) == len(target)
    assert 0 <= calibration.expected_error(found) <= 1
    hard = evaluation.hardest_rows(SINGLE, target, probability)
    assert sorted(hard.tolist()) == np.flatnonzero(probability.argmax(1) != target).tolist()
    of_given = probability[hard, target[hard]]
    assert (np.diff(of_given) >= 0).all()


def test_the_most_frequent_mistakes_come_first():
    counts = np.array([[9, 2, 0], [5, 9, 1], [0, 0, 9]])
    assert evaluation.confusions(counts) == [(1, 0, 5), (0, 1, 2), (1, 2, 1)]


def test_what_pruning_saved_goes_by_how_far_a_trial_came():
    trial = {"state": "pruned", "seconds": 10.0, "share": 1 / 5}
    told = study_report.pruning([trial, {"state": "complete", "seconds": 50.0, "share": 1.0}])
    assert told == {"pruned": 1, "spent": 60.0, "saved": pytest.approx(40.0)}


def test_lengths_of_time_are_said_as_everywhere():
    texts = [units.duration(seconds) for seconds in (0, 95, 100, 95 * 60, 7500)]
    assert texts == ["0 s", "95 s", "2 min", "95 min", "2 h 5 min"]


# Whole numbers: where torch flushes denormals, floats around 0 can't be drawn.
@given(st.integers(-(10**6), 10**6), st.floats(1e-6, 1e6))
def test_ticks_are_round_and_within(low, span):
    found = charts.ticks(low, low + span)
    assert len(found) <= 6
    slack = 1e-6 * max(1, abs(low) + span)
    assert all(low - slack <= tick <= low + span + slack for tick in found)


def trial(number, state, value, best):
    return {"number": number, "state": state, "value": value, "best": best, "recipe": NASTY}


def test_charts_are_well_formed_whatever_they_name():
    trials = [
        trial(0, "failed", None, None),
        trial(1, "pruned", 0.3, None),
        trial(2, "complete", 0.5, 0.5),
        trial(3, "complete", 0.4, 0.5),
    ]
    bins = calibration.reliability(np.array([0, 1]), np.array([[0.9, 0.1], [0.6, 0.4]]))
    drawn = {
        "history": charts.history(trials),
        "confusion": charts.confusion(np.array([[3, 1], [0, 0]]), [NASTY, "b"]),
        "reliability": charts.reliability([asdict(bin) for bin in bins]),
        "whisker": charts.whisker(0.5, 0.4, 0.6, 0.0, 1.0),
    }
    roots = {name: ET.fromstring(text) for name, text in drawn.items()}
    assert [len(roots["history"].findall(tag)) for tag in ("circle", "path")] == [2, 2]
    # The highest score is the highest dot.
    high, low = (float(dot.get("cy")) for dot in roots["history"].findall("circle"))
    assert high < low
    cells = [rect for rect in roots["confusion"].findall("rect") if rect.find("title") is not None]
    assert [rect.get("class") for rect in cells] == ["right", "wrong"]
    assert "3 rows, 75%" in cells[0].findtext("title")
    assert charts.history(trials[:1]) == "" and charts.reliability([]) == ""
    assert charts.history(trials[2:3])  # one alone


def test_in_a_browser_it_fits_a_phone_and_the_dark(browser, studied):
    address = (studied / "report.html").as_uri()
    browser.get(address)
    ids = [s.get_attribute("id") for s in browser.find_elements("css selector", "section")]
    assert ids[:3] == ["score", "history", "classes"]
    assert ids[-6:] == ["hardest", "looked", "learning", "batch", "suspects", "leaks"]
    assert re.fullmatch(r"\d\.\d{3}", browser.find_element("css selector", ".score b").text)
    assert browser.execute_script("return [...document.images].every((i) => i.naturalWidth > 0)")
    links = browser.find_elements("css selector", "nav a")
    assert [link.get_attribute("href").partition("#")[2] for link in links] == ids
    loaded = browser.execute_script(
        "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    )
    assert all(name.startswith("data:") for name in loaded)

    def seen(scheme):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        script = "return getComputedStyle(document.body).backgroundColor"
        return browser.execute_script(script)

    assert seen("light") == "rgb(246, 246, 244)" and seen("dark") == "rgb(22, 22, 21)"
    phone = {"width": 390, "height": 800, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    assert browser.execute_script("return document.documentElement.scrollWidth") == 390
    severe = [line for line in browser.get_log("browser") if line["level"] == "SEVERE"]
    assert severe == []


def test_a_number_is_shown_against_the_truth_and_by_bands():
    years = np.linspace(1950, 2010, 40)
    prepared = dataset.prepare(
        competition.tables({"year": years.astype(str)}, kind="number"), "rmse"
    )
    found = evaluation.numbers(prepared, (years + 2)[:, None])
    assert found["name"] == "year" and found["points"][0] == [1950, 1952]
    assert [band["rows"] for band in found["bands"]] == [4] * 10
    assert all(band["above"] == pytest.approx(2) for band in found["bands"])
    assert charts.scatter(found["points"], "year").count("<circle") == 40
    assert evaluation.numbers(dataset.prepare(competition.tables(["a", "b"])), np.eye(2)) is None
