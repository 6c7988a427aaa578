"""Tasks and networks whose training shows one thing, and results compared."""

from dataclasses import replace

import numpy as np
import torch
from torch import nn

from automask.data.dataset import Attributes
from automask.space import kinds, registry
from automask.training import heads
from automask.training.features import Features


def quiet(step):
    """A listener to a training that hears nothing."""


def noise_task(task, rows=60, classes=2):
    """The task with labels that nothing in an image tells: what scores above chance has cheated."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.arange(rows) % classes)
    attributes = Attributes(("label",), (tuple("ab"),), np.arange(classes)[:, None])
    data = replace(task.data, labels=labels, attributes=attributes, groups=None, test=None)
    return replace(task, data=data, folds=np.arange(rows) % 3, metric="accuracy")


class Memory(nn.Module):
    """A backbone that gives every image a vector of its own: a head can learn it all by heart."""

    def __init__(self):
        super().__init__()
        self.D, self.stages = 64, (("weight",),)
        self.mean, self.std = (0.0,) * 3, (1.0,) * 3
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, images):
        which = (images[:, 0, 0, 0] * 255).round().long()
        return torch.eye(64)[which % 64] * 8 + self.weight


def register_memory(monkeypatch):
    """Make it a plugin, as which `FAST` has it."""
    plugin = replace(
        registry.get("backbone", "timm"),
        name="memory",
        function=lambda image_size, pretrained: Memory(),
        ranges={},
    )
    monkeypatch.setitem(kinds.KINDS["backbone"].plugins, "memory", plugin)


FAST = {"epochs": 30, "optimizer": ("adamw", {"lr": 0.01}), "backbone": ("memory", {})}


def heads_of(task, recipes):
    return heads.fit_heads(task, recipes, Features(task, recipes[0]), quiet)


def declare_nothing(monkeypatch, made):
    """From here on nothing of the recipe's heads is computed together."""
    for kind in ("loss", "head", "optimizer"):
        plugin = registry.get(kind, made[kind].name)
        cautious = {ability.name: ability.default for ability in registry.KINDS[kind].abilities}
        monkeypatch.setitem(
            registry.KINDS[kind].plugins, plugin.name, replace(plugin, abilities=cautious)
        )


def same_results(first, second):
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a.validation, b.validation, atol=1e-5)
        np.testing.assert_allclose(a.test, b.test, atol=1e-5)
        for key, value in a.state.items():
            torch.testing.assert_close(value, b.state[key], atol=1e-5, rtol=1e-4)


class Narrow(nn.Module):
    """A backbone for whose training memory suffices up to a number of images."""

    def __init__(self, net, most):
        super().__init__()
        self.net, self.most, self.seen = net, most, []
        self.D, self.stages, self.mean, self.std = net.D, net.stages, net.mean, net.std
        self.stages = tuple(tuple(f"net.{name}" for name in stage) for stage in net.stages)

    def forward(self, images):
        self.seen.append(len(images))
        if torch.is_grad_enabled() and len(images) > self.most:
            raise torch.OutOfMemoryError("too much")
        return self.net(images)
