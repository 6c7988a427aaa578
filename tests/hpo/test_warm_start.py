"""A warm start: which recipes of earlier studies are chosen, and when a search tries them."""

import shutil

import numpy as np

from automask.hpo import trials
from automask.hpo.trials import complete_trials
from automask.hpo.warm_start import Earlier, portfolio, predict_scores
from automask.space.recipe import Recipe
from automask.study import opening, session
from automask.study.run import queue_earlier
from automask.study.session import Options
from helpers.commands import automask, refused
from helpers.searches import FOLDS, recipes, searcher


def earlier(study, name, *scored):
    """A study that ran these wishes with these scores."""
    ordered = sorted(scored, key=lambda pair: -pair[1])
    made = tuple(study.space.nearest(wishes)[0] for wishes, _ in ordered)
    return Earlier(name, made, np.array([score for _, score in ordered]))


FOCAL = {"loss": "focal", "loss.focal.gamma": 1.0}
NORM, LIGHT, NONE = {"freeze": "norm_and_head"}, {"augmentation": "light"}, {"augmentation": "none"}


def test_of_one_study_the_best_come_in_order_and_nothing_twice(study):
    wishes = [{**FOCAL, "loss.focal.gamma": 0.5 + 0.1 * index} for index in range(8)]
    one = earlier(study, "one", *((wish, index / 8) for index, wish in enumerate(wishes)))
    twice = Earlier("one", (one.recipes[0], *one.recipes), np.array([0.99, *one.scores]))
    known = [study.space.nearest(wishes[6])[1]]
    chosen = portfolio([twice], study.space, known)
    expected = [study.space.nearest(wishes[index])[1] for index in (7, 5, 4, 3, 2)]
    assert chosen == [("one", free) for free in expected]
    assert portfolio([earlier(study, "few", (FOCAL, 0.3))], study.space) == [
        ("few", study.space.nearest(FOCAL)[1])
    ]


def test_recipes_from_outside_are_moved_into_the_space(study):
    alien = study.space.default()[0].to_dict()
    alien["training"] |= {"epochs": 90, "image_size": 224}
    alien["loss"] = {"name": "gone", "what": 3}
    alien["kind_of_old"] = {"name": "past"}
    one = Earlier("old", (Recipe.from_dict(alien),), np.array([0.5]))
    ((_, free),) = portfolio([one], study.space)
    assert "training.epochs" not in free and free["loss"] in study.space.competitors["loss"]


def test_of_several_studies_those_are_chosen_that_cover_all(study):
    # Focal is best in one and worst in the other, where norm_and_head is; light is good in both.
    a = earlier(study, "a", (FOCAL, 90), (LIGHT, 85), ({**FOCAL, **LIGHT}, 88), (NORM, 10))
    b = earlier(study, "b", (NORM, 0.9), (LIGHT, 0.8), (FOCAL, 0.1), ({**FOCAL, **LIGHT}, 0.2))
    chosen = portfolio([a, b], study.space, top=3)
    default, focal, norm, light = (
        study.space.nearest(wish)[1] for wish in ({}, FOCAL, NORM, LIGHT)
    )
    assert chosen[0][1] == light
    assert {str(free) for _, free in chosen[1:]} == {str(focal), str(norm)}
    assert default == light, "the default recipe's augmentation"
    assert light not in [free for _, free in portfolio([a, b], study.space, [default])]


def test_a_score_elsewhere_is_the_nearest_recipes(study):
    from automask.space.distance import parameters

    def rows(*wishes):
        return [parameters(study.space, study.space.nearest(wish)[0]) for wish in wishes]

    near = {**FOCAL, "loss.focal.gamma": 1.2}
    scores = predict_scores(
        [rows(FOCAL, NORM), rows(NONE, near)], [np.array([3.0, 1.0]), np.array([0.5, 0.25])]
    )
    assert scores[:, 0].tolist()[:2] == [1.0, 0.0] and scores[3, 0] == 1.0
    assert scores[2:, 1].tolist() == [1.0, 0.0] and scores[0, 1] == 0.0


def test_they_come_after_default_and_advice_and_a_resumed_study_needs_no_flag(study):
    searcher(study, 8).run()
    best = [t.user_attrs["hash"] for t in complete_trials(study.study)]
    other = opening.begin(Options(space="space.toml", folds=FOLDS, study="other"))
    advised = other.space.nearest({**FOCAL, **NORM, "loss.focal.gamma": 1.234})
    other.study.set_user_attr("advice", {"recipes": [advised[1]]})
    told = queue_earlier(other, [session.read_earlier("main", other.options)])
    assert "5 best recipes of earlier studies first (5 of main)" in told
    searcher(other, 3).run()
    again = opening.begin(Options(space="space.toml", folds=FOLDS, study="other"))
    searcher(again, 7).run()
    default = study.space.default()[0].hash
    expected = [one for one in best if one != default][:5]
    assert recipes(again) == [default, advised[0].hash, *expected]
    origins = [trials.origin(again.study, trial) for trial in again.study.trials]
    assert origins[0] == "the default recipe" and "advice" in origins[1]
    assert set(origins[2:]) == {"a best recipe of study main"}
    assert "adds nothing" in queue_earlier(again, [session.read_earlier("main", other.options)])


def test_the_command_line(project, tmp_path_factory):
    run = ("search", "--space", "space.toml", "--folds", "2", "--workers", "1", "--trials")
    refused(automask(project, *run, "1", "--warm-start", "man"), "no study 'man'")
    first = automask(project, *run, "2")
    assert first.returncode == 0, first.stderr
    refused(automask(project, *run, "1", "--study", "b", "--warm-start", "man"), "mean 'main'?")
    assert not (project / "runs/b").exists()
    away = tmp_path_factory.mktemp("away")
    shutil.move(project / "runs/main", away / "runs/main")
    path = away / "runs/man"
    refused(automask(project, *run, "1", "--warm-start", path), "no study.db", "mean 'main'?")
    path = away / "runs/main"
    warm = automask(project, *run, "1", "--warm-start", path)
    assert warm.returncode == 0, warm.stderr
    assert f"of {path})" in warm.stdout
    again = automask(project, *run, "1", "--warm-start", path)
    assert again.returncode == 0 and "adds nothing" in again.stdout
