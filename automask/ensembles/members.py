"""The complete trials of a study as members of an ensemble."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from automask.data import dataset
from automask.ensembles.ensemble import Member
from automask.errors import UnfitError, UserError
from automask.hpo.attributes import StudyAttributes, recipe_of
from automask.hpo.trials import complete_trials
from automask.listener import note
from automask.space.recipe import Recipe
from automask.storage.disk import TOP
from automask.storage.trial_store import TrialStore
from automask.study.session import Session
from automask.training.pretrained import describe_checkpoints

if TYPE_CHECKING:
    from torch import Tensor

    from automask.training.network import Network
    from automask.training.task import Task


def load_members(session: Session) -> list[Member]:
    """Every complete trial with its probabilities, the best first.

    Test rows that came after a trial was trained are predicted by its stored weights when they are
    asked for. A member whose weights went, being out of the running, isn't able to; one
    whose weights never found room, which says nothing of its score, is left out. Raises `UserError`
    where no trial is complete, or nobody is able.
    """
    count = dataset.fold_count(session.folds)
    members, unable, broken = list[Member](), 0, 0
    for rank, trial in enumerate(complete_trials(session.study)):
        recipe = recipe_of(trial)
        store = session.store.trial(recipe.hash)
        if not all(store.has(fold) for fold in range(count)):
            note(f"trial {trial.number}: its probabilities are gone from {store.folder}; left out")
            continue
        try:
            validation = store.out_of_fold(session.folds)
            able = store.has_weights(count) or not _has_new_rows(session, store)
        except UnfitError as error:
            note(f"trial {trial.number} is left out: {error}")
            broken += 1
            continue
        if not able:
            unable += 1
            if rank < TOP:
                continue
        test = functools.partial(_test, session, trial.number, recipe, store)
        members.append(Member(trial.number, recipe, validation, test, able))
    if unable:
        note(
            f"{unable} of {rank + 1} trials can't predict the new test rows: there was no room for "
            "their weights (--disk)"
        )
    if unable and not any(member.able for member in members):
        raise UserError(
            "no trial is left to predict the new test rows: run automask search with more --trials and "
            "more --disk, so that weights of the best are kept"
        )
    if broken and not members:
        raise UserError(
            "no trial is left whose probabilities can be read: run automask search with more --trials"
        )
    if not members:
        raise UserError(
            f"study '{session.options.study}' has no complete trial yet: run automask search first"
        )
    return members


def _test(session: Session, number: int, recipe: Recipe, store: TrialStore) -> np.ndarray:
    """float32 `[M, C]`: the mean over folds of the test probabilities."""
    count = dataset.fold_count(session.folds)
    if session.data.test is None:
        return np.zeros((0, len(session.data.counts)), np.float32)
    if _has_new_rows(session, store):
        note(f"trial {number}: predicting {len(session.data.test)} new test rows by its weights")
        _predict(session, recipe, store)
    mean: np.ndarray = store.test(count).mean(0)
    return mean


def _has_new_rows(session: Session, store: TrialStore) -> bool:
    """Are there test rows now that the stored probabilities aren't of?"""
    key, folds = dataset.test_fingerprint(session.data), range(dataset.fold_count(session.folds))
    return session.data.test is not None and not all(store.holds(fold, key) for fold in folds)


def explain_other_weights(session: Session) -> str:
    """Why networks can't be made again as the study made them; empty where they can."""
    begun, now = (
        StudyAttributes.read(session.study).identity["weights"],
        describe_checkpoints(session.weights),
    )
    return (begun != now) * (
        f"the study's backbones are those of weights ({begun}), and there is ({now}); bring back the "
        "folder that it was searched with"
    )


def rebuild_network(task: Task, recipe: Recipe, state: dict[str, Tensor], fold: int) -> Network:
    """A fold's network as it was stored: whole or, where only the head trained, with the recipe's own
    backbone. Raises `UnfitError` where the state is of another network."""
    from automask.training.network import build

    network = build(recipe, task.data.attributes, task.weights, task.seed, fold)
    try:
        if is_head_alone(state):
            own = {name.removeprefix("head."): tensor for name, tensor in state.items()}
            network.head.load_state_dict(own)
        else:
            network.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise UnfitError(
            recipe.hash, f"fold {fold}'s weights don't fit its recipe: {reason}"
        ) from None
    return network.to(task.device)


def load_state(recipe: Recipe, store: TrialStore, fold: int) -> dict[str, Tensor]:
    """A fold's network as it was stored; raises `UnfitError` where it can't be read."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(store.weights(fold))
    except (SafetensorError, OSError) as error:
        raise UnfitError(recipe.hash, f"{store.weights(fold)} can't be read: {error}") from None


def network_store(session: Session, member: Member) -> TrialStore:
    """Where a member's networks are."""
    return member.single or session.store.trial(member.recipe.hash)


def network_folds(session: Session, member: Member) -> list[int]:
    """The folds of a member's networks: of a single one, which saw all rows, one that no row is in."""
    count = dataset.fold_count(session.folds)
    return [count] if member.single else list(range(count))


def is_head_alone(names: Iterable[str]) -> bool:
    """Does a stored network, by its tensors' names, hold nothing but the head?"""
    return all(name.startswith("head.") for name in names)


def _predict(session: Session, recipe: Recipe, store: TrialStore) -> None:
    """Replace the stored test probabilities of every fold by those of the present test rows."""
    from automask.training.network import predict

    task = session.task()
    for fold in range(dataset.fold_count(session.folds)):
        state = load_state(recipe, store, fold)
        if is_head_alone(state) and (why := explain_other_weights(session)):
            raise UserError(f"new test rows can't be predicted: {why}")
        network = rebuild_network(task, recipe, state, fold)
        pixels, target = task.pixels(recipe, fold), session.data.target
        test = predict(network, pixels, task.test_rows, task.device, target)
        store.replace_test(fold, np.asarray(test), task.test_key)


#: The best trials whose mean is asked.
BEST = 5


def mean_of_best(session: Session) -> np.ndarray:
    """`[N, C]` mean out-of-fold probabilities of the best trials; `UserError` where there are none."""
    mean: np.ndarray = np.mean(
        [member.validation for member in load_members(session)[:BEST]], axis=0
    )
    return mean
