"""Looking at a study and repeating its trials: status, trials, show, train and importance."""

import csv
import io
import tomllib

import numpy as np
import optuna
import pytest
import typer
from optuna.trial import TrialState, create_trial
from rich.console import Console

from automask.cli import app, status
from automask.cli.trials import show_importance, show_trial
from automask.ensembles import members
from automask.errors import UserError
from automask.hpo import importance, optuna_internals, optuna_study, trial_record, trials
from automask.hpo.attributes import TrialAttributes
from automask.hpo.progress import Step
from automask.hpo.reporter import Pruned
from automask.hpo.trials import complete_trials, finished_trials
from automask.space import recipe_file
from automask.space.recipe import Choice, Recipe
from automask.study import opening, run, session
from automask.study import status as study_status
from automask.study.session import Options
from helpers.commands import automask, refused
from helpers.recipes import recipe, with_loss
from helpers.searches import FOLDS, pretend, searcher, states

OPTIONS = Options(space="space.toml", folds=FOLDS)


@pytest.fixture
def study(inside):
    return opening.begin(OPTIONS)


def printed(show, *arguments, width=80):
    console = Console(file=io.StringIO(), width=width, highlight=False)
    show(*arguments, console)
    return console.file.getvalue()


# A recipe as a file


def test_a_recipe_written_and_read_is_the_same(study, tmp_path):
    searcher(study, 6).run()
    for trial in trials.trained_trials(study.study):
        made = trials.recipe_of(trial)
        (tmp_path / "r.toml").write_text(recipe_file.recipe_toml(made))
        assert recipe_file.read_recipe(tmp_path / "r.toml").hash == made.hash
        assert set(tomllib.loads(recipe_file.recipe_toml(made))) == {"training", *made.choices}


def test_what_a_recipe_does_not_mention_is_as_plugins_have_it(tmp_path):
    (tmp_path / "r.toml").write_text('[backbone.timm]\nmodel = "test_resnet"\n[loss.focal]\n')
    made = recipe_file.read_recipe(tmp_path / "r.toml")
    assert made["loss"] == Choice("focal", {"gamma": 2.0, "weight_power": 0.0})
    assert made["optimizer"].name == "adamw"
    assert made.training["epochs"] == 10


def test_all_mistakes_of_a_recipe_are_told_at_once(tmp_path):
    (tmp_path / "r.toml").write_text(
        "[training]\nepoch = 3\nepochs = [3, 5]\n[backbone.timm]\n[loss.focal]\ngamma = 99\n"
        "[loss.bce]\n[optimizer.adamv]\n[sceduler.StepLR]\n"
        "[freeze.gradual]\nhead_share = {low = 0.1, high = 0.2}\n"
    )
    with pytest.raises(UserError) as caught:
        recipe_file.read_recipe(tmp_path / "r.toml")
    for part in (
        "recipe ",
        "training.epoch: unknown: did you mean 'epochs'?",
        "training.epochs: a recipe has one value here",
        "backbone.timm.model: is open text",
        "loss.focal.gamma: 99.0 is outside 0 to 5",
        "[loss]: a recipe has one loss, not focal, bce",
        "[optimizer.adamv]: unknown optimizer: did you mean 'adamw'?",
        "[sceduler]: a recipe has no such kind: did you mean 'scheduler'?",
        "freeze.gradual.head_share: a recipe has one value here",
    ):
        assert part in str(caught.value)


# Training one


def test_a_recipe_trained_again_gives_the_same_score_to_the_last_digit(project):
    options = ("--space", "space.toml", "--folds", "3")
    assert automask(project, "search", *options, "--trials", "2", "--workers", "1").returncode == 0
    out = automask(project, "show", "1", "--toml", "again.toml")
    assert "wrote again.toml" in out.stdout
    out = automask(project, "train", "again.toml")
    assert "trial 1 has this recipe" in out.stdout
    # In a process that has nothing of the first, not even the seed of hashes.
    again = ("train", "again.toml", "--study", "second", *options)
    out = automask(project, *again, PYTHONHASHSEED="1")
    assert out.returncode == 0, out.stderr
    assert "automask ensemble --study second" in " ".join(out.stdout.split())
    values = []
    for name, number in (("main", 1), ("second", 0)):
        opened = optuna_study.open_study(f"sqlite:///{project}/runs/{name}/study.db", name, 0, 3)
        values.append(opened.get_trials()[number].intermediate_values)
        values.append(opened.get_trials()[number].values)
    assert values[1] == values[3]
    assert list(values[0].values())[-1] == list(values[2].values())[-1]
    # The study that began with it is searched on.
    more = ("search", *options, "--study", "second", "--workers", "1", "--trials", "2")
    out = automask(project, *more)
    assert out.returncode == 0, out.stderr
    assert "next: automask ensemble --study second" in out.stdout
    (project / "again.toml").write_text("[loss.focl]\n")
    refused(automask(project, "train", "again.toml"), "did you mean 'focal'?")


def given(study, made, train=pretend):
    number = searcher(study, 0, train).run_one(made)
    return trials.find_trial(study.study, number)


def test_a_recipe_from_outside_the_space_counts_but_the_sampler_learns_nothing_from_it(
    study, inside
):
    other = opening.begin(Options(space="space.toml", folds=FOLDS, study="other"))
    searcher(study, 12).run()
    searcher(other, 12).run()
    outside = with_loss(study.space.default()[0], "ldam", margin=1.0, scale=2.0, weight_power=0.0)
    trial = given(study, outside, lambda recipe, report, ends: 2.0)
    assert trial.state == TrialState.COMPLETE
    assert complete_trials(study.study)[0].number == trial.number
    assert trials.recipe_of(trial).hash == outside.hash
    assert "from outside the space" in trials.origin(study.study, trial)

    # The next trial's number seeds its draws, so that the other study needs one as well.
    failed = create_trial(state=TrialState.FAIL, user_attrs={"reason": "duplicate"})
    other.study.add_trial(failed)
    searcher(study, 17).run()
    searcher(other, 16).run()
    hashes = [[t.user_attrs.get("hash") for t in s.study.get_trials()][13:] for s in (study, other)]
    assert len(hashes[0]) >= 4
    assert hashes[0][:4] == hashes[1][:4]


def test_a_recipe_from_inside_the_space_is_one_like_any_other(study):
    made = study.space.sample(lambda name, range_: range_.corners()[-1])
    trial = given(study, made)
    assert trial.params == {
        name: value for name, value in made.values().items() if name in trial.params
    }
    assert trial.params
    assert not TrialAttributes.read(trial).outside
    searcher(study, 4).run()
    hashes = [t.user_attrs["hash"] for t in finished_trials(study.study)]
    assert len(set(hashes)) == len(hashes) == 4


def test_an_interrupted_one_goes_on_with_its_own_recipe_by_either_command(study):
    base = study.space.default()[0]

    def cut(recipe, report, ends):
        report(Step(0, 1, 1, 0.0, 0.5))
        raise KeyboardInterrupt

    ways = {
        "soft_f1": lambda made: given(study, made),
        "ldam": lambda made: searcher(study, 2).run(),
    }
    for name, resume in ways.items():
        outside = with_loss(base, name)
        with pytest.raises(KeyboardInterrupt):
            given(study, outside, cut)
        assert states(study)[-1] == "WAITING"
        resume(outside)
        done = [t for t in finished_trials(study.study) if TrialAttributes.read(t).outside]
        assert done[-1].user_attrs["hash"] == outside.hash
        assert done[-1].state == TrialState.COMPLETE


def test_one_from_outside_joins_the_ensemble(study):
    made = with_loss(study.space.default()[0], "soft_f1")
    trial = run.train_recipe(study, made)
    assert trial.state == TrialState.COMPLETE
    (member,) = members.load_members(session.open_session(Options()))
    assert member.number == trial.number
    assert study.metric(study.data.labels, member.validation) == trial.values[0]


# Looking


def test_trials_are_filtered_sorted_and_written(study, tmp_path):
    def sometimes(recipe, report, ends):
        if recipe["loss"].name == "focal" and recipe["freeze"].name == "full":
            raise Pruned
        return pretend(recipe, report)

    searcher(study, 10, sometimes).run()
    found = trials.trained_trials(study.study)
    focal = trials.filter_trials(found, where=["loss=focal"])
    assert 0 < len(focal) < 10
    assert all(trials.recipe_of(t)["loss"].name == "focal" for t in focal)
    assert trials.filter_trials(found, where=["backbone.model=test_resnet"]) == found
    assert trials.filter_trials(found, where=["training.image_size=32.0"]) == found
    pruned = trials.filter_trials(found, "pruned")
    assert trials.filter_trials(found, "pruned", ["loss=cross_entropy"]) == []
    best = trials.filter_trials(found, sort="score", top=3)
    assert [t.number for t in best] == [t.number for t in complete_trials(study.study)][:3]
    assert trials.filter_trials(found, sort="score")[-len(pruned) :] == pruned
    for words, arguments in [
        ("did you mean 'complete'?", {"state": "complet"}),
        ("did you mean 'score'?", {"sort": "scor"}),
        ("did you mean 'backbone.model'?", {"where": ["backbone.modl=x"]}),
        ("did you mean 'test_resnet'?", {"where": ["backbone.model=test_resnt"]}),
        ("did you mean 'focal'?", {"where": ["loss=focl"]}),
        ("write it as loss=focal", {"where": ["loss"]}),
    ]:
        with pytest.raises(UserError, match="--") as caught:
            trials.filter_trials(found, **arguments)
        assert words in str(caught.value)
    records = [trial_record.record(trial, "macro_f1") for trial in found]
    trial_record.write_table(tmp_path / "out.csv", records, "macro_f1")
    with open(tmp_path / "out.csv", newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert [row["trial"] for row in rows] == [str(t.number) for t in found]
    complete = next(row for row in rows if row["state"] == "complete")
    folds = [float(complete[f"fold {fold}"]) for fold in range(1, FOLDS + 1)]
    assert np.mean(folds) == pytest.approx(float(complete["macro_f1"]))


def test_one_trial_with_all_that_is_known_of_it(study):
    searcher(study, 3).run()
    origins = [trials.origin(study.study, trial) for trial in trials.trained_trials(study.study)]
    assert origins == ["the default recipe", "drawn at random", "drawn at random"]
    trial = trials.find_trial(study.study, 0)
    out = printed(show_trial, trial_record.details(study.study, trial, study.store, FOLDS))
    assert "0 of study 'main': complete, macro_f1" in out
    assert "came by        the default recipe" in out
    assert "none kept" in out, "nothing was really trained"
    assert '[backbone.timm]\nmodel = "test_resnet"' in out
    with pytest.raises(UserError, match="no trial 9: they are 0 to 2"):
        trials.find_trial(study.study, 9)


def test_status_tells_how_far_a_running_trial_is_and_changes_nothing(study):
    seen = []

    def look(recipe, report, ends):
        if not seen:
            report(Step(0, 1, 1, 0.0, 0.5))
            before = study.study.get_trials()
            seen.append(
                printed(status.show_status, study_status.status(session.open_session(Options())))
            )
            assert study.study.get_trials() == before
        return pretend(recipe, report)

    searcher(study, 2, look).run()
    assert "fold 2 of 3" in seen[0]
    assert "1 of its trials is in training on this machine" in seen[0]
    trial = study.study.ask()
    trial.set_user_attr("recipe", recipe().to_dict())
    trial.set_user_attr("worker", "dead")
    out = printed(status.show_status, study_status.status(session.open_session(Options())))
    assert "2 trials: 2 complete, 0 pruned" in out
    assert "nothing of it is in training on this machine" in out
    assert "1 abandoned" in out


def test_wrong_input_is_a_sentence(project):
    for command in ("status", "trials", "importance"):
        refused(automask(project, command), "no study 'main'")
    refused(automask(project, "show", "3"), "no study 'main'")
    refused(automask(project, "train", "none.toml"), "none.toml: no such file", "--toml FILE")
    assert not (project / "runs/main").exists()


# What mattered


def told_study(count, pruned=0):
    """The score goes by the learning rate, and a little by the loss; the epochs are noise."""
    made, rng = optuna.create_study(direction="maximize"), np.random.default_rng(0)
    for index in range(count + pruned):
        lr = float(np.exp(rng.uniform(np.log(1e-5), np.log(1e-2))))
        base = recipe()
        params = {**base["optimizer"].params, "lr": lr}
        choices = {**base.choices, "optimizer": Choice(base["optimizer"].name, params)}
        one = Recipe(choices, {**base.training, "epochs": int(rng.integers(1, 9))})
        name = ("soft_f1", "cross_entropy")[index % 2]
        one = with_loss(one, name, **({} if index % 2 == 0 else {"weight_power": rng.uniform()}))
        value = -abs(np.log10(lr) + 3) + 0.05 * (name == "soft_f1")
        state = TrialState.COMPLETE if index < count else TrialState.PRUNED
        attrs = {"recipe": one.to_dict()}
        value = value if state == TrialState.COMPLETE else None
        made.add_trial(create_trial(state=state, value=value, user_attrs=attrs))
    return made


def test_what_made_the_score_is_found_important():
    found = importance.factors(told_study(40, 10).get_trials())
    assert found[0].name.endswith(".lr")
    assert found[0].trials == 50
    assert sum(factor.share for factor in found) == pytest.approx(1.0)
    low, high = map(float, found[0].best.split(" to "))
    assert low > 1e-4
    assert high < 1e-2
    weight = next(f for f in found if f.name == "loss.cross_entropy.weight_power")
    assert weight.trials == 25


def mattered(study):
    return printed(show_importance, importance.importance(study))


def test_too_few_trials_are_told_so():
    assert "9 complete trials say nothing" in mattered(told_study(9))
    out = mattered(told_study(12, 3))
    assert "by 12 complete and 3 pruned trials" in out
    assert "take it as a hint" in out
    assert "hyperparameters of plugins" in out
    assert "take it as a hint" not in mattered(told_study(30))


def test_ctrl_c_while_a_connection_is_given_back_shows_no_traceback(tmp_path, caplog):
    from sqlalchemy import event

    study = optuna_study.open_study(f"sqlite:///{tmp_path}/study.db", "main", 0, 3)
    engine = optuna_internals.engine(study)
    raised = [KeyboardInterrupt]

    @event.listens_for(engine, "reset")
    def _(*_):
        if raised:
            raise raised.pop()

    with optuna_study.quiet_optuna(), pytest.raises(KeyboardInterrupt):
        study.set_user_attr("a", 1)
    assert not [record for record in caplog.records if record.exc_info]
    raised.append(OSError)
    study.set_user_attr("a", 2)
    told = [record.exc_info[0] for record in caplog.records if record.exc_info]
    assert told == [OSError], "other errors are told"


def test_a_trial_without_a_recipe_says_why():
    waiting = create_trial(state=TrialState.WAITING)
    refused = create_trial(state=TrialState.FAIL, user_attrs={"reason": "duplicate"})
    assert trials.explain_empty(waiting) == "it waits in the queue"
    assert "never trained (duplicate)" in trials.explain_empty(refused)


def test_ctrl_c_before_the_first_trial_says_how_to_go_on(inside, monkeypatch, capsys):
    def stopped(session):
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "audit_new_study", stopped)
    with pytest.raises(typer.Exit) as ended:
        app.search(space="space.toml", folds=3, trials=2, workers="1")
    assert ended.value.exit_code == 130
    assert "the same command goes on from there" in capsys.readouterr().out
