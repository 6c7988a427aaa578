"""The ways to search that are compared."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

from optuna.pruners import MedianPruner, SuccessiveHalvingPruner
from optuna.samplers import TPESampler

from automask.hpo import sampler
from automask.hpo.pruners import TwoStage
from benchmarks.replay.searching import Strategy

RANDOM = Strategy("random search")
OUR_SAMPLER = partial(sampler.make_sampler, "tpe")

OURS = Strategy("ours", OUR_SAMPLER, TwoStage, queue=True, looks=True)


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
    Strategy("ours, warm-started", OUR_SAMPLER, TwoStage, True, True, warm=True, seeds=FEW),
    Strategy("ours without the queue", OUR_SAMPLER, TwoStage, looks=True, seeds=FEW),
    Strategy("ours without looks", OUR_SAMPLER, TwoStage, queue=True, seeds=FEW),
    Strategy("ours without pruning", OUR_SAMPLER, queue=True, seeds=FEW),
    Strategy("random search, our race", None, TwoStage, looks=True),
)


def _ours(name: str, sampler: Any = OUR_SAMPLER) -> Strategy:
    return Strategy(f"ours, {name}", sampler, TwoStage, queue=True, looks=True)


#: Ours with another sampler.
SAMPLERS = (
    OURS,
    _ours("univariate", _tpe(n_startup_trials=10, multivariate=False)),
    _ours("20 random", _tpe(n_startup_trials=20, multivariate=True)),
)


def _pruning(z: float, rank: int) -> Strategy:
    def pruner(folds: int) -> TwoStage:
        return TwoStage(folds, z=z, rank=rank)

    return Strategy(f"z {z:g}, rank {rank}", OUR_SAMPLER, pruner, True, True, seeds=FEW)


_own = TwoStage(5)
#: Ours with our pruner's other parameters; its own are the first.
PRUNERS = (
    _pruning(_own.z, _own.rank),
    *(_pruning(z, rank) for z, rank in itertools.product((1.5, 2.5, 4.0), (1, 5, 10))),
)
