"""Members under test-time augmentation: their stored weights predict several views of each image."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from automask.data.dataset import fold_count, test_fingerprint
from automask.ensembles.ensemble import PLAIN, Member
from automask.ensembles.members import (
    explain_other_weights,
    is_head_alone,
    load_state,
    rebuild_network,
)
from automask.listener import note, progress
from automask.space import registry
from automask.space.recipe import Recipe
from automask.storage.trial_store import FoldResult, TrialStore
from automask.study import flips
from automask.study.session import Session
from automask.target import Target
from automask.training.features import Features
from automask.training.network import Network, in_batches

Views = Callable[[Tensor], Sequence[Tensor]]


def candidates(session: Session) -> list[str]:
    """The plugins to choose among: those that mirror only where mirrored images keep their class.

    That is measured once a study, here where no search has.
    """
    names = list(registry.plugins("tta"))
    mirroring = {name for name in names if registry.get("tta", name).abilities["mirrors"]}
    if not mirroring or flips.mirroring_keeps_class(session):
        return names
    return [name for name in names if name not in mirroring]


def member_views(
    session: Session, members: Sequence[Member], names: Sequence[str]
) -> dict[str, list[Member]]:
    """By the name of each tta plugin the same members, in order, with what they predict under it.

    What isn't kept from an earlier time is predicted by stored weights, and then kept. A member without
    them stays as it is under every name. Progress counts folds of members.
    """
    folds, key = range(fold_count(session.folds)), test_fingerprint(session.data)
    wanted = [name for name in names if name != PLAIN]
    able, unable, jobs = set(), [], []
    for member in members:
        store = session.store.trial(member.recipe.hash)
        if not store.has_weights(len(folds)) or (
            member.recipe.training["pretrained"] and explain_other_weights(session)
        ):
            unable.append(str(member.number))
            continue
        able.add(member.number)
        for fold in folds:
            missing = [n for n in wanted if not _under(store, n).holds(fold, key)]
            jobs += [_Job(member.recipe, store, fold, missing)] if missing else []
    if unable and wanted:
        note(
            "without the weights that they were made of, views of the images can't be predicted: "
            f"trials {', '.join(unable)} stay as they are"
        )
    if jobs:
        _predict_all(session, jobs)
    return {
        name: [
            _seen(session, member, name) if name in wanted and member.number in able else member
            for member in members
        ]
        for name in names
    }


def predict(
    network: Network,
    pixels: np.ndarray,
    rows: np.ndarray,
    device: torch.device,
    views: Views,
    target: Target,
) -> np.ndarray:
    """float32 `[n, C]`: the mean over views of the predictions of rows of uint8 `[N, S, S, 3]`."""
    network.eval()

    def batch(part: np.ndarray) -> Tensor:
        images = _viewed(pixels, part, device, views)
        return torch.stack([target.activate(network(view).float()) for view in images]).mean(0)

    with torch.inference_mode():
        return in_batches(batch, rows).numpy()


class _Job(NamedTuple):
    """A fold of a member, to predict under some plugins."""

    recipe: Recipe
    store: TrialStore
    fold: int
    names: list[str]


class _Frozen:
    """Features of views by a backbone that many heads share: each row's are computed once.

    `[rows]` gives float32 `[n, views, D]`.
    """

    def __init__(self, network: Network, pixels: np.ndarray, views: Views, target: Target) -> None:
        self.network, self.pixels, self.views = network.eval(), pixels, views
        self.target = target
        self.computed = np.zeros(len(pixels), bool)
        self.table = torch.zeros(0)

    def __getitem__(self, rows: np.ndarray) -> Tensor:
        new = rows[~self.computed[rows]]
        if len(new):
            with torch.inference_mode():
                features = in_batches(self._batch, new)
            if not len(self.table):
                self.table = torch.zeros(len(self.pixels), *features.shape[1:])
            self.table[new] = features
            self.computed[new] = True
        return self.table[rows]

    def _batch(self, rows: np.ndarray) -> Tensor:
        device = self.network.scale.device
        images = _viewed(self.pixels, rows, device, self.views)
        return torch.stack([self.network.features(view) for view in images], 1)

    def predict(self, head: torch.nn.Module, rows: np.ndarray) -> np.ndarray:
        """float32 `[n, C]` by a head, as `predict` has it of a whole network."""
        device = self.network.scale.device
        with torch.inference_mode():
            logits = head(self[rows].flatten(0, 1).to(device)).float()
            each = self.target.activate(logits).unflatten(0, (len(rows), -1))
            mean: np.ndarray = each.mean(1).cpu().numpy()
            return mean


def _predict_all(session: Session, jobs: Sequence[_Job]) -> None:
    """Keep what each job's stored network predicts of its scored rows and of the test rows."""
    task, begin, target = session.task(), time.monotonic(), session.data.target
    note(
        f"predicting {len({id(job.recipe) for job in jobs})} trials under "
        f"{', '.join(sorted({name for job in jobs for name in job.names}))} by their stored weights, "
        "which is kept for the next time"
    )
    frozen: dict[str, _Frozen] = {}
    # Heads of one backbone after one another: its features need not be held longer.
    by_backbone = sorted(jobs, key=lambda job: Features(task, job.recipe).shared_key)
    for done, job in enumerate(by_backbone, 1):
        state = load_state(job.recipe, job.store, job.fold)
        network = rebuild_network(task, job.recipe, state, job.fold)
        pixels, (_, scored) = task.pixels(job.recipe, job.fold), task.fold_rows(job.fold)
        for name in job.names:
            plugin = _plugin(name)
            if is_head_alone(state):
                features = Features(task, job.recipe)
                key = f"{name} {features.key(job.fold)}"
                if key not in frozen:
                    frozen = {k: v for k, v in frozen.items() if features.shared_key in k}
                    frozen[key] = _Frozen(network, pixels, plugin, target)
                probability = functools.partial(frozen[key].predict, network.head.eval())
            else:
                probability = functools.partial(
                    predict, network, pixels, device=task.device, views=plugin, target=target
                )
            test = probability(task.test_rows) if len(task.test_rows) else _nothing(session)
            result = FoldResult(probability(scored), test, task.test_key)
            _under(job.store, name).save_probabilities(job.fold, result)
        progress("predicting views", done, len(jobs))
        if done == 1 and len(jobs) > 1:
            minutes = math.ceil((time.monotonic() - begin) * (len(jobs) - 1) / 60)
            note(f"{len(jobs) - 1} more folds to predict, for about {minutes} min")


def _viewed(
    pixels: np.ndarray, rows: np.ndarray, device: torch.device, views: Views
) -> list[Tensor]:
    """The views of some rows as a network takes them, `[n, S, S, 3]`."""
    images = torch.from_numpy(pixels[rows]).to(device).permute(0, 3, 1, 2).float()
    return [view.permute(0, 2, 3, 1) for view in views(images)]


def _seen(session: Session, member: Member, name: str) -> Member:
    """The member with what is kept of it under a plugin."""
    under = _under(session.store.trial(member.recipe.hash), name)
    count = fold_count(session.folds)
    return replace(
        member,
        validation=under.out_of_fold(session.folds),
        test=lambda: under.test(count).mean(0) if session.data.test else _nothing(session),
    )


def _nothing(session: Session) -> np.ndarray:
    return np.zeros((0, len(session.data.counts)), np.float32)


def _plugin(name: str) -> Views:
    plugin = registry.get("tta", name)
    return functools.partial(plugin.function, **plugin.defaults)


def _under(store: TrialStore, name: str) -> TrialStore:
    """Where a plugin's predictions are kept: elsewhere once its file has changed."""
    return store.under(f"{name}-{registry.get('tta', name).digest}")
