"""The blend of a study: its members under the views that compete, and what is kept of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from automask.data.class_shares import ESTIMATED, Shares, read
from automask.data.dataset import Dataset
from automask.diagnostics import label_errors
from automask.ensembles import calibration, members, priors
from automask.ensembles.ensemble import AUTO, PLAIN, Ensemble, Member, fit
from automask.errors import UnfitError, UserError
from automask.hpo.attributes import TrialAttributes
from automask.hpo.trials import complete_trials
from automask.listener import note
from automask.space import registry
from automask.study.session import Session

#: What an ensemble has of each train row, and of each test row.
TRAIN_TABLES, TEST_TABLES = ("validation", "honest", "calibrated"), ("test", "undecided")


def blend(session: Session, method: str, tta: str, top: int, shares: str | None = None) -> Ensemble:
    """Blend the `top` best trials of a study by an ensemble plugin, or by the best of them (`auto`).

    `tta` is a view that competes with the plain one, or `auto` for all of them. Trials whose stored
    weights don't fit are told and left out. `shares` names the class shares in test, or a file of them,
    the search's own where it is None: those `estimated` are what a blend without a correction tells of
    the test rows. Raises `UserError`
    for an unknown name, and where no trial is complete, or none is left.
    """
    registry.load(session.options.project)
    if method != AUTO:
        registry.get("ensemble", method)
    if tta != AUTO:
        registry.get("tta", tta)
    if shares is None:
        return _blend(session, method, tta, top, session.shares)
    if shares != ESTIMATED or not session.data.target.exclusive:
        return _blend(session, method, tta, top, read(shares, session.data))
    plain = _blend(session, method, tta, top, None)
    if not len(plain.test):
        raise UserError(
            f"--test-shares {ESTIMATED}: there are no test rows to estimate shares from; name a file "
            "of them, a CSV with the columns class,share"
        )
    values = class_shares(session.data, plain)[ESTIMATED]
    return _blend(session, method, tta, top, Shares(ESTIMATED, values))


def _blend(session: Session, method: str, tta: str, top: int, shares: Shares | None) -> Ensemble:
    unfit: set[str] = set()
    while True:
        try:
            return fit_members(
                session, candidate_views(session, tta, top, unfit), method, top, shares
            )
        except UnfitError as error:
            unfit.add(error.hash)
            numbers = [
                str(trial.number)
                for trial in complete_trials(session.study)
                if TrialAttributes.read(trial).hash == error.hash
            ]
            note(
                f"trial {', '.join(numbers)} is left out: {error}; to train it again, write its recipe "
                f"by automask show {numbers[0]} --toml FILE, and train that in another study"
            )


def fit_members(
    session: Session,
    views: Mapping[str, Sequence[Member]],
    method: str,
    top: int,
    shares: Shares | None = None,
) -> Ensemble:
    """The blend of these members, a row a picture; `views` as `ensemble.fit` takes them."""
    data = session.data
    if data.pooling is not None:
        return _fit_units(session, views, method, top, shares)
    return fit(
        views,
        data.labels,
        session.folds,
        data.groups,
        session.metric,
        method,
        top,
        target=data.target,
        shares=shares,
    )


def _fit_units(
    session: Session,
    views: Mapping[str, Sequence[Member]],
    method: str,
    top: int,
    shares: Shares | None,
) -> Ensemble:
    """The blend of units, whose members' predictions are means over their pictures.

    Tables have a row a picture again, each with its unit's prediction.
    """
    data, train, test = session.data, session.data.pooling, session.data.test_pooling
    assert train is not None

    def pool(member: Member) -> Member:
        return replace(
            member,
            validation=train.mean(member.validation),
            test=lambda: member.test() if test is None else test.mean(member.test()),
        )

    units = {view: [pool(member) for member in members] for view, members in views.items()}
    groups = None if data.groups is None else data.groups[train.first]
    labels, folds = data.labels[train.first], session.folds[train.first]
    blended = fit(
        units,
        labels,
        folds,
        groups,
        session.metric,
        method,
        top,
        target=data.target,
        shares=shares,
    )
    rows: dict[str, Any] = {name: train.spread(getattr(blended, name)) for name in TRAIN_TABLES}
    if test is not None:
        rows |= {name: test.spread(getattr(blended, name)) for name in TEST_TABLES}
    return replace(blended, **rows)


def candidate_views(
    session: Session,
    tta: str,
    top: int,
    unfit: Set[str] = frozenset(),
    among: Sequence[Member] | None = None,
) -> dict[str, list[Member]]:
    """The members as they are, the best first, and under the views that compete.

    They are all complete trials or those `among` which to choose; whose recipe's hash is among the
    `unfit` is left out. Where there are views only the `top`
    best stand for choice, as each costs its predictions.
    """
    among = members.load_members(session) if among is None else among
    plain = [member for member in among if member.recipe.hash not in unfit]
    if not any(member.able for member in plain):
        raise UserError(
            "no trial is left whose stored weights fit: run automask search --study NAME"
        )
    if tta == PLAIN:
        return {PLAIN: plain}
    from automask.ensembles.tta import candidates, member_views

    names = candidates(session) if tta == AUTO else [PLAIN, tta]
    return member_views(session, plain[:top], names)


def blend_facts(session: Session, blended: Ensemble) -> dict[str, Any]:
    """What is kept of the blend, as JSON: what was chosen, its scores, and its members by trial, recipe
    and weight. Lists by class are in the order of `classes`."""
    data = session.data
    shares = class_shares(data, blended)
    return {
        "study": session.options.study,
        "metric": session.config.search.metric,
        "asked": blended.asked,
        "method": blended.method,
        "chosen": dict(blended.chosen),
        "view": blended.view,
        "classes": [data.attributes.describe(label) for label in range(len(data.counts))],
        "biases": None if blended.shift is None else blended.shift.tolist(),
        "target": data.target.name,
        "temperature": blended.temperature,
        "cv": {"nested": asdict(blended.nested), "plain": asdict(blended.plain)},
        "single": asdict(blended.single),
        "methods": {name: asdict(scores) for name, scores in blended.methods.items()},
        "views": {name: asdict(score) for name, score in blended.views.items()},
        "members": [
            {
                "trial": part.member.number,
                "recipe": part.member.recipe.hash,
                "weight": part.weight,
                "score": part.score,
                "differs": part.differs,
                "adds": part.adds,
            }
            for part in blended.parts
        ],
        "disagreement": blended.disagreement,
        **(_class_facts(session, blended) if data.target.exclusive else {}),
        "test_shares": None if blended.shares is None else blended.shares.source,
        "priors": {name: values.tolist() for name, values in shares.items()},
        "moved": changed_predictions(blended, shares),
    }


def _class_facts(session: Session, blended: Ensemble) -> dict[str, Any]:
    """What is kept of probabilities of which a row's sum to 1."""
    labels, rows = session.data.labels, blended.scored_rows(session.data.labels)
    measured = {
        "before": calibration.measure(labels[rows], blended.honest[rows]),
        "after": calibration.measure(labels[rows], blended.calibrated[rows]),
    }
    return {
        "calibration": {
            name: {
                "log_loss": errors.log_loss,
                "expected_error": errors.expected_error,
                "reliability": [asdict(bin) for bin in errors.reliability],
            }
            for name, errors in measured.items()
        },
        "noise": label_errors.noise_matrix(labels, blended.honest, session.folds),
    }


def class_shares(data: Dataset, blended: Ensemble) -> dict[str, np.ndarray]:
    """Shares of the classes or labels `[C]`: in train, as predicted (of the test rows where there are
    some), those that were asked for in test, and, of classes, among the test rows as their
    probabilities tell together."""
    train = data.counts / len(data.labels)
    prediction = blended.test if len(blended.test) else blended.honest
    answers = data.target.decide(prediction)
    shares = {"train": train, "predicted": data.target.counts(answers, len(train)) / len(answers)}
    if blended.shares is not None:
        shares["test"] = blended.shares.values
    if len(blended.test) and data.target.exclusive:
        # A shift isn't what the rows look like.
        shares[ESTIMATED] = priors.estimate(blended.undecided, _assumed(shares))
    return shares


def changed_predictions(blended: Ensemble, shares: dict[str, np.ndarray]) -> int | None:
    """How many test rows would be given another class if their classes were as common as estimated."""
    if ESTIMATED not in shares:
        return None
    shifted = priors.reweight(blended.test, shares[ESTIMATED] / _assumed(shares))
    return int((shifted.argmax(1) != blended.test.argmax(1)).sum())


def _assumed(shares: Mapping[str, np.ndarray]) -> np.ndarray:
    """The shares `[C]` that predictions are made for."""
    return np.maximum(shares["test"], 1e-9) if "test" in shares else shares["train"]
