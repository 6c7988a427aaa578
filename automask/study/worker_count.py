"""How many workers suit a machine, a space and the time that there is."""

from __future__ import annotations

import time

from automask import machine
from automask.hpo.attributes import StudyAttributes
from automask.hpo.clock import Clock
from automask.listener import note
from automask.space.recipe import Recipe
from automask.study.session import Session
from automask.training import flops

#: Workers of a processor at most.
MOST = 4


def automatic_workers(device: str) -> int:
    """How many workers suit this machine: one a GPU, else one a core, up to four.

    Small networks train faster side by side on a core each than one after another on all cores.
    """
    import torch

    if machine.device(device).type == "cpu":
        return min(MOST, machine.cores())
    return torch.cuda.device_count() if device == "auto" else 1


def timely_workers(session: Session, deadline: float | None, most: int) -> int:
    """At most so many workers that, of a processor, one of them can train a network of a fair size on
    all folds before the deadline (Unix time), where fewer with more threads each can.

    By the queue's first network that trains and the passes that were timed when the study was new.
    """
    if deadline is None or most == 1 or machine.device(session.options.device).type != "cpu":
        return most
    sizes = _seconds_by_size(session, deadline)
    if not sizes:
        return most
    left, smallest = deadline - time.time(), min(sizes)

    def largest(workers: int) -> int:
        return max(
            (size for size, all_cores in sizes.items() if workers * all_cores <= left), default=0
        )

    options = range(most, 0, -1)
    fair = next((count for count in options if largest(count) > smallest), None)
    any_size = next((count for count in options if largest(count)), most)
    count = any_size if fair is None else fair
    if count < most:
        threads = machine.cores() // count
        note(
            f"{count} worker{'s' * (count > 1)} with {threads} threads instead of {most}: so a network "
            f"of {largest(count)} px can be trained on all folds in the time that there is"
        )
    return count


def _seconds_by_size(session: Session, deadline: float) -> dict[int, float]:
    """By image size, what a network's training on all folds should take on all cores."""
    space, noted = session.space, StudyAttributes.read(session.study)
    assert space is not None
    cost = flops.compute_cost(session.task())
    clock = Clock(deadline, *space.epochs, cost, noted.passes)
    recipes = (space.nearest(params)[0] for params in noted.queue("start"))
    network = next((recipe for recipe in recipes if not clock.trains_heads(recipe)), None)
    if network is None:
        return {}
    seconds: dict[int, float] = {}
    for size in map(int, space.training["image_size"].corners()):
        recipe: Recipe = space.nearest({**network.values(), "training.image_size": size})[0]
        expected = clock.expected(recipe.with_epochs(clock.enough), ())
        if expected is not None:
            seconds[recipe.training["image_size"]] = expected
    return seconds
