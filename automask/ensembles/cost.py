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
from automask.training.backbone_facts import backbone_key, network_key
from automask.training.network import BATCH, build, predict
from automask.training.task import Task

#: Batches by which a network's time is told.
TRIES = 5


@dataclass(frozen=True)
class Cost:
    """The bytes of networks, and the images that they predict in a second once these are decoded."""

    size: int
    images_per_second: float


class Clock:
    """Measures costs; networks that are built alike take the same time, whatever their weights."""

    def __init__(self, session: Session, task: Task) -> None:
        self.session, self.task = session, task
        self.batches: dict[str, float] = {}

    def cost(self, members: Sequence[Member]) -> Cost:
        """Of members together; those whose backbone didn't train share it, and it runs once."""
        session = self.session
        files: dict[str, int] = {}
        seconds: dict[str, float] = {}
        for member in members:
            own, built = member_files(session, member), network_key(member.recipe)
            if built not in self.batches:
                self.batches[built] = _seconds(self.task, member.recipe)
            shared = backbone_key(member.recipe, session.weights, session.config.search.seed)
            trunks = [shared] if shared in own else [*own]
            seconds |= dict.fromkeys(trunks, self.batches[built])
            files |= own
        return Cost(sum(files.values()), BATCH / sum(seconds.values()))


def _seconds(task: Task, recipe: Recipe) -> float:
    """How long a batch takes, the shortest of some tries after one that isn't counted."""
    network = build(recipe, task.data.attributes, task.weights, task.seed, 0).to(task.device)
    size = recipe.training["image_size"]
    pixels = np.zeros((BATCH, size, size, 3), np.uint8)
    tries = []
    for _ in range(TRIES + 1):
        begin = time.perf_counter()
        predict(network, pixels, np.arange(BATCH), task.device, task.data.target)
        tries.append(time.perf_counter() - begin)
    return min(tries[1:])
