"""The ways to search that are compared."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

from optuna.pruners import MedianPruner, SuccessiveHalvingPruner
from optuna.samplers import TPESampler

from automask.hpo import sampler
from automask.hpo.proposer import CHEAPEST_OF
from automask.hpo.pruners import TwoStage
from benchmarks.replay.searching import Strategy

RANDOM = Strategy("random search")
OUR_SAMPLER = partial(sampler.make_sampler, "tpe")

OURS = Strategy("ours", OUR_SAMPLER, TwoStage, CHEAPEST_OF)


def _tpe(**options: Any) -> Any:
    return lambda seed: TPESampler(seed=seed, **options)


#: Seeds of what only tells which part does what, or which of several ways is best.
FEW = 20

#: What a reader would try instead, and ours with a part taken out.
COMPARED = (
    RANDOM,
    Strategy("TPE, MedianPruner", _tpe(), lambda folds: MedianPruner()),
    Strategy("TPE, SuccessiveHalving", _tpe(), lambda folds: SuccessiveHalvingPruner()),
    OURS,
    Strategy("ours, warm-started", OUR_SAMPLER, TwoStage, CHEAPEST_OF, warm=True, seeds=FEW),
    Strategy("our sampler and pruner alone", OUR_SAMPLER, TwoStage, seeds=FEW),
    Strategy("ours without pruning", OUR_SAMPLER, cheapest_of=CHEAPEST_OF, seeds=FEW),
    Strategy("random search, our pruner", None, TwoStage),
)


def _ours(name: str, sampler: Any = OUR_SAMPLER, cheapest_of: int = CHEAPEST_OF) -> Strategy:
    return Strategy(f"ours, {name}", sampler, TwoStage, cheapest_of)


#: Ours with another sampler, or with other random recipes before it.
SAMPLERS = (
    OURS,
    _ours("univariate", _tpe(n_startup_trials=10, multivariate=False)),
    _ours("20 random", _tpe(n_startup_trials=20, multivariate=True)),
    _ours("any random", cheapest_of=1),
    _ours("cheapest of 6", cheapest_of=6),
)


def _pruning(keep: float, z: float, rank: int) -> Strategy:
    def pruner(folds: int) -> TwoStage:
        return TwoStage(folds, keep=keep, z=z, rank=rank)

    return Strategy(
        f"keep {keep:g}, z {z:g}, rank {rank}", OUR_SAMPLER, pruner, CHEAPEST_OF, seeds=FEW
    )


_own = TwoStage(5)
#: Ours with our pruner's other parameters; its own are the first.
PRUNERS = (
    _pruning(_own.keep, _own.z, _own.rank),
    *(_pruning(k, z, 5) for k, z in itertools.product((0.67, 0.8, 0.9), (1.5, 2.5, 4.0))),
    *(_pruning(0.8, 2.5, rank) for rank in (1, 3, 10)),
)
