"""The ensemble's score while a search goes on."""

from dataclasses import replace

import numpy as np
import optuna

from automask.hpo.limits import Limits
from automask.hpo.searcher import Searcher
from automask.storage.trial_store import FoldResult
from automask.study import ensemble_so_far
from helpers.searches import FOLDS


def trained(study, tables):
    """A training that leaves the next of these out-of-fold tables `[N, C]`, worth their own score."""
    left = iter(tables)

    def train(recipe, report, ends):
        table, store = next(left), study.store.trial(recipe.hash)
        for fold in range(FOLDS):
            store.save(fold, FoldResult(table[study.folds == fold], np.zeros((0, table.shape[1]))))
        return float(study.metric(study.data.labels, table))

    return train


def search(study, tables, trials):
    limits = Limits(trials)
    train = trained(study, tables)
    return Searcher(study.study, study.space, study.store, limits, train).run()


def knows(study, right, wrong=()):
    """Sure of the true class where it is `right`, else a little for it, or sure of the next."""
    labels, classes = study.data.labels, len(study.data.counts)
    out = np.full((len(labels), classes), 1 / classes, np.float32)
    sure = np.isin(labels, right)
    out[sure] = np.eye(classes)[labels[sure]]
    astray = np.isin(labels, wrong)
    out[astray] = 0.5 / classes + 0.5 * np.eye(classes)[(labels[astray] + 1) % classes]
    return out


def test_trials_that_complement_each_other_raise_it_and_a_weak_one_does_no_harm(study):
    tables = [knows(study, [0]), knows(study, [1, 2], [0]), knows(study, [], [0, 1, 2])]
    search(study, tables, 3)
    scores = ensemble_so_far.scores_so_far(study)
    assert scores[0] == study.metric(study.data.labels, tables[0])
    assert scores[1] == 1 > max(study.metric(study.data.labels, table) for table in tables)
    assert scores[2] == scores[1]


def test_only_what_is_new_is_computed(study, monkeypatch):
    search(study, [knows(study, [0]), knows(study, [1])], 2)
    before, sizes, score = ensemble_so_far.scores_so_far(study), [], ensemble_so_far._score
    monkeypatch.setattr(ensemble_so_far, "_score", lambda s, t: sizes.append(len(t)) or score(s, t))
    search(study, [knows(study, [2])], 3)
    assert list(ensemble_so_far.scores_so_far(study).items())[:2] == list(before.items())
    assert sizes == [3]


def test_a_study_without_a_complete_trial_has_none(study):
    assert ensemble_so_far.scores_so_far(study) == {}
    assert not study.store.so_far.exists()


def test_what_was_kept_of_a_study_that_is_gone_is_not_believed(study):
    search(study, [knows(study, [0])], 1)
    kept = ensemble_so_far.scores_so_far(study)
    known = study.study.get_trials()[0].user_attrs
    recipe = study.space.nearest({"loss": "focal"})[0]
    other = {**known, "recipe": recipe.to_dict(), "hash": recipe.hash}
    anew = optuna.create_study(direction="maximize")
    anew.add_trial(optuna.trial.create_trial(value=0.1, user_attrs=other))
    begun = replace(study, study=anew)
    assert ensemble_so_far.scores_so_far(begun)[0] != kept[0]
    assert ensemble_so_far.scores_so_far(study) == kept
