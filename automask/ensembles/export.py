"""A study's blend as a folder that predicts without the study: `automask.prediction` reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from automask.data.dataset import fold_count
from automask.ensembles import blend as blends
from automask.ensembles import members, sizes
from automask.ensembles.ensemble import Ensemble, Member
from automask.ensembles.fold_networks import predict_rows, stored_state
from automask.ensembles.model_writer import Writer, used_packages
from automask.errors import UserError, did_you_mean
from automask.listener import note
from automask.prediction import requirements
from automask.prediction.model import Model
from automask.space import registry
from automask.storage.disk import TOP
from automask.storage.model_store import ModelStore
from automask.study.session import Session
from automask.target import Number

#: How far a member's prediction may be from the one it was scored by, and rows a fold that say so.
TOLERANCE, ROWS = 0.01, 8


def choose(
    session: Session,
    method: str = "auto",
    tta: str = "none",
    top: int | None = None,
    member: int | None = None,
    size: int | None = None,
) -> Ensemble:
    """The blend of trials that can be exported, as `automask ensemble` makes it; of the trial `member`
    alone, or the best that takes `size` bytes at most.

    Raises `UserError` where no trial's weights were kept, or where none fits.
    """
    registry.load(session.options.project)
    plain = exportable(session, members.load_members(session))
    if member is not None:
        numbers = {one.number: one for one in plain}
        if member not in numbers:
            near = did_you_mean(str(member), map(str, numbers))
            raise UserError(f"--member {member}: no complete trial of that number{near}")
        plain, method = [numbers[member]], "best"
    if not any(one.able for one in plain):
        raise UserError(
            "nothing can be exported: of no trial asked for are the weights kept (--disk); search "
            "with more --disk, or train one again in another study: automask show NUMBER --toml FILE, "
            "automask train FILE --study NAME"
        )
    top = top or TOP
    if method != "auto":
        registry.get("ensemble", method)

    if session.shares is not None:
        note(
            f"the model predicts as if classes were as common as in train, not as data.test_shares = "
            f"'{session.config.data.test_shares}' says"
        )

    def blended(among: Sequence[Member]) -> Ensemble:
        views = blends.candidate_views(session, tta, top, among=among)
        return blends.fit_members(session, views, method, top)

    if size is None:
        return blended(plain)
    return sizes.best_that_fits(session, plain, size, blended)


def exportable(session: Session, plain: Sequence[Member]) -> list[Member]:
    """The members without those that can't be exported; a note says which.

    Weights of trials out of the running went by their scores, so that these stay, unable.
    """
    other = members.explain_other_weights(session)
    count, unable, out = fold_count(session.folds), [], list[Member]()
    for rank, member in enumerate(plain):
        store = session.store.trial(member.recipe.hash)
        able = store.has_weights(count) and not (
            other and sizes.stores_head_alone(store.weights(0))
        )
        unable += [] if able else [str(member.number)]
        if able or rank >= TOP:
            out.append(replace(member, able=able))
    if unable and any(one.able for one in out):
        note(
            f"trials {', '.join(unable)} can't be exported, as their weights weren't kept"
            f"{f', or as {other}' if other else ''}: the blend is made of the others"
        )
    return out


def write(session: Session, blended: Ensemble, folder: Path, card: str) -> tuple[ModelStore, float]:
    """Write the model, whole or not at all; the store, and how far predictions are from those scored.

    Raises `UserError` where something is there already, or where the model doesn't predict what the
    study did.
    """
    with ModelStore(folder).create() as store:
        contents = Writer(session, blended, store).write()
        store.card.write_text(card, "utf-8")
        store.requirements.write_text(requirements.text(used_packages(contents)), "utf-8")
        difference = check(session, blended, Model(contents, store, session.options.device))
    return ModelStore(folder), difference


def check(session: Session, blended: Ensemble, model: Model) -> float:
    """The largest difference between what each fold's networks predict now of some rows, read from
    their files, and what these rows were scored by.

    Raises `UserError` where it is too large for the model to be the one that was scored.
    """
    data, folds = session.data, session.folds
    rows = np.concatenate([np.flatnonzero(folds == k)[:ROWS] for k in np.unique(folds)])
    if data.units is not None:
        rows = np.flatnonzero(np.isin(data.units, data.units[rows]))
    tables = model.by_fold([data.train.paths[row] for row in rows.tolist()])
    scale = data.target.scale if isinstance(data.target, Number) else 1.0
    worst = 0.0
    for part, table in zip(blended.parts, tables, strict=True):
        if part.member.single:
            now, stored = table[0], _single_rows(session, part.member, rows)
        else:
            _, now = data.scored(rows, table[folds[rows], np.arange(len(rows))])
            places = rows if data.units is None else np.unique(data.units[rows])
            stored = part.member.validation[places]
        difference = float(np.abs(now - stored).max()) / scale
        if difference > TOLERANCE:
            raise UserError(
                f"trial {part.member.number} predicts something else from its exported networks, by up "
                f"to {difference:.3f}: a plugin, a library or the images have changed since it was "
                "trained, or its backbone is another where it isn't pretrained; export without it"
            )
        worst = max(worst, difference)
    return worst


def _single_rows(session: Session, member: Member, rows: np.ndarray) -> np.ndarray:
    """float32 `[n, C]` of train rows by a member's only network, as the study has it."""
    fold = fold_count(session.folds)
    state = stored_state(session, member, fold)
    return predict_rows(session.task(), member.recipe, state, fold, rows)
