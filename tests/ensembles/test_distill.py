"""One network in place of a blend: what it learns, that its score is honest, and its export."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

import automask
from automask import UserError
from automask.ensembles import members, single
from automask.ensembles.ensemble import PLAIN
from automask.ensembles.fold_networks import predict_rows, stored_state
from automask.ensembles.soup import Soups, structure
from automask.ensembles.teaching import Teaching
from automask.storage.project import Project
from automask.study import session as sessions
from automask.study.session import Options
from automask.target import SINGLE, Number
from automask.training.fold_data import fold_data
from automask.training.teacher import LABEL, Teacher
from helpers.commands import automask as command
from helpers.commands import refused
from helpers.models import train_all
from helpers.recipes import recipe
from helpers.targets import SPACE, draw, labels_and_pixels

FOLDS = 3
RECIPES = [
    recipe(),
    recipe(loss=("label_smoothing", {})),
    recipe(freeze=("head_only", {}), image_size=24),
]


@pytest.fixture(scope="module")
def searched(template, tmp_path_factory):
    """A project with three trials, the first two of which are neighbours; not to be changed."""
    folder = tmp_path_factory.mktemp("searched") / "project"
    shutil.copytree(template, folder)
    train_all(folder, *RECIPES, space="space.toml", folds=FOLDS)
    return folder


@pytest.fixture(scope="module")
def distilled(searched, tmp_path_factory):
    """The same with its networks made, and what became of them; not to be changed."""
    folder = tmp_path_factory.mktemp("distilled") / "project"
    shutil.copytree(searched, folder)
    return folder, automask.distill(folder)


@pytest.fixture
def own(searched, tmp_path):
    """A copy for the test alone."""
    return shutil.copytree(searched, tmp_path / "project")


def opened(folder):
    return sessions.open_session(Options(project=Project(folder)))


def maker(session):
    able = single._able(session)
    return single._Maker(session, session.task(), able, single._key(session, able))


def weights(session, way):
    from safetensors.torch import load_file

    return load_file(maker(session)._store(way).weights(FOLDS))


def test_a_row_is_taught_its_label_and_the_teachers_word_and_a_test_row_that_alone(study):
    task = study.task()
    rng = np.random.default_rng(0)
    N, M, C = len(task.data.labels), len(task.test_rows), len(task.data.counts)
    train, test = (rng.dirichlet(np.ones(C), n).astype(np.float32) for n in (N, M))
    data = fold_data(replace(task, lessons=Teacher(SINGLE, train, test)), recipe(), 1)
    own, _ = task.fold_rows(1)
    np.testing.assert_array_equal(data.rows, [*own, *task.test_rows])
    np.testing.assert_array_equal(data.labels, [*task.data.labels[own], *test.argmax(1)])
    aims = data.target(data.rows).numpy()
    mixed = LABEL * np.eye(C)[task.data.labels[own]] + (1 - LABEL) * train[own]
    np.testing.assert_allclose(aims, [*mixed, *test], atol=1e-6)
    np.testing.assert_allclose(aims.sum(1), 1, atol=1e-5)


def test_no_more_test_rows_than_train_rows_are_learned_and_numbers_in_their_scale():
    target = Number(center=10.0, scale=2.0)
    teacher = Teacher(target, np.full((4, 1), 12.0), np.linspace(0, 20, 30)[:, None])
    rows = teacher.rows(0)
    assert len(rows) == 4 and (np.diff(rows) > 0).all() and rows.max() < 30
    labels = np.full(4, 8.0)
    table, which = teacher.aims(0, *target.aims(labels, 1))
    np.testing.assert_allclose(table[which][:4, 0], LABEL * -1 + (1 - LABEL) * 1, atol=1e-6)
    np.testing.assert_allclose(table[which][4:, 0], np.linspace(-5, 5, 30), atol=1e-5)


def teachers(session, labels=None):
    data = session.data if labels is None else replace(session.data, labels=labels)
    session = replace(session, data=data)
    made = maker(session)
    return Teaching(session, session.task(), made.members, made.pool)


def test_a_folds_teacher_goes_by_nothing_of_that_fold(own):
    """Neither by its rows' labels, nor by networks that saw them."""
    session = opened(own)
    before = teachers(session).teacher(1)
    held = session.folds == 1
    for trial in members.load_members(session):
        store = session.store.trial(trial.recipe.hash)
        for fold in (0, 2):
            # Networks that trained on fold 1, and what they say of any row.
            store.weights(fold).write_bytes(b"nothing")
            result = store.load(fold)
            store.save_probabilities(fold, replace(result, test=np.zeros_like(result.test)))
        result = store.load(1)
        store.save_probabilities(1, replace(result, validation=result.validation[::-1]))
    labels = np.where(
        held, (session.data.labels + 1) % len(session.data.counts), session.data.labels
    )
    after = teachers(session, labels).teacher(1)
    np.testing.assert_array_equal(before.train, after.train)
    np.testing.assert_array_equal(before.test, after.test)


def test_the_teacher_of_all_rows_is_the_mean_of_the_folds_and_predicts_what_the_blend_does(own):
    session = opened(own)
    teaching = teachers(session)
    last = teaching.teacher(FOLDS)
    indices, blend = teaching.pool.fit(PLAIN, "greedy", frozenset())
    test = np.stack([teaching.members[index].test() for index in indices])
    np.testing.assert_allclose(last.test, blend(test), atol=1e-6)
    assert np.allclose(last.train.sum(1), 1, atol=1e-4) and len(last.train) == len(session.folds)


def test_a_soup_is_the_mean_of_neighbours_and_of_one_it_is_that_one(own):
    session = opened(own)
    made = maker(session)
    soups = Soups(session, made.task, made.members, made.pool)
    recipes = [member.recipe for member in made.members]
    a, b, other = (recipes.index(one) for one in RECIPES)
    assert structure(RECIPES[0]) == structure(RECIPES[1]) != structure(RECIPES[2])
    assert other not in soups.greedy() or soups.greedy() == (other,)
    states = [stored_state(session, made.members[index], 0) for index in (a, b)]
    mean = soups.average((a, b), [0], 0)
    for name in ("head.1.weight", "head.1.bias"):
        torch.testing.assert_close(mean[name], (states[0][name] + states[1][name]) / 2)
    assert not any(torch.equal(mean[n], states[0][n]) for n in mean if n.endswith("running_mean"))
    # A member alone is what it was scored by, fold by fold.
    np.testing.assert_allclose(soups.table((a,)), made.members[a].validation, atol=1e-5)


def test_every_way_is_scored_and_the_best_is_a_network_of_all_rows(distilled):
    folder, made = distilled
    table = made.table.set_index("network")
    assert [*table.index] == ["blend", "refit", "distilled", "soup"]
    assert table.score.between(0, 1).all() and (table.low <= table.high).all()
    assert table.of_blend["blend"] == 1 and (table[["mb", "images_per_second"]] > 0).all(None)
    assert table.mb["refit"] == table.mb["distilled"] < table.mb["blend"]
    assert table.agreement[["refit", "soup"]].between(0, 1).all()
    assert table.agreement[["blend", "distilled"]].isna().all()
    assert made.best in single.SCORED
    session = opened(folder)
    for way in single.SCORED:
        member = maker(session).member(way)
        state = stored_state(session, member, FOLDS)
        rows = session.task().test_rows
        np.testing.assert_allclose(
            predict_rows(session.task(), member.recipe, state, FOLDS, rows),
            member.test(),
            atol=1e-5,
        )


def test_the_refit_is_scored_by_the_best_of_the_other_folds(distilled):
    folder, made = distilled
    session = opened(folder)
    made = maker(session)
    expected = made.pool.crossed(PLAIN, "best")
    np.testing.assert_allclose(made.member("refit").validation, expected, atol=1e-6)


def test_what_is_made_is_not_made_again_and_a_missing_fold_is_the_same_anew(distilled, tmp_path):
    folder = shutil.copytree(distilled[0], tmp_path / "project")
    session = opened(folder)
    store = maker(session)._store("distilled")
    before = {k: store.load(k).validation for k in range(FOLDS)}
    times = {k: store._probabilities(k).stat().st_mtime_ns for k in range(FOLDS)}
    store._probabilities(1).unlink()
    again = automask.distill(folder)
    np.testing.assert_array_equal(store.load(1).validation, before[1])
    assert {k: store._probabilities(k).stat().st_mtime_ns for k in (0, 2)} == {
        k: times[k] for k in (0, 2)
    }
    assert again.nested == distilled[1].nested and again.best == distilled[1].best


def test_the_best_network_is_exported_and_predicts_what_it_predicted(distilled, tmp_path):
    folder, made = distilled
    exported = automask.export(tmp_path / "model", folder, single=True)
    model = automask.load_model(tmp_path / "model")
    assert len(model.contents.trunks) == 1 and len(model.contents.members[0].folds) == 1
    session = opened(folder)
    paths = session.data.test.paths
    np.testing.assert_allclose(model.probabilities(paths), single.load(session).test, atol=1e-5)
    assert exported.difference < 1e-4 and exported.blend.nested == made.nested
    assert f"The model is one network ({made.best})" in model.card


def test_the_command_prints_the_table_and_refuses_what_it_cannot_do(own, distilled, tmp_path):
    refused(command(own, "export", tmp_path / "m", "--single"), "run automask distill")
    folder = shutil.copytree(distilled[0], tmp_path / "copy")
    done = command(folder, "distill")
    assert done.returncode == 0, done.stderr
    for word in ("refit", "distilled", "soup", "images/s", "best: ", "export MODEL --single"):
        assert word in done.stdout
    refused(command(folder, "export", tmp_path / "m", "--single", "--top", 3), "leave out --method")
    refused(command(folder, "distill", "--study", "mian"), "did you mean 'main'")


def test_networks_of_other_trials_are_made_anew_and_the_old_ones_go(distilled, tmp_path):
    folder = shutil.copytree(distilled[0], tmp_path / "project")
    old = maker(opened(folder))._store("refit").folder
    automask.train(recipe(loss=("focal", {})), folder=folder)
    with pytest.raises(UserError, match="run automask distill"):
        automask.export(tmp_path / "model", folder, single=True)
    session = opened(folder)
    assert maker(session)._store("refit").folder != old
    session.store.remove_singles(but=single._key(session, single._able(session)))
    assert not old.exists()


def several(folder):
    labels, pixels = labels_and_pixels(30)
    draw(folder, {f"is_{k}": labels[:, k] for k in range(3)}, pixels)
    return "multi", "macro_f1", recipe(loss=("sigmoid_bce", {}))


def number(folder):
    years = np.random.default_rng(2).uniform(1950, 2010, 30).round(1)
    draw(folder, {"is_year": years}, (years - 1950)[:, None] * np.array([4, 4, 4]))
    return "number", "rmse", recipe(loss=("smooth_l1", {}))


@pytest.mark.parametrize("task", [several, number])
def test_labels_and_numbers_are_learned_too(tmp_path, task):
    kind, metric, one = task(tmp_path)
    (tmp_path / "automask.toml").write_text(
        f'[data]\npath = "data"\nreader = "drawn"\nkind = "{kind}"\n'
    )
    (tmp_path / "space.toml").write_text(SPACE.format(epochs=2))
    study = train_all(tmp_path, one, space="space.toml", folds=2, metric=metric)
    made = study.distill()
    assert {*made.table.network} == {"blend", *single.WAYS}
    study.export(tmp_path / "model", single=True)
    paths = opened(tmp_path).data.test.paths
    table = automask.load_model(tmp_path / "model").probabilities(paths)
    np.testing.assert_allclose(table, made.singles.best.test, atol=1e-5 * abs(table).max())


def test_several_pictures_a_row_are_refused(own):
    session = opened(own)
    units = np.arange(len(session.data.labels)) // 2
    with pytest.raises(UserError, match="several pictures make a row"):
        single.make(replace(session, data=replace(session.data, units=units)))
