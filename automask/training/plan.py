"""What a training will do, known before it begins: who trains in which epoch, and on what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from automask.space.recipe import Recipe
from automask.training import mixing
from automask.training.task import call_plugin

#: How many augmented copies of the cached features stand in for endless ones.
COPIES = 4


@dataclass(frozen=True)
class Plan:
    """The epochs of a recipe on a network with these `stages`: parameter names from the stem up, the
    head being the last."""

    recipe: Recipe
    stages: Sequence[Sequence[str]]

    @property
    def epochs(self) -> int:
        epochs: int = self.recipe.training["epochs"]
        return epochs

    def trainable(self, epoch: int) -> set[str]:
        """The names of the parameters that train in an epoch."""
        return set(call_plugin(self.recipe, "freeze", self.stages, epoch / self.epochs))

    @cached_property
    def frozen(self) -> tuple[bool, ...]:
        """An epoch each: does the backbone stay as it is?"""
        head = set(self.stages[-1])
        return tuple(self.trainable(epoch) <= head for epoch in range(self.epochs))

    @property
    def trains_only_head(self) -> bool:
        """Does the backbone stay as it is from the first epoch to the last?"""
        return all(self.frozen)

    @cached_property
    def cached(self) -> tuple[bool, ...]:
        """An epoch each: does the head train on cached features?

        A mix of pixels isn't dropped: it goes through the backbone, frozen or not.
        """
        mixes_features = any(self.frozen) and mixing.takes_features(self.recipe)
        return tuple(frozen and mixes_features for frozen in self.frozen)

    @cached_property
    def copies(self) -> int:
        """How many augmented copies of the features are cached beside the plain ones, at most."""
        augment = call_plugin(self.recipe, "augmentation", self.recipe.training["image_size"])
        return 0 if augment is None or not any(self.cached) else min(COPIES, self.epochs)
