"""What the stored networks of trials predict of any rows, fold by fold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from automask.ensembles.ensemble import Member
from automask.ensembles.members import is_head_alone, load_state, network_store, rebuild_network
from automask.space.recipe import Recipe
from automask.study.session import Session
from automask.training.features import Features
from automask.training.network import predict
from automask.training.task import Task

if TYPE_CHECKING:
    from torch import Tensor

State = dict[str, "Tensor"]


def stored_state(session: Session, member: Member, fold: int) -> State:
    """The tensors of a member's network; of the head alone where nothing else trained."""
    return load_state(member.recipe, network_store(session, member), fold)


def predict_rows(
    task: Task, recipe: Recipe, state: State, fold: int, rows: np.ndarray
) -> np.ndarray:
    """float32 `[n, C]`: rows of the table as the network of these tensors predicts them."""
    network, target = rebuild_network(task, recipe, state, fold), task.data.target
    if is_head_alone(state):
        plain = Features(task, recipe).plain(fold)
        return predict(network.head, plain, rows, task.device, target)
    return predict(network, task.pixels(recipe, fold), rows, task.device, target)
