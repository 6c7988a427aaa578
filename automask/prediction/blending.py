"""From what members predict to what a model answers: blend, class biases, temperature."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from automask.prediction import states
from automask.prediction.contents import Contents
from automask.space import registry
from automask.storage.model_store import ModelStore


@dataclass(frozen=True)
class Blending:
    """A blend of members `[T, n, C]` and what comes after it; calling it gives `[n, C]`."""

    blend: Callable[[np.ndarray], np.ndarray]
    biases: np.ndarray | None
    temperature: float | None

    def __call__(self, members: np.ndarray) -> np.ndarray:
        table = add_biases(self.blend(members), self.biases)
        return table if self.temperature is None else apply_temperature(table, self.temperature)


def read_blending(contents: Contents, store: ModelStore) -> Blending:
    """A model's own, with its arrays. Raises `UserError` where its plugin isn't here."""
    from safetensors.numpy import load_file

    blend = contents.blend
    arrays = load_file(store.blend) if blend.arrays else {}
    fields = blend.fields | {name: arrays[name] for name in blend.arrays}
    made = states.make(blend.kind, fields, registry.get("ensemble", blend.method.name))
    biases = None if contents.biases is None else np.array(contents.biases)
    return Blending(made, biases, contents.temperature)


def reweight(probability: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Each class's probability times its factor `[C]`, so that a row sums to 1 again."""
    out = probability * factors
    return out / np.maximum(out.sum(1, keepdims=True), 1e-300)


def add_biases(probability: np.ndarray, biases: np.ndarray | None) -> np.ndarray:
    """With `biases` `[C]` added to the log-probabilities; unchanged without any."""
    return probability if biases is None else reweight(probability, np.exp(biases))


def apply_temperature(probability: np.ndarray, temperature: float) -> np.ndarray:
    """Log-probabilities divided by a temperature: above 1 less sure, below 1 surer; the same classes."""
    logs = np.log(np.clip(probability, 1e-15, None)) / temperature
    out = np.exp(logs - logs.max(1, keepdims=True))
    return out / out.sum(1, keepdims=True)
