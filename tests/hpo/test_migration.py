"""A study whose search space grows or shrinks: nothing is lost, and the sampler learns on."""

import multiprocessing
import os
import subprocess
import sys

import optuna
import pytest
from optuna.trial import TrialState

from automask.errors import UserError
from automask.hpo import migration, optuna_study, trials
from automask.hpo.attributes import StudyAttributes, TrialAttributes
from automask.hpo.progress import Step
from automask.hpo.trials import LEFT, complete_trials, finished_trials
from automask.space.space_file import parse
from automask.study import adaptation, opening
from automask.study.session import Options
from helpers.commands import automask
from helpers.competition import SPACE
from helpers.plugins import FOCAL
from helpers.recipes import with_loss
from helpers.searches import FOLDS, HOLD, recipes, searcher, states

WIDER = SPACE + "\n[loss.soft_f1]\n\n[loss.ldam]\n"
NARROWER = SPACE.replace("[loss.focal]\ngamma = { low = 0.5, high = 2.0 }\n", "").replace(
    "high = 2 }", "high = 1 }"
)


def opened(folder, text=SPACE, name="main"):
    (folder / "space.toml").write_text(text)
    return opening.begin(Options(space="space.toml", folds=FOLDS, study=name))


def facts(study):
    """All that a trial has beside its parameters and whether these are outside."""
    return [
        (
            t.number,
            t.state,
            t.values,
            t.datetime_start,
            t.datetime_complete,
            t.intermediate_values,
            {k: v for k, v in t.user_attrs.items() if k != "outside"},
            t.system_attrs,
        )
        for t in study.study.get_trials()
    ]


def outside(study):
    return [t for t in study.study.get_trials() if TrialAttributes.read(t).outside]


def test_a_study_grows_and_the_sampler_learns_on_from_all_its_trials(inside):
    small = opened(inside)
    searcher(small, 12).run()
    before, params = facts(small), [t.params for t in small.study.get_trials()]
    wide = opened(inside, WIDER)
    (note,) = [n for n in wide.notes if "space" in n]
    assert note == (
        "the space has changed: 12 of 12 finished trials lie in it; all stay in the ensemble; 2 "
        "queued to try the best recipe with what joined"
    )
    assert facts(wide) == before
    assert [t.params for t in wide.study.get_trials()] == params
    assert not outside(wide)
    losses = {t.distributions["loss"].choices for t in wide.study.get_trials() if t.params}
    assert losses == {("cross_entropy", "focal", "soft_f1", "ldam")}
    best = trials.recipe_of(complete_trials(wide.study)[0])
    searcher(wide, 16).run()
    assert len(set(recipes(wide))) == len(recipes(wide)) == 16
    new = wide.study.get_trials()[12:]
    assert [trials.recipe_of(t)["loss"].name for t in new[:2]] == ["soft_f1", "ldam"]
    assert trials.origin(wide.study, new[0]) == "the best recipe with what joined the space"
    for trial in new[:2]:
        tried = trials.recipe_of(trial)
        assert tried.training == best.training
        assert all(tried[kind] == best[kind] for kind in best.choices if kind != "loss")
    assert not [n for n in opened(inside, WIDER).notes if "space" in n]


def test_the_sampler_proposes_what_it_would_in_a_study_begun_with_the_space(inside):
    grown = opened(inside, NARROWER)
    searcher(grown, 12).run()
    grown = opened(inside)
    begun = opened(inside, name="begun")
    for trial in grown.study.get_trials():
        begun.study.add_trial(trial)
    StudyAttributes(joined=StudyAttributes.read(grown.study).joined).write(begun.study)
    for one in (grown, begun):
        searcher(one, 16).run()
    assert recipes(grown) == recipes(begun)


def test_a_study_shrinks_and_grows_back_as_if_nothing_had_been(inside):
    whole = opened(inside, name="whole")
    searcher(whole, 18).run()
    study = opened(inside)
    searcher(study, 14).run()
    before = facts(study)
    parameters = [(t.params, t.distributions) for t in study.study.get_trials()]
    narrow = opened(inside, NARROWER)
    left = {t.number for t in outside(narrow)}
    assert left == {
        t.number
        for t in narrow.study.get_trials()
        if (made := trials.recipe_of(t)) and made["loss"].name == "focal"
    }
    assert 0 < len(left) < 14
    assert any(f"{14 - len(left)} of 14" in note for note in narrow.notes)
    assert facts(narrow) == before
    assert len(complete_trials(narrow.study)) == 14
    number = min(left)
    assert trials.origin(narrow.study, trials.find_trial(narrow.study, number)).endswith(
        "in an earlier space"
    )

    back = opened(inside)
    assert facts(back) == before
    assert [(t.params, t.distributions) for t in back.study.get_trials()] == parameters
    searcher(back, 18).run()
    assert recipes(back) == recipes(whole)


def test_a_narrowed_space_is_searched_alone_and_no_recipe_runs_twice(inside):
    study = opened(inside)
    searcher(study, 14).run()
    narrow = opened(inside, NARROWER)
    searcher(narrow, 18).run()
    assert len(set(recipes(narrow))) == len(recipes(narrow)) == 18
    later = [trials.recipe_of(t) for t in narrow.study.get_trials()[14:] if t.values]
    assert {(r["loss"].name, r.training["epochs"]) for r in later} == {("cross_entropy", 1)}
    back = opened(inside)
    assert not outside(back)
    searcher(back, 22).run()
    assert len(set(recipes(back))) == len(recipes(back)) == 22


def cut(recipe, report, ends):
    report(Step(0, 1, 1, 0.0, 0.5))
    raise KeyboardInterrupt


def test_an_interrupted_trial_waits_until_the_space_has_it_again(inside):
    study = opened(inside)
    made = study.space.nearest({"loss": "focal", "training.epochs": 2})[0]
    free = study.space.nearest(made.values())[1]
    searcher(study, 3).run()
    study.study.enqueue_trial(free)
    with pytest.raises(KeyboardInterrupt):
        searcher(study, 4, cut).run()
    assert states(study)[-1] == "WAITING"
    narrow = opened(inside, NARROWER)
    assert states(narrow)[-1] == "FAIL"
    assert narrow.study.get_trials()[-1].user_attrs["reason"] == LEFT
    assert len(finished_trials(narrow.study)) == 3
    assert len(trials.trained_trials(narrow.study)) == 3
    searcher(narrow, 4).run()
    assert made.hash not in recipes(narrow)

    back = opened(inside)
    (waiting,) = back.study.get_trials(states=(TrialState.WAITING,))
    assert waiting.user_attrs["hash"] == made.hash
    assert waiting.intermediate_values
    searcher(back, 5).run()
    done = trials.find_trial(back.study, waiting.number)
    assert done.state == TrialState.COMPLETE
    assert trials.recipe_of(done).hash == made.hash
    assert "reason" not in done.user_attrs


def test_an_interrupted_trial_inside_both_goes_on(inside):
    study = opened(inside)
    with pytest.raises(KeyboardInterrupt):
        searcher(study, 1, cut).run()
    hash_ = study.study.get_trials()[0].user_attrs["hash"]
    wide = opened(inside, WIDER)
    assert states(wide) == ["WAITING"]
    searcher(wide, 1).run()
    assert recipes(wide) == [hash_]


@pytest.mark.parametrize(
    ("source", "came"),
    [("advice", "advice from measuring the data"), ("probe", "one of the probe's best networks")],
)
def test_what_was_queued_moves_to_the_nearest_in_the_space(inside, source, came):
    study = opened(inside)
    _, free = study.space.nearest({"loss": "focal", "training.epochs": 2})
    study.study.set_user_attr(source, {"recipes": [free]})
    searcher(study, 1).run()
    assert states(study) == ["COMPLETE", "WAITING"]
    narrow = opened(inside, NARROWER)
    searcher(narrow, 2).run()
    assert states(narrow) == ["COMPLETE"] * 2
    done = trials.find_trial(narrow.study, 1)
    assert trials.origin(narrow.study, done) == came
    assert trials.recipe_of(done)["loss"].name == "cross_entropy"


def test_advice_for_a_study_without_trials_is_measured_again(inside):
    study = opened(inside)
    for source in ("advice", "probe"):
        study.study.set_user_attr(source, {"recipes": [study.space.default()[1]]})
    wide = opened(inside, WIDER)
    assert not {"advice", "probe"} & wide.study.user_attrs.keys()
    searcher(wide, 2).run()
    assert states(wide) == ["COMPLETE"] * 2


def test_a_given_trial_is_outside_until_the_space_has_its_recipe(inside):
    study = opened(inside)
    searcher(study, 2).run()
    other = with_loss(study.space.default()[0], "soft_f1")
    number = searcher(study, 0).run_one(other)
    assert [t.number for t in outside(study)] == [number]
    waiting = with_loss(study.space.default()[0], "asymmetric")
    with pytest.raises(KeyboardInterrupt):
        searcher(study, 0, cut).run_one(waiting)
    wide = opened(inside, WIDER)
    assert [t.number for t in outside(wide)] == [number + 1]
    assert states(wide)[-1] == "WAITING", "it was asked for by name"
    trial = trials.find_trial(wide.study, number)
    assert trial.params["loss"] == "soft_f1"
    assert trials.origin(wide.study, trial) == "given to automask train"
    searcher(wide, 4).run()
    done = trials.find_trial(wide.study, number + 1)
    assert done.state == TrialState.COMPLETE
    assert done.user_attrs["hash"] == waiting.hash


def test_it_is_refused_while_somebody_searches(inside):
    study = opened(inside)
    searcher(study, 2).run()
    before = facts(study)
    command = [sys.executable, "-c", HOLD, str(study.store.worker_lock("other").absolute())]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline()
        with pytest.raises(UserError, match="is being searched now, and its space has changed"):
            opened(inside, WIDER)
        holder.kill()
        holder.wait()
    assert facts(opened(inside)) == before
    wide = opened(inside, WIDER)
    assert facts(wide) == before


def test_a_command_that_was_begun_before_the_change_ends_with_a_sentence(inside):
    study = opened(inside)
    before = searcher(study, 3)
    before.declared = study.declared
    assert "3 trials" in before.run()
    wide = opened(inside, WIDER)
    before.limits = searcher(study, 9).limits
    assert "another command has changed the study's space" in before.run()
    with pytest.raises(UserError, match="another command has changed"):
        before.run_one(study.space.default()[0])
    assert states(wide) == ["COMPLETE"] * 3


def _killed(count):
    move = migration._move

    def until(rows, trial, space):
        rows.session.flush()
        if trial.number == count:
            os._exit(9)
        return move(rows, trial, space)

    migration._move = until
    opening.begin(Options(space="space.toml", folds=FOLDS))


def test_killed_in_the_middle_it_leaves_the_study_as_it_was(inside):
    study = opened(inside)
    searcher(study, 8).run()
    before = [(t.params, t.distributions, t.user_attrs) for t in study.study.get_trials()]
    fingerprint = study.study.user_attrs["fingerprint"]
    (inside / "space.toml").write_text(NARROWER)
    process = multiprocessing.get_context("fork").Process(target=_killed, args=(5,))
    process.start()
    process.join()
    assert process.exitcode == 9
    url = f"sqlite:///{study.store.database}"
    left = optuna_study.open_study(url, "main", 0, FOLDS, make=False)
    assert left.user_attrs["fingerprint"] == fingerprint
    assert [(t.params, t.distributions, t.user_attrs) for t in left.get_trials()] == before
    assert outside(opened(inside, NARROWER))


def test_larger_images_are_decoded_and_smaller_ones_stay_as_they_were(inside):
    study = opened(inside)
    wide = opened(inside, SPACE.replace("image_size = 32", "image_size = [32, 48]"))
    narrow = opened(inside)
    assert [one.largest for one in (study, wide, narrow)] == [32, 48, 48]
    assert narrow.study.user_attrs["largest"] == 48
    at_most = [adaptation.map_bytes(narrow.space, narrow.data, 3, 1, size) for size in (0, 32, 48)]
    assert at_most[0] == at_most[1] < at_most[2]
    assert narrow.caches > study.caches


def test_other_changes_are_refused_still(inside):
    searcher(opened(inside), 1).run()
    (inside / "space.toml").write_text(WIDER)
    with pytest.raises(UserError, match=r"metric \(macro_f1 before, accuracy now\)") as refusal:
        opening.begin(Options(space="space.toml", folds=FOLDS, metric="accuracy"))
    assert "space" not in str(refusal.value)


def test_a_model_that_joins_the_space_is_asked_for_and_those_before_are_kept(monkeypatch):
    def space(*models):
        return parse(f"[backbone.timm]\nmodel = {list(models)}\n", "mine", adapts=False)

    asked = []

    def reachable(models):
        asked.append([name for _, name in models])
        return [("timm", name) for name in asked[-1] if name not in ("resnet34", "resnet50")]

    monkeypatch.setattr(adaptation, "reachable", reachable)
    kept = StudyAttributes(
        models=[("timm", "resnet18")], models_asked=[("timm", "resnet18"), ("timm", "resnet34")]
    )
    grown = space("resnet50", "test_vit", "resnet18", "resnet34")
    chosen, notes = adaptation.drop_unavailable(grown, {}, kept)
    assert asked == [["resnet50", "test_vit"]]
    assert chosen.models() == [("timm", "test_vit"), ("timm", "resnet18")]
    assert "left out: resnet50, resnet34" in notes[0]


def test_by_the_command_line_a_plugin_joins(project):
    command = ("search", "--space", "space.toml", "--folds", "2", "--workers", "1", "--trials")
    (project / "space.toml").write_text(SPACE.replace("high = 2 }", "high = 1 }"))
    begun = automask(project, *command, "2")
    assert begun.returncode == 0, begun.stderr
    (project / "plugins").mkdir()
    (project / "plugins" / "mine.py").write_text(FOCAL.replace("def focal", "def own"))
    (project / "space.toml").write_text(SPACE + "\n[loss.own]\n")
    grown = automask(project, *command, "3")
    assert grown.returncode == 0, grown.stderr
    assert "2 of 2 finished trials lie in it" in grown.stdout
    assert "going on after 2 finished trials" in grown.stdout
    assert " own " in grown.stdout


def test_a_storage_keeps_what_optuna_needs(inside):
    """Optuna itself reads what was written: the study can be copied, trial by validated trial."""
    searcher(opened(inside), 5).run()
    wide = opened(inside, WIDER)
    copy = optuna.create_study(direction="maximize")
    copy.add_trials(wide.study.get_trials())
    assert [t.params for t in copy.get_trials()] == [t.params for t in wide.study.get_trials()]


@pytest.mark.parametrize("before", [0, 1])
def test_recipes_of_earlier_studies_move_with_the_space(inside, before):
    study = opened(inside)
    _, free = study.space.nearest({"loss": "focal", "training.epochs": 2})
    study.study.set_user_attr("warm start", {"studies": ["old"], "recipes": [free]})
    if before:
        searcher(study, before).run()
    narrow = opened(inside, NARROWER)
    searcher(narrow, 2).run()
    trial = next(t for t in narrow.study.get_trials() if t.number == 1)
    assert "focal" not in trial.params.values()
    assert trials.origin(narrow.study, trial) == "a best recipe of study old"
