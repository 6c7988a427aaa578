"""Networks ranked by a probe: which are, in which order, and what a search tries because of it."""

import math

import numpy as np
import pytest
import timm
from safetensors.torch import save_file

from automask.diagnostics import linear_probe
from automask.diagnostics.advice import follow_ranking, leading
from automask.diagnostics.linear_probe import Estimate
from automask.diagnostics.model_ranking import (
    Candidate,
    Ranking,
    affordable,
    allowance,
    candidates,
    rank,
)
from automask.diagnostics.transfer_matrix import CASES, recipes
from automask.hpo import trials
from automask.hpo.attributes import StudyAttributes
from automask.hpo.limits import Limits
from automask.hpo.searcher import Searcher
from automask.hpo.trials import finished_trials
from automask.space import space_file
from automask.space.ranges import Int
from automask.study import opening, run
from automask.study.session import Options
from automask.training.features import Features
from helpers.commands import automask
from helpers.competition import SPACE
from helpers.searches import pretend

SIZES = SPACE.replace("image_size = 32", "image_size = [32, 64]")
MODELS = ("test_convnext", "test_resnet")


@pytest.fixture
def pretrained(inside):
    """Two networks with weights of their own, at two sizes."""
    (inside / "weights").mkdir()
    for name in MODELS:
        save_file(timm.create_model(name).state_dict(), inside / f"weights/{name}.safetensors")
    (inside / "space.toml").write_text(SIZES.replace("pretrained = false", "pretrained = true"))
    return inside


def options(**more):
    return Options(space="space.toml", folds=3, weights="weights", **more)


def lead(best, against=0.02):
    scores = {Candidate("timm", *one): score for one, score in best.items()}
    return Ranking(scores, {}, len(scores), Estimate(0.1, against), 0.1)


def test_every_network_at_every_size_has_a_place_by_its_score(pretrained, monkeypatch):
    opened = opening.survey(options())
    asked = []
    features = linear_probe.Sample.features

    def counted(self, recipe):
        asked.append((str(Candidate.from_recipe(recipe)), recipe.training["pretrained"]))
        return features(self, recipe)

    monkeypatch.setattr(linear_probe.Sample, "features", counted)
    advice = run.measure_advice(opened)
    scores = dict(advice.attributes.probe["scores"])
    wanted = {f"{model} at {size} px" for model in MODELS for size in (32, 64)}
    assert set(scores) == wanted
    assert list(scores.values()) == sorted(scores.values(), reverse=True)
    # What the advice was measured on isn't computed again.
    assert len(asked) == len(set(asked)) == 5
    assert {name for name, own in asked if own} == wanted
    (line,) = [line for line in advice.notes if line.startswith("networks by")]
    assert "(all 4, " in line and line.index(max(scores, key=scores.get)) < len(line) / 2
    again, passes = run.measure_advice(opened).attributes.stored(), advice.attributes.stored()
    told = again.pop("passes"), passes.pop("passes")
    assert again == passes
    # Every network at every size was timed.
    assert all(len(own) == 4 and min(own.values()) > 0 for own in told)


def test_the_score_is_that_of_the_probe_on_these_features(pretrained, monkeypatch):
    opened = opening.survey(options())
    drawn, found = linear_probe.draw(opened.task()), candidates(opened.space)
    labels = opened.data.labels[drawn.rows]
    assert (drawn.probe.labels == labels).all()
    rng = np.random.default_rng(0)
    clear = np.eye(3)[labels] + rng.normal(0, 0.1, (len(labels), 3))
    planted = dict(zip(found, (rng.normal(size=clear.shape), clear, -clear), strict=False))
    order = list(planted)
    told = rank(drawn, found, order, planted, against=order[0])
    assert list(told.scores)[-1] == order[0] and told.scores[told.best] == 1.0
    assert told.leads and told.lead.value > 0.3 and told.total == 4
    assert rank(drawn, found, order, planted, against=told.best).lead is None
    noise = {one: rng.normal(size=clear.shape) for one in order}
    assert not rank(drawn, found, order[:2], noise, against=order[0]).leads
    assert rank(drawn, found, order, planted, until=0.0).scores == {}
    monkeypatch.setattr(Features, "read", lambda self, rows: np.full((len(rows), 3), np.nan))
    assert "aren't finite" in rank(drawn, found, order[:1]).failed[order[0]]


def test_the_cheapest_are_ranked_where_all_would_cost_too_much(pretrained):
    opened = opening.survey(options())
    drawn, found = linear_probe.draw(opened.task()), candidates(opened.space)
    every = affordable(drawn, found, math.inf)
    assert len(every) == 4
    for model in MODELS:
        sizes = [one.size for one in every if one.model == model]
        assert sizes == [32, 64]
    limit = allowance(drawn, opened.space.default()[0])
    assert 0 < limit < math.inf
    few = affordable(drawn, found, limit / 1000)
    assert few == every[: len(few)] and len(few) < 4
    told = rank(drawn, found, every[:1]).sentences("macro_f1", 4)
    assert "(1 of 4, the cheapest, " in told[0]


def test_a_range_of_sizes_is_ranked_in_steps(pretrained):
    chosen = opening.survey(options()).space.with_training(image_size=Int(32, 128))
    assert sorted({one.size for one in candidates(chosen)}) == [32, 64, 128]


def test_weights_of_another_network_are_out_before_the_others_are_ranked(pretrained):
    state = timm.create_model("test_convnext").state_dict()
    save_file(state, pretrained / "weights/test_resnet.safetensors")
    survey = opening.survey(options())
    assert any("test_resnet" in note and "left out" in note for note in survey.notes)
    scores = dict(run.measure_advice(survey).attributes.probe["scores"])
    assert set(scores) == {"test_convnext at 32 px", "test_convnext at 64 px"}


def test_nothing_pretrained_is_said_and_a_single_network_is_not(inside):
    (inside / "space.toml").write_text(SIZES)
    advice = run.measure_advice(opening.survey(Options(space="space.toml", folds=3)))
    assert "networks aren't ranked: the space has nothing pretrained" in advice.notes[-1]
    assert advice.attributes.probe is None
    (inside / "space.toml").write_text(SPACE)
    advice = run.measure_advice(opening.survey(Options(space="space.toml", folds=3)))
    assert not any("networks" in note for note in advice.notes)


def test_advice_takes_the_best_network_where_it_surely_leads():
    chosen = space_file.parse(
        SIZES.replace('"test_resnet"', '["test_resnet", "test_convnext"]'), "x", False
    )
    found = lead({("test_convnext", 32): 0.9, ("test_resnet", 32): 0.7, ("test_resnet", 64): 0.6})
    advised = recipes(CASES[1], chosen, leading(found))
    assert advised
    assert {str(Candidate.from_recipe(recipe)) for recipe, _ in advised} == {
        "test_convnext at 32 px"
    }
    best = follow_ranking(found, chosen, [recipe for recipe, _ in advised])
    # The default recipe has the third.
    assert [str(Candidate.from_recipe(recipe)) for recipe, _ in best] == ["test_resnet at 32 px"]
    assert best[0][0]["freeze"] == advised[0][0]["freeze"]
    doubtful = lead({("test_convnext", 32): 0.9, ("test_resnet", 64): 0.8}, against=0.1)
    assert leading(doubtful) == {}
    assert follow_ranking(None, chosen, []) == []


def test_the_queue_is_default_advice_best_networks_then_others(pretrained):
    opened = opening.begin(options())
    run.measure_advice(opened).attributes.write(opened.study)
    noted = StudyAttributes.read(opened.study)
    first, advised, best = (len(noted.queue(name)) for name in ("start", "advice", "probe"))
    assert first and advised and best
    # Cut in the middle of the queue, and taken up.
    for count in (2, first + advised + best + 3):
        again = opening.begin(options())
        Searcher(again.study, again.space, again.store, Limits(count), pretend).run()
    came = [trials.origin(again.study, trial) for trial in finished_trials(again.study)]
    # Recipes that come from two of them are tried once.
    order = [
        "what a search begins with: heads alone, and what did best elsewhere",
        "the default recipe",
        "advice from measuring the data",
        "one of the probe's best networks",
        "drawn at random",
    ]
    assert list(dict.fromkeys(came)) == order
    assert came == sorted(came, key=order.index)


def test_a_search_tells_it_once(pretrained):
    searched = ("search", "--space", "space.toml", "--folds", "3", "--weights", "weights")
    searched += ("--workers", "1", "--trials", "1")
    first = automask(pretrained, *searched)
    assert first.returncode == 0, first.stderr
    assert first.stdout.count("note: networks by macro_f1 of a probe (all 4, ") == 1
    again = automask(pretrained, *searched)
    assert again.returncode == 0, again.stderr
    assert "networks by" not in again.stdout


def test_rows_of_a_map_are_those_that_the_map_has(pretrained):
    images = opening.survey(options()).images()
    rows = np.array([7, 0, 3])
    for size in (32, 64):
        before = images.read(rows, "pad", size)
        assert (before == images.at("pad", size)[rows]).all()
        assert (before == images.read(rows, "pad", size)).all()
