"""Searches replayed on a small drawn table."""

from __future__ import annotations

import dataclasses
import json
from functools import partial

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.pruners import BasePruner

from automask.hpo import sampler
from automask.hpo.pruners import TwoStage, step_number
from automask.space import registry
from automask.space.ranges import Categorical, Float, Int
from automask.space.recipe import Choice, Recipe
from automask.space.space import Space
from benchmarks.replay import (
    figures,
    pack,
    ranges,
    report,
    requeue,
    searching,
    strategies,
    table,
)
from benchmarks.replay.searching import Run, Strategy, replay, steps
from benchmarks.replay.table import Table

SPACE = Space(
    "small",
    {
        "loss": {"plain": {}, "focal": {"gamma": Float(0.0, 4.0)}},
        "optimizer": {"adamw": {"lr": Float(1e-4, 1e-2, log=True)}, "sgd": {"lr": Float(0.1, 0.5)}},
    },
    {"epochs": Int(3, 4), "pretrained": Categorical(True, False)},
    adapts=False,
)
ROWS, FOLDS, EPOCHS, CLASSES = 30, 5, 4, 3


def made(count: int = 24, seed: int = 0) -> Table:
    """Recipes of which the value goes by the learning rate, with folds and epochs around it."""
    rng = np.random.default_rng(seed)
    drawn = (SPACE.sample(ranges.drawing(rng)) for _ in range(count - 1))
    recipes = (SPACE.default()[0], *drawn)
    value = np.array([0.4 + 0.5 * recipe["optimizer"].params["lr"] for recipe in recipes])
    at_once = np.arange(count) % 6 == 5
    epochs = np.array([recipe.training["epochs"] for recipe in recipes])
    rise = np.linspace(0.5, 1, EPOCHS)
    score = value[:, None, None] * rise + rng.normal(0, 0.01, (count, FOLDS, EPOCHS))
    seconds = rng.uniform(1, 2, score.shape)
    scoring = np.full(score.shape, 0.1)
    never = np.arange(EPOCHS)[None, :] >= epochs[:, None]
    never |= at_once[:, None] & (np.arange(EPOCHS)[None, :] != epochs[:, None] - 1)
    for array in (score, seconds, scoring):
        array[np.broadcast_to(never[:, None], array.shape)] = np.nan
    labels = np.arange(ROWS) % CLASSES
    return costless(
        Table(
            name="drawn",
            space=SPACE,
            metric="macro_f1",
            labels=labels,
            folds=np.arange(ROWS) // CLASSES % FOLDS,
            recipes=recipes,
            drawn=np.arange(count) >= 2,
            at_once=at_once,
            value=value,
            score=score,
            seconds=seconds,
            scoring=scoring,
            probability=rng.dirichlet(np.ones(CLASSES), (count, ROWS)).astype(np.float16),
            wanted=count,
        )
    )


def costless(table: Table) -> Table:
    """The table, of whose recipes no cost is computed: they have no network."""
    vars(table)["cost"] = lambda recipe: None
    return table


OURS = Strategy("ours", partial(sampler.make_sampler, "tpe"), TwoStage, True, True)
PRUNED = Strategy("random, pruned", None, TwoStage, looks=True)


class Never(BasePruner):
    """Ends every trial at the first score that may."""

    def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
        return True


def same(a: Run, b: Run) -> bool:
    return all(
        np.array_equal(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(Run)
    )


@pytest.mark.parametrize("strategy", [OURS, PRUNED], ids=lambda s: s.name)
def test_a_replay_is_the_same_every_time(strategy):
    drawn = made()
    first = replay(drawn, strategy, seed=3, trials=14)
    assert same(first, replay(drawn, strategy, seed=3, trials=14))
    assert not same(first, replay(drawn, strategy, seed=4, trials=14))
    assert len(set(first.rows.tolist())) == 14


def test_default_and_advice_come_first():
    assert replay(made(), OURS, seed=0, trials=4).rows[:2].tolist() == [0, 1]
    assert {0, 1}.isdisjoint(replay(made(), Strategy("random"), seed=0).rows)


def test_nearest_is_the_recipe_itself_and_then_the_next_unused():
    drawn = made()
    for row, held in enumerate(drawn.parameters):
        unused = np.ones(len(drawn), bool)
        assert searching.nearest(drawn, held, unused) == row
        unused[row] = False
        assert searching.nearest(drawn, held, unused) != row


def test_distance_counts_choices_whole_and_numbers_by_their_range():
    def recipe(lr: float, gamma: float | None = None, pretrained: bool = True) -> Recipe:
        loss = Choice("plain", {}) if gamma is None else Choice("focal", {"gamma": gamma})
        choices = {"loss": loss, "optimizer": Choice("adamw", {"lr": lr})}
        return Recipe(choices, {"epochs": 3, "pretrained": pretrained})

    recipes = [
        recipe(1e-4),
        recipe(1e-3),
        recipe(1e-4, 1.0),
        recipe(1e-4, 3.0),
        recipe(1e-4, None, False),
    ]
    own = dataclasses.replace(made(5), recipes=tuple(recipes))
    # A tenfold learning rate is half of its two decades.
    assert own.places.distances(own.parameters[0]) == pytest.approx([0, 0.5, 1, 1, 1])
    assert own.places.distances(own.parameters[2]) == pytest.approx([1, 1.5, 0, 0.5, 2])


@settings(max_examples=15)
@given(
    seed=st.integers(0, 100),
    poison=st.floats(0, 1, allow_subnormal=False),
    pruner=st.sampled_from([TwoStage, None]),
)
def test_what_isnt_paid_for_changes_nothing(seed, poison, pruner):
    """The scores that a run has not come to may be anything: it goes the same way."""
    drawn = made(seed=seed)
    strategy = Strategy("pruned", None, pruner or (lambda folds: Never()))
    run = replay(drawn, strategy, seed, trials=10)
    score, seconds = np.full_like(drawn.score, poison), np.full_like(drawn.seconds, 1e6)
    scoring, value = np.full_like(drawn.scoring, 1e6), np.full_like(drawn.value, poison)
    spent = np.diff(run.spent, prepend=0)
    for row, whole, own in zip(run.rows, run.complete, spent, strict=True):
        left = own
        for paid, (fold, epoch, what) in zip(steps(drawn, row), places(drawn, row), strict=True):
            if left < 1e-9 and not whole:
                break
            left -= paid.seconds
            if what == "scoring":
                score[row, fold, epoch] = drawn.score[row, fold, epoch]
                scoring[row, fold, epoch] = drawn.scoring[row, fold, epoch]
            else:
                seconds[row, fold, epoch] = drawn.seconds[row, fold, epoch]
        if whole:
            value[row] = drawn.value[row]
    poisoned = dataclasses.replace(
        drawn, score=score, seconds=seconds, scoring=scoring, value=value
    )
    assert same(run, replay(poisoned, strategy, seed, trials=10))
    assert not run.complete.all() or pruner is TwoStage


def places(drawn: Table, row: int) -> list[tuple[int, int, str]]:
    """What each step of a recipe reads: fold, epoch, and whether that is a score."""
    last, found = int(drawn.epochs[row]) - 1, []
    for fold in range(FOLDS):
        if drawn.at_once[row]:
            found.append((fold, last, "seconds"))
        else:
            for epoch in range(last + 1):
                found.append((fold, epoch, "seconds"))
        found.append((fold, last, "scoring"))
    return found


def test_a_trial_reports_what_training_reports():
    drawn = made()
    whole, heads = np.flatnonzero(~drawn.at_once)[0], np.flatnonzero(drawn.at_once)[0]
    told = [paid.number for paid in steps(drawn, whole) if paid.number is not None]
    assert told == [step_number(fold) for fold in range(FOLDS)]
    assert [p.final for p in steps(drawn, heads) if p.number is not None] == [True] * FOLDS
    run = replay(drawn, Strategy("nothing spared", None, lambda folds: Never()), 0, trials=22)
    assert run.complete.tolist() == drawn.at_once[run.rows].tolist()


def test_every_second_counts_once():
    drawn = made()
    run = replay(drawn, Strategy("random"), seed=0)
    trained = np.nansum(drawn.seconds[2:]) + 0.1 * FOLDS * 22
    assert run.spent[-1] == pytest.approx(trained)
    assert run.complete.all() and figures.cost(drawn, run) == pytest.approx(1)
    spared = replay(drawn, Strategy("spared", None, lambda folds: Never()), seed=0)
    share = spared.spent[-1] / run.spent[-1]
    assert figures.cost(drawn, spared) == pytest.approx(share) and share < 0.5


def test_regret_and_recall_of_a_known_run():
    drawn = dataclasses.replace(made(), value=np.arange(24) / 100)
    complete = np.array([True, False, True, True, True, True, True])
    run = Run(np.array([3, 23, 9, 5, 20, 8, 7]), np.arange(1.0, 8.0), complete)
    assert figures.regret(drawn, run, 1) == pytest.approx(0.20)
    assert figures.regret(drawn, run, 3) == pytest.approx(0.14)
    assert figures.regret(drawn, run, 50) == pytest.approx(0.03)
    assert figures.recall(drawn, run) == pytest.approx(0.8)


def test_random_search_has_the_regret_of_random_draws():
    """The best of n of R draws without replacement, by its expectation in closed form."""
    drawn = dataclasses.replace(made(), value=np.arange(24.0))
    found = [figures.regret(drawn, replay(drawn, Strategy("random"), s, 5), 5) for s in range(200)]
    # Ranks 1 to 22 are drawn; the largest of 5 is 5/6 * 23 on average.
    assert np.mean(found) == pytest.approx(22 - 5 / 6 * 23, abs=0.6)


def test_the_ensemble_is_chosen_for_a_fold_by_the_others():
    """A recipe that is right on one fold alone is no member there."""
    drawn, right = made(12), np.eye(CLASSES)[np.arange(ROWS) % CLASSES]
    probability = np.full((12, ROWS, CLASSES), 1 / CLASSES)
    for row in range(5):
        probability[row] = 0.9 * right + 0.1 / CLASSES
    for fold in range(FOLDS):
        wrong = np.roll(right, 1, axis=1)
        probability[5 + fold] = np.where((drawn.folds == fold)[:, None], right, wrong)
    drawn = dataclasses.replace(drawn, probability=probability.astype(np.float16))
    everything = Run(np.arange(12), np.arange(1.0, 13.0), np.ones(12, bool))
    assert figures.ensemble(drawn, everything) == 1
    np.testing.assert_array_equal(drawn.without[5:10].argmin(1), np.arange(FOLDS))
    worse = dataclasses.replace(everything, complete=np.arange(12) >= 5)
    assert figures.ensemble(drawn, worse) < 1


def test_random_search_reaches_its_own_best_last_and_a_better_one_sooner():
    drawn = made()
    random = [replay(drawn, Strategy("random"), seed, 12) for seed in range(8)]
    best = int(drawn.value.argmax())
    lucky = [Run(np.array([best]), np.array([1.0]), np.array([True]))] * 8
    budget = figures.budget(random)
    assert figures.speed(drawn, lucky, random).mean == pytest.approx(1 / budget, abs=0.01)
    assert figures.speed(drawn, random, random).mean > 0.9
    assert figures.area(drawn, random, random) == 1
    assert figures.area(drawn, lucky, random) < 0.2


def test_what_two_tasks_like_is_chosen_for_the_third():
    scores = {"a": {"x": 0.1, "y": 0.9, "z": 0.9}, "b": {"x": 0.9, "y": 0.2, "z": 0.3}}
    assert figures.elsewhere(scores, "x") == "b"
    assert figures.elsewhere(scores, "y") == "a"
    assert figures.elsewhere({**scores, "c": {"x": 0.0, "y": 1, "z": 0.0}}, "y") == "c"


def test_the_report_tells_of_a_part_of_the_table(tmp_path):
    pytest.importorskip("matplotlib")
    found = []
    for seed, name in enumerate(("one", "two")):
        drawn = costless(dataclasses.replace(made(seed=seed), name=name, wanted=100))
        asked = (strategies.RANDOM, OURS, *strategies.PRUNERS[:2])
        found.append((drawn, {s.name: [replay(drawn, s, i, 8) for i in range(3)] for s in asked}))
    values = report.results(found)
    assert all(set(v) == {"value", "goal", "unit", "better"} for v in values.values())
    speed = values["one: compute to random search's best of 8"]
    assert (speed["goal"], speed["better"]) == (0.125, "smaller")
    assert json.loads(json.dumps(values)) == values
    page = tmp_path / "replay.md"
    page.write_text(f"before\n\n{report.BEGIN}\nold\n{report.END}\n\nafter\n")
    for _ in range(2):
        report.fill(page, report.text(found, 3))
    told = page.read_text()
    assert told.startswith("before") and told.endswith("after\n") and "old" not in told
    assert told.count("24 recipes of 100 (a part of what is to be recorded)") == 2
    assert f"| {OURS.name} |" in told and "For one the others choose “" in told
    report.draw(found, tmp_path / "replay.png")
    assert (tmp_path / "replay.png").stat().st_size > 5000


def test_a_space_is_the_same_after_json():
    told = json.loads(json.dumps(ranges.to_json(SPACE)))
    read = ranges.from_json(told)
    assert read.competitors == SPACE.competitors and read.training == SPACE.training


def facts_of(drawn: Table, row: int) -> dict:
    return {
        "recipe": drawn.recipes[row].to_json(),
        "origin": "drawn" if drawn.drawn[row] else "queue",
        "reason": "not-a-number" if row == 7 else "",
        "at_once": bool(drawn.at_once[row]),
        "value": float(drawn.value[row]),
    }


def keep(file, drawn: Table, row: int, **other) -> None:
    """A recipe's row as it is recorded."""
    arrays = {
        key: getattr(drawn, key)[row, :, : drawn.epochs[row]]
        for key in ("score", "seconds", "scoring")
    }
    facts = np.array(json.dumps(facts_of(drawn, row) | other))
    np.savez(file, facts=facts, probability=drawn.probability[row], **arrays)


def shards(drawn: Table, folder) -> None:
    (folder / "drawn").mkdir()
    told = {
        "space": ranges.to_json(SPACE),
        "metric": drawn.metric,
        "labels": drawn.labels.tolist(),
        "folds": drawn.folds.tolist(),
        "groups": None,
        "recipes": [[None, None]] * 30,
    }
    (folder / "drawn" / "task.json").write_text(json.dumps(told))
    for row in range(len(drawn)):
        keep(folder / "drawn" / f"{row:04d}.npz", drawn, row)


def test_a_part_of_the_recording_is_packed_and_read(tmp_path):
    pytest.importorskip("pyarrow")
    drawn = made()
    shards(drawn, tmp_path)
    assert pack.pack("drawn", tmp_path, tmp_path) == (23, 30)
    read = table.load("drawn", tmp_path)
    assert (len(read), read.wanted, read.failed) == (23, 30, 1)
    kept = np.arange(24) != 7
    assert read.recipes == tuple(np.array(drawn.recipes)[kept])
    for key in ("drawn", "at_once", "value", "score", "seconds", "scoring", "probability"):
        np.testing.assert_array_equal(getattr(read, key), getattr(drawn, key)[kept])
    assert read.probability.dtype == np.float16
    assert same(replay(read, PRUNED, 0, 10), replay(read, PRUNED, 0, 10))


def test_what_is_tried_first_today_takes_the_place_of_what_was(tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    drawn = made()
    shards(drawn, tmp_path)
    pack.pack("drawn", tmp_path, tmp_path)
    trained = []

    def save(task, recipe, origin, file):
        trained.append(recipe)
        keep(file, drawn, drawn.recipes.index(recipe), origin=origin)

    monkeypatch.setattr(requeue.record, "prepared", lambda name, folder: None)
    monkeypatch.setattr(requeue.record, "save", save)
    first = [drawn.recipes[0], drawn.recipes[9]]
    monkeypatch.setattr(requeue.tasks, "queued", lambda task, space: first)
    monkeypatch.setattr(Recipe, "describe", lambda self: self.hash)
    told = requeue.requeue("drawn", tmp_path, tmp_path)
    read = table.load("drawn", tmp_path)
    assert trained == first[1:] and len(told) == 2
    assert list(read.recipes[:2]) == first and not read.drawn[:2].any() and read.drawn[2:].all()
    assert (len(read), read.wanted, read.failed) == (23, 30, 1)
    rows = [0, 9, *(row for row in range(2, 24) if row != 7)]
    for key in ("value", "score", "seconds", "scoring", "probability"):
        np.testing.assert_array_equal(getattr(read, key), getattr(drawn, key)[rows])


@pytest.mark.parametrize("file", sorted(table.FOLDER.glob("*.parquet")), ids=lambda f: f.stem)
def test_the_table_here_keeps_its_shapes(file):
    pytest.importorskip("pyarrow")
    read = table.load(file.stem)
    folds, rows = int(read.folds.max()) + 1, len(read.labels)
    assert read.score.shape == read.seconds.shape == (len(read), folds, read.epochs.max())
    assert read.probability.shape[:2] == (len(read), rows)
    np.testing.assert_allclose(read.probability.astype(float).sum(-1), 1, atol=0.01)
    for row in range(len(read)):
        assert all(np.isfinite(p.seconds) for p in steps(read, row))
        assert all(np.isfinite(p.score) for p in steps(read, row) if p.number is not None)
    # An out-of-fold score is of the probabilities that are kept, but for their rounding.
    score = registry.get("metric", read.metric).function
    assert [score(read.labels, p) for p in read.probability] == pytest.approx(read.value, abs=0.02)
