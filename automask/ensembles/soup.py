"""Averaged weights: a greedy soup of neighbouring trials (Wortsman et al., 2022), and of their folds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from automask.ensembles.ensemble import PLAIN, Member
from automask.ensembles.fold_networks import State, predict_rows, stored_state
from automask.ensembles.members import rebuild_network
from automask.ensembles.selection import EVERYTHING, Folds, Pool
from automask.space.recipe import Recipe
from automask.study.session import Session
from automask.training.backbone_facts import network_key
from automask.training.batches import to_device
from automask.training.hardware import run_halving
from automask.training.network import BATCH
from automask.training.task import Task

#: Train rows by which batch norm counts anew in a network of averaged weights.
ROWS = 1024
#: What batch norm counts.
STATISTICS = ("running_mean", "running_var")
#: A head's hyperparameters that don't make it another network.
IN_TRAINING_ALONE = ("dropout",)


class Soups:
    """Averages of the members' networks, fold by fold and over all folds."""

    def __init__(self, session: Session, task: Task, members: Sequence[Member], pool: Pool) -> None:
        self.session, self.task, self.members, self.pool = session, task, members, pool
        self._scored: dict[tuple[tuple[int, ...], int], np.ndarray] = {}

    def greedy(self, without: Folds = EVERYTHING) -> tuple[int, ...]:
        """The members that join, by the rows outside those folds: the best, then of its neighbours
        each with which the average scores no less."""
        order = self.pool.best(PLAIN, without=without)
        key, rows = structure(self.members[order[0]].recipe), self.pool.seen(without)
        chosen: tuple[int, ...] = (order[0],)
        best = -np.inf
        for index in order:
            if structure(self.members[index].recipe) != key:
                continue
            tried = chosen if index in chosen else (*chosen, index)
            value = self.pool.metric(self.pool.labels[rows], self.table(tried, without)[rows])
            if value >= best:
                chosen, best = tried, value
        return chosen

    def table(self, members: tuple[int, ...], without: Folds = EVERYTHING) -> np.ndarray:
        """float32 `[N, C]`: each fold by the average of these members' networks that never saw it; of
        the folds `without` nothing."""
        out = np.zeros(self.pool.views[PLAIN].shape[1:], np.float32)
        for fold in np.unique(self.pool.folds).tolist():
            if fold not in without:
                out[self.pool.folds == fold] = self.scored(members, fold)
        return out

    def scored(self, members: tuple[int, ...], fold: int) -> np.ndarray:
        """float32 `[n, C]`: the rows of one fold."""
        if (members, fold) not in self._scored:
            state = self.average(members, [fold], fold)
            _, rows = self.task.fold_rows(fold)
            self._scored[members, fold] = predict_rows(
                self.task, self.members[members[0]].recipe, state, fold, rows
            )
        return self._scored[members, fold]

    def average(self, members: tuple[int, ...], folds: Sequence[int], fold: int) -> State:
        """The mean of the members' networks of some folds, as one that sees images as `fold` does."""
        states = [
            stored_state(self.session, self.members[index], k) for index in members for k in folds
        ]
        mean = {
            name: torch.stack([state[name].float() for state in states]).mean(0).to(first.dtype)
            for name, first in states[0].items()
        }
        counts = [name for name in mean if name.rpartition(".")[2] in STATISTICS]
        if all(torch.equal(state[name], states[0][name]) for state in states for name in counts):
            return mean
        return recounted(self.task, self.members[members[0]].recipe, mean, fold)


def structure(recipe: Recipe) -> str:
    """Equal where weights can be averaged."""
    head, pretrained = recipe["head"], recipe.training["pretrained"]
    params = {k: v for k, v in sorted(head.params.items()) if k not in IN_TRAINING_ALONE}
    inputs = [repr(recipe[kind]) for kind in ("resize", "preprocessing")]
    return f"{network_key(recipe)} {pretrained} {head.name} {params} {inputs}"


def recounted(task: Task, recipe: Recipe, state: State, fold: int) -> State:
    """The tensors with the statistics of batch norm of the rows that the fold trains on, since those of
    averaged weights aren't the averaged ones (Izmailov et al., 2018)."""
    network = rebuild_network(task, recipe, state, fold).eval()
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return state
    rows, _ = task.fold_rows(fold)
    rows = rows[np.linspace(0, len(rows) - 1, min(ROWS, len(rows))).astype(int)]
    pixels = task.pixels(recipe, fold)

    def count(size: int) -> None:
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # The plain mean over batches.
            norm.train()
        for part in np.array_split(rows, max(1, len(rows) // size)):
            network(to_device(pixels[part], task.device))

    with torch.no_grad():
        run_halving(count, BATCH)
    return {name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}
