"""What networks cost where they predict: their bytes, and how many images a second."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from automask.ensembles.ensemble import Member
from automask.ensembles.sizes import member_files
from automask.space.recipe import Recipe
from automask.study.session import Session
from automask.training.backbone_facts import backbone_key
from automask.training.network import BATCH, build, predict
from automask.training.task import Task


@dataclass(frozen=True)
class Cost:
    """The bytes of networks, and the images that they predict in a second once these are decoded."""

    size: int
    images_per_second: float


def measure(session: Session, task: Task, members: Sequence[Member]) -> Cost:
    """Of members together; those whose backbone didn't train share it, and it runs once."""
    files: dict[str, int] = {}
    seconds: dict[str, float] = {}
    for member in members:
        own = member_files(session, member)
        shared = backbone_key(member.recipe, session.weights, session.config.search.seed)
        one = _seconds(task, member.recipe)
        seconds |= dict.fromkeys([shared] if shared in own else own, one)
        files |= own
    return Cost(sum(files.values()), BATCH / sum(seconds.values()))


def _seconds(task: Task, recipe: Recipe) -> float:
    """How long a batch takes, the shorter of two tries after one that isn't counted."""
    network = build(recipe, task.data.attributes, task.weights, task.seed, 0).to(task.device)
    size = recipe.training["image_size"]
    pixels = np.zeros((BATCH, size, size, 3), np.uint8)
    tries = []
    for _ in range(3):
        begin = time.perf_counter()
        predict(network, pixels, np.arange(BATCH), task.device, task.data.target)
        tries.append(time.perf_counter() - begin)
    return min(tries[1:])
