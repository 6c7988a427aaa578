"""From what members predict to what a model answers: blend, shift of decisions, temperature."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from automask.prediction import decisions, states
from automask.prediction.contents import Contents
from automask.space import registry
from automask.storage.model_store import ModelStore
from automask.target import Target


@dataclass(frozen=True)
class Blending:
    """A blend of members `[T, n, C]` and what comes after it; calling it gives `[n, C]`."""

    blend: Callable[[np.ndarray], np.ndarray]
    target: Target
    shift: np.ndarray | None
    temperature: float | None

    def __call__(self, members: np.ndarray) -> np.ndarray:
        table = decisions.apply(self.target, self.blend(members), self.shift)
        if self.temperature is None:
            return table
        return decisions.apply_temperature(table, self.temperature)


def read_blending(contents: Contents, store: ModelStore) -> Blending:
    """A model's own, with its arrays. Raises `UserError` where its plugin isn't here."""
    from safetensors.numpy import load_file

    blend = contents.blend
    arrays = load_file(store.blend) if blend.arrays else {}
    fields = blend.fields | {name: arrays[name] for name in blend.arrays}
    made = states.make(blend.kind, fields, registry.get("ensemble", blend.method.name))
    shift = None if contents.shift is None else np.array(contents.shift)
    return Blending(made, contents.answers.kind, shift, contents.temperature)
