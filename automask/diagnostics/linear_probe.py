"""A sample of rows and what features are worth on it, by a closed-form probe.

It tells how much more of the rows help, and what other weights are worth.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from automask.data.dataset import one_hot
from automask.errors import DiskError
from automask.scoring import Metric, resample_groups
from automask.space import registry
from automask.space.recipe import Recipe
from automask.storage.disk import out_of_space
from automask.training import flops
from automask.training.features import Features
from automask.training.network import BATCH
from automask.training.task import Task

#: Random halves of the training rows, and resampled tables for a standard error.
HALVES, RESAMPLES = 3, 100
#: Principal components that stand for the features: a fit takes time by their cube.
COMPONENTS = 256


@dataclass(frozen=True)
class Estimate:
    """A number with its standard error."""

    value: float
    error: float

    @property
    def interval(self) -> tuple[float, float]:
        """95 %, taken as normal."""
        return self.value - 1.96 * self.error, self.value + 1.96 * self.error


@dataclass(frozen=True)
class Probe:
    """Compares probes on the rows of a task, out of fold.

    `labels`, `folds` and `units` `[N]`, where rows of one unit stand or fall together. Everything is
    told as a share of the metric's room: of what it rises from saying every class by its share of the
    rows, to saying each row's own. So it means the same for any metric and any number of classes.
    """

    metric: Metric
    labels: np.ndarray
    folds: np.ndarray
    units: np.ndarray
    seed: int

    @property
    def room(self) -> tuple[float, float]:
        """The metric by chance, and when all is right."""
        truth = one_hot(self.labels, int(self.labels.max()) + 1)
        shares = np.broadcast_to(truth.mean(0), truth.shape)
        return self.metric(self.labels, shares), self.metric(self.labels, truth)

    def compare(
        self, features: np.ndarray, others: np.ndarray | None = None
    ) -> tuple[Estimate, Estimate | None]:
        """By how much a probe on `features` `[N, D]` beats itself on half of the training rows, and
        one on `others` `[N, E]`.

        Half of the rows are drawn unit after unit, so that they are half of the units too.
        """
        rng = np.random.default_rng(self.seed)
        features = principal_components(features)
        scored, balanced = self._best(self._scored(features))
        halves = [_probability(self._scored(features, rng), balanced) for _ in range(HALVES)]
        gain = self.difference(scored, halves)
        if others is None:
            return gain, None
        return gain, self.difference(scored, [self.predict(others)])

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Out-of-fold probabilities `[N, C]` of a probe on `features` `[N, D]`."""
        return self._best(self._scored(principal_components(features)))[0]

    def _scored(
        self, features: np.ndarray, half: np.random.Generator | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Out-of-fold log-likelihoods and log-priors of the classes, `[N, C]` each."""
        shape = (len(self.labels), int(self.labels.max()) + 1)
        likelihood, prior = np.empty(shape), np.empty(shape)
        for fold in np.unique(self.folds):
            rows, scored = np.flatnonzero(self.folds != fold), self.folds == fold
            if half is not None:
                rows = shuffle_units(rows, self.units, half)[: (len(rows) + 1) // 2]
            likelihood[scored], prior[scored] = discriminants(
                features[rows], self.labels[rows], features[scored], shape[1]
            )
        return likelihood, prior

    def _best(self, scored: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, bool]:
        """Probabilities with the classes' priors or with equal ones, whichever the metric likes."""
        kinds = [(_probability(scored, balanced), balanced) for balanced in (False, True)]
        return max(kinds, key=lambda kind: self.metric(self.labels, kind[0]))

    def difference(self, better: np.ndarray, others: Sequence[np.ndarray]) -> Estimate:
        """The score of `better` over the mean of the others', as a share of the room.

        The error is the bootstrap's over units, and that of so few others.
        """

        def over(rows: np.ndarray) -> np.ndarray:
            target = self.labels[rows]
            own = self.metric(target, better[rows])
            return np.array([own - self.metric(target, other[rows]) for other in others])

        chance, perfect = self.room
        gains = over(np.arange(len(self.labels)))
        resampled = [over(rows) for rows in resample_groups(self.units, RESAMPLES, self.seed)]
        variance = np.mean(resampled, 1).var(ddof=1)
        if len(others) > 1:
            variance += gains.var(ddof=1) / len(others)
        room = perfect - chance
        return Estimate(float(gains.mean() / room), float(np.sqrt(variance) / room))


def principal_components(features: np.ndarray) -> np.ndarray:
    """The first `COMPONENTS` principal components `[N, K]` of standardised features.

    No label takes part, so that rows that will be scored may.
    """
    from sklearn.decomposition import PCA

    scaled = (features - features.mean(0)) / (features.std(0) + 1e-6)
    count = min(COMPONENTS, *features.shape)
    components: np.ndarray = PCA(count, svd_solver="randomized", random_state=0).fit_transform(
        scaled
    )
    return components


def discriminants(
    features: np.ndarray, labels: np.ndarray, new: np.ndarray, classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Linear discriminants `[n, C]` of new rows, as log-likelihoods, and log-priors alike.

    All classes share a covariance, shrunk by Ledoit and Wolf (2004), so that more features than rows
    are no trouble. A class without rows has a likelihood of 0.
    """
    from sklearn.covariance import ledoit_wolf

    counts = np.bincount(labels, minlength=classes)
    old, new = features.astype(np.float64), new.astype(np.float64)
    means = np.zeros((classes, old.shape[1]))
    np.add.at(means, labels, old)
    means /= counts.clip(1)[:, None]
    covariance, _ = ledoit_wolf(old - means[labels], assume_centered=True)
    # Rows that are all alike have no spread at all.
    covariance[np.diag_indices_from(covariance)] += 1e-6
    weights = np.linalg.solve(covariance, means.T)
    with np.errstate(divide="ignore"):
        prior = np.log(counts / counts.sum())
    likelihood = new @ weights - (means * weights.T).sum(1) / 2
    likelihood[:, counts == 0] = -np.inf
    return likelihood, np.broadcast_to(prior, likelihood.shape)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities `[n, C]` of logits."""
    shares = np.exp(logits - logits.max(1, keepdims=True))
    softmax: np.ndarray = shares / shares.sum(1, keepdims=True)
    return softmax


def shuffle_units(rows: np.ndarray, units: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The rows in random order, unit after unit."""
    place = rng.permutation(units.max() + 1)[units[rows]]
    return rows[np.lexsort((rng.random(len(rows)), place))]


def _probability(scored: tuple[np.ndarray, np.ndarray], balanced: bool) -> np.ndarray:
    likelihood, prior = scored
    return softmax(likelihood if balanced else likelihood + prior)


#: Rows that the probe sees at most.
ROWS = 1000


@dataclass(frozen=True)
class Sample:
    """Some train rows `[n]` of a task, and a probe of their labels.

    Of labels that aren't single classes the probe tells their `single_labels`, by balanced accuracy.
    `passes` are seconds a GFLOP of a pass through each network so far (see `flops.network`).
    """

    task: Task
    rows: np.ndarray
    probe: Probe
    passes: dict[str, float] = field(default_factory=dict)

    def features(self, recipe: Recipe) -> np.ndarray | str:
        """float32 `[n, D]` by the recipe's backbone, or why there are none.

        Raises `DiskError` where there is no room for them, nor for anything else then.
        """
        own = Features(self.task, recipe)
        try:
            features = own.read(self.rows)
        except Exception as error:
            # Weights that can't be had, a network that can't take this size, memory, a plugin of the
            # user's: trials will tell.
            if isinstance(error, DiskError) or out_of_space(error) is not None:
                raise
            why = str(error).strip().partition("\n")[0] or type(error).__name__
            return f"no features of {recipe.describe()}: {why}"
        if gflop := flops.forward(self.task, recipe):
            # Images are decoded and weights loaded by now, and a GPU has what it needs in place.
            some, begin = self.rows[:BATCH], time.perf_counter()
            own.compute(some)
            seconds = time.perf_counter() - begin
            self.passes[flops.network(recipe)] = seconds / (gflop * len(some))
        if not np.isfinite(features).all():
            return f"the features of {recipe.describe()} aren't finite"
        return features


def draw(task: Task) -> Sample | str:
    """At most `ROWS` train rows, group after group and as many of each fold; or why they tell nothing.

    The test rows take no part.
    """
    rng = np.random.default_rng(task.seed)
    labels = task.data.single_labels
    units = np.arange(len(labels)) if task.data.groups is None else task.data.groups
    share = -(-ROWS // task.fold_count)
    drawn = [
        shuffle_units(np.flatnonzero(task.folds == fold), units, rng)[:share]
        for fold in range(task.fold_count)
    ]
    rows = np.sort(np.concatenate(drawn))
    present, targets = np.unique(labels[rows], return_inverse=True)
    if len(present) < 2:
        return "the rows drawn for it are of one class"
    score = registry.get("metric", metric_of(task)).function
    columns = _widen(score, present, max(len(task.data.counts), int(labels.max()) + 1))
    probe = Probe(columns, targets, task.folds[rows], units[rows], task.seed)
    chance, perfect = probe.room
    if not (math.isfinite(chance) and math.isfinite(perfect) and perfect > chance):
        return f"{metric_of(task)} is {chance:.3g} by chance and {perfect:.3g} at best"
    return Sample(task, rows, probe)


def metric_of(task: Task) -> str:
    """The name of the metric that a probe of the task is scored by."""
    return task.metric if task.data.target.exclusive else "balanced_accuracy"


def _widen(metric: Any, present: np.ndarray, classes: int) -> Any:
    """The metric of the task's classes, for probabilities `[N, present]` of some of them."""

    def widened(target: np.ndarray, probability: np.ndarray) -> float:
        wide = np.zeros((len(probability), classes))
        wide[:, present] = probability
        return float(metric(present[target], wide))

    return widened
