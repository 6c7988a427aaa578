"""Tables of probabilities drawn on the spot, and a metric to score them by."""

import numpy as np

from automask.space import registry

macro_f1 = registry.get("metric", "macro_f1").function


def noisy(target, classes, strength, seed):
    """Probabilities `[N, C]` that know the target a little."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(len(target), classes)) + strength * np.eye(classes)[target]
    return np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
