"""Logistic regression on cached features over a study's own folds, beside the study's ensemble.

Run where `automask search` was run: `python benchmarks/logistic_regression.py [--study main]`. Prints
the out-of-fold score of the regression for every pretrained backbone of the study, and the ensemble's.
"""

from __future__ import annotations

import argparse

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from automask.data.dataset import fold_count
from automask.ensembles import ensemble, members
from automask.scoring import score
from automask.study import session
from automask.study.session import Options
from automask.training.features import Features


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", default="main")
    opened = session.open_session(Options(study=parser.parse_args().study))
    task, data, metric = opened.task(), opened.data, opened.metric
    found = members.load_members(opened)
    blended = ensemble.fit(
        {"none": found}, data.labels, opened.folds, data.groups, metric, "greedy", top=20
    )
    print(f"ensemble, nested       {blended.nested}")
    print(f"ensemble, out of fold  {blended.plain}")
    seen = set()
    for member in found:
        model, size = (
            member.recipe["backbone"].params["model"],
            member.recipe.training["image_size"],
        )
        if (model, size) in seen:
            continue
        seen.add((model, size))
        tables = Features(task, member.recipe)
        probability = np.zeros((len(data.labels), len(data.counts)))
        for fold in range(fold_count(opened.folds)):
            features, (rows, held) = tables.plain(fold), task.fold_rows(fold)
            regression = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
            regression.fit(features[rows], data.labels[rows])
            columns = regression[-1].classes_
            probability[np.ix_(held, columns)] = regression.predict_proba(features[held])
        told = score(metric, data.labels, probability, data.groups)
        print(f"logistic regression    {told}  {model} {size} px")


if __name__ == "__main__":
    main()
