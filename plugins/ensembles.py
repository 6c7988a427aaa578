"""Ensembles: how members are blended (`automask.space.protocols.EnsemblePlugin`).

They stand in order, the simplest first: of methods that score the same `automask ensemble --method auto`
takes the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from automask import Float, Int, ensemble
from automask.plugins._blends import (
    QuantileMean,
    RankMean,
    Stacked,
    Vote,
    WeightedMean,
    centred_logs,
)
from automask.target import MULTI, SINGLE

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

#: A greedy selection ends after so many members in a row that didn't help.
PATIENCE = 10
#: A bag of fewer members would force weak ones in.
SMALLEST_BAG = 3
#: Steps in which the regression of `stack` is found.
STEPS = 50


@ensemble(target="any")
def best(
    probability: np.ndarray,
    target: np.ndarray,
    metric: Callable[[np.ndarray, np.ndarray], float],
    rng: np.random.Generator,
) -> Callable[[np.ndarray], np.ndarray]:
    """The single best member.

    When to use: one model must do.
    """
    import numpy as np

    scores = [metric(target, member) for member in probability]
    return WeightedMean(np.eye(len(probability))[int(np.argmax(scores))])


@ensemble(target="any")
def mean(
    probability: np.ndarray,
    target: np.ndarray,
    metric: Callable[[np.ndarray, np.ndarray], float],
    rng: np.random.Generator,
) -> Callable[[np.ndarray], np.ndarray]:
    """The plain mean of all members.

    When to use: few rows, where chosen weights would overfit.
    """
    import numpy as np

    return WeightedMean(np.full(len(probability), 1 / len(probability)))


@ensemble(target=("single", "multi"))
def rank_mean(
    probability: np.ndarray,
    target: np.ndarray,
    metric: Callable[[np.ndarray, np.ndarray], float],
    rng: np.random.Generator,
) -> Callable[[np.ndarray], np.ndarray]:
    """The mean of ranks instead of probabilities.

    A probability counts by its rank among all that the member gave to the rows seen, over rows and
    classes together, so that a member's own order of the classes stays. Nothing changes where a member
    is rescaled by a rising function; of labels no order does, and probabilities become again what the
    members have at a rank on average.
    When to use: members that are sure to very different degrees (other losses, label smoothing).
    """
    import numpy as np

    blend = RankMean if target.ndim == 1 else QuantileMean
    return blend(np.sort(probability.reshape(len(probability), -1)))


@ensemble(target=("single", "multi"), answers_only=True)
def hard_vote(
    probability: np.ndarray,
    target: np.ndarray,
    metric: Callable[[np.ndarray, np.ndarray], float],
    rng: np.random.Generator,
) -> Callable[[np.ndarray], np.ndarray]:
    """A vote a member for its likeliest class, or for each label above a half, however sure it is.

    Of tied classes that of the better members wins.
    When to use: members whose confidence can't be trusted, and a metric of answers: where it reads
    probabilities, as log_loss does, auto leaves votes out.
    """
    import numpy as np

    scores = np.array([metric(target, member) for member in probability])
    places = np.argsort(np.argsort(-scores, kind="stable"))
    # So little that it only ever decides a tie.
    return Vote(1 - places / (2 * len(scores) ** 2 + 2), SINGLE if target.ndim == 1 else MULTI)


@ensemble(size=Int(1, 200), bags=Int(1, 50), share=Float(0.1, 1.0), start=Int(1, 25), target="any")
def greedy(
    probability: np.ndarray,
    target: np.ndarray,
    metric: Callable[[np.ndarray, np.ndarray], float],
    rng: np.random.Generator,
    *,
    size: int = 50,
    bags: int = 5,
    share: float = 0.5,
    start: int = 5,
) -> Callable[[np.ndarray], np.ndarray]:
    """Adds the member that helps most, again and again, with replacement (Caruana et al., 2004).

    Done in `bags`, each with a random `share` of the members (three or more), whose weights are
    averaged, so that no member comes in by luck alone. Each begins with its best
    members, as many up to `start` as score best together; of the sums of up to `size` met on the way
    the best one counts, the shorter one among equals.
    When to use: many members of mixed quality; weak ones do no harm.
    """
    import numpy as np

    scores = np.array([metric(target, member) for member in probability])
    order = np.argsort(-scores, kind="stable")
    count = min(len(order), max(SMALLEST_BAG, int(np.ceil(share * len(order)))))
    weights = np.zeros(len(order))
    # Bags of all members would all be the same.
    for _ in range(bags if count < len(order) else 1):
        bag = order[np.sort(rng.permutation(len(order))[:count])]
        weights[bag] += _grow(probability[bag], target, metric, size, start)
    return WeightedMean(weights / weights.sum())


def _grow(
    probability: np.ndarray,
    target: np.ndarray,
    metric: Callable[[np.ndarray, np.ndarray], float],
    size: int,
    start: int,
) -> np.ndarray:
    """Weights `[T]` that sum to 1, by greedy selection from members that come best first."""
    import numpy as np

    # Members are stored so, and take half the time.
    probability = probability.astype(np.float32)
    sums = np.cumsum(probability[: min(start, size)], axis=0)
    scores = [metric(target, total / step) for step, total in enumerate(sums, 1)]
    first = int(np.argmax(scores)) + 1
    counts, total = (np.arange(len(probability)) < first).astype(float), sums[first - 1]
    best, best_score, idle = counts, scores[first - 1], 0
    room = np.empty_like(total)
    for step in range(first + 1, size + 1):
        scores = []
        for member in probability:
            np.add(total, member, out=room)
            np.multiply(room, 1 / step, out=room)
            scores.append(metric(target, room))
        chosen = int(np.argmax(scores))
        total += probability[chosen]
        counts = counts + np.eye(len(counts))[chosen]
        if scores[chosen] > best_score + 1e-12:
            best, best_score, idle = counts, scores[chosen], 0
        elif (idle := idle + 1) == PATIENCE:
            break
    return best / best.sum()


@ensemble(evaluations=Int(50, 5000), target="any")
def cma(
    probability: np.ndarray,
    target: np.ndarray,
    metric: Callable[[np.ndarray, np.ndarray], float],
    rng: np.random.Generator,
    *,
    evaluations: int = 300,
) -> Callable[[np.ndarray], np.ndarray]:
    """Weights found by CMA-ES, an evolution strategy (Hansen and Ostermeier, 2001).

    Weights are a softmax, which keeps them off the extremes; the best met count, the best member alone
    and the plain mean among them. Used for ensembles by Purucker and Beel (2023), who found it to
    overfit metrics of labels. Needs pip install 'automask[cma]'.
    When to use: a smooth metric such as log_loss, and many rows.
    """
    import numpy as np

    from automask.errors import UserError

    try:
        from cmaes import CMA
    except ImportError as error:
        raise UserError("ensemble 'cma' needs: pip install 'automask[cma]'") from error
    count, flat = len(probability), probability.reshape(len(probability), -1)

    def scores_of(weights: np.ndarray) -> np.ndarray:
        blends = (weights @ flat).reshape(-1, *probability.shape[1:])
        return np.array([metric(target, blend) for blend in blends])

    met = np.concatenate([np.full((1, count), 1 / count), np.eye(count)])
    scores = scores_of(met)
    best, best_score = met[scores.argmax()], scores.max()
    if count == 1:
        return WeightedMean(best)
    search = CMA(mean=np.zeros(count), sigma=1.0, seed=int(rng.integers(2**31)))
    for _ in range(max(1, evaluations // search.population_size)):
        points = np.stack([search.ask() for _ in range(search.population_size)])
        weights = np.exp(points - points.max(1, keepdims=True))
        weights /= weights.sum(1, keepdims=True)
        scores = scores_of(weights)
        if scores.max() > best_score:
            best, best_score = weights[scores.argmax()], scores.max()
        search.tell(list(zip(points, (-scores).tolist(), strict=True)))
        if search.should_stop():
            break
    return WeightedMean(best)


@ensemble(C=Float(1e-5, 10.0, log=True))
def stack(
    probability: np.ndarray,
    target: np.ndarray,
    metric: Callable[[np.ndarray, np.ndarray], float],
    rng: np.random.Generator,
    *,
    C: float = 0.01,
) -> Callable[[np.ndarray], np.ndarray]:
    """Logistic regression on the members' log-probabilities (Wolpert, 1992).

    Learns which member to believe in which class, and which ones are confused with one another. `C` is
    the inverse of the penalty on its weights, as in scikit-learn.
    When to use: many rows a class, and members whose errors have a system.
    """
    import numpy as np
    import torch
    from torch.nn.functional import cross_entropy

    classes, own = np.unique(target, return_inverse=True)
    if len(classes) < 2:
        return mean(probability, target, metric, rng)
    logs = centred_logs(probability)
    scale = float(logs.std()) or 1.0
    features = torch.from_numpy((logs / scale).astype(np.float32))
    labels = torch.from_numpy(own)
    rows, width = features.shape
    # Two classes share what one row of coefficients would have.
    penalty = (1 if len(classes) > 2 else 2) / (2 * C * rows)
    weights = torch.zeros(len(classes), width + 1, dtype=features.dtype, requires_grad=True)
    # A tenth of the time that scikit-learn's solver takes for as many steps, and as near the optimum.
    optimizer = torch.optim.LBFGS(
        [weights],
        max_iter=STEPS,
        history_size=10,
        tolerance_grad=1e-3,
        tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        coefficients, intercepts = weights[:, :-1], weights[:, -1]
        loss = cross_entropy(features @ coefficients.T + intercepts, labels)
        loss = loss + penalty * coefficients.square().sum()
        loss.backward()
        return loss

    with torch.enable_grad():
        optimizer.step(closure)
    table = weights.detach().double().numpy()
    if len(classes) == 2:
        table = table[1:] - table[:1]
    return Stacked(table[:, :-1], table[:, -1], classes, scale)
