"""A search against a table: proposals become the nearest recorded recipes, and seconds are counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import FixedTrial, TrialState, create_trial

from automask.hpo import warm_start
from automask.hpo.attributes import StudyAttributes, TrialAttributes
from automask.hpo.progress import LOOK
from automask.hpo.proposer import Proposer
from automask.hpo.pruners import LOOKED, step_number
from automask.hpo.race import Race
from automask.hpo.suggester import suggester
from automask.space.distance import parameters
from automask.space.ranges import Range
from automask.space.space import plain_name
from benchmarks.replay.table import Table


@dataclass(frozen=True)
class Strategy:
    """How to search: who proposes, and who prunes.

    Without a sampler recipes are drawn evenly from the table, which is random search. A sampler is made
    for a seed, a pruner for a number of folds. With a `queue` it is what `automask search` does: first
    the queue, then random recipes, then the sampler. With `looks` recipes race before they are trained.
    A `warm` one has what did well in other tables in its queue. One that is slow has so many `seeds` at
    most.
    """

    name: str
    sampler: Callable[[int], BaseSampler] | None = None
    pruner: Callable[[int], BasePruner] = lambda folds: optuna.pruners.NopPruner()
    queue: bool = False
    looks: bool = False
    warm: bool = False
    seeds: int | None = None


@dataclass(frozen=True)
class Run:
    """T trials: which recipe, seconds spent by its end, and whether it was trained to the end."""

    rows: np.ndarray
    spent: np.ndarray
    complete: np.ndarray

    def best(self, table: Table) -> np.ndarray:
        """`[T]`: the best value of the complete trials so far; the table's least before there is one."""
        values = np.where(self.complete, table.value[self.rows], table.value.min())
        return np.maximum.accumulate(values)


@dataclass(frozen=True)
class Paid:
    """What a step of a trial cost in seconds, and the score that it reported, if any."""

    seconds: float
    score: float = np.nan
    number: int | None = None
    final: bool = False


def steps(table: Table, row: int) -> Iterator[Paid]:
    """A recipe's training as `training.fit` reports it, each step read only when it is asked for."""
    folds, last = table.score.shape[1], int(table.epochs[row]) - 1
    for fold in range(folds):
        if table.at_once[row]:
            yield Paid(table.seconds[row, fold, last])
        else:
            for epoch in range(last + 1):
                yield Paid(table.seconds[row, fold, epoch])
        final = bool(table.at_once[row]) or fold == folds - 1
        number = step_number(fold)
        yield Paid(table.scoring[row, fold, last], table.score[row, fold, last], number, final)


def look(table: Table, row: int) -> Iterator[Paid]:
    """A look at a recipe, for which the table has the first fold's scores in the midst of its training:
    a short schedule that ends would tell more.
    """
    last = max(1, round(LOOK * table.epochs[row])) - 1
    for epoch in range(last + 1):
        yield Paid(table.seconds[row, 0, epoch])
    yield Paid(table.scoring[row, 0, last], table.score[row, 0, last], LOOKED)


def replay(
    table: Table, strategy: Strategy, seed: int, trials: int = 50, warm: Sequence[int] = ()
) -> Run:
    """Search the table for so many trials, or until it has no recipe left; `warm` rows come right
    after default and advice."""
    folds, trials = table.score.shape[1], min(trials, len(table))
    rng, unused = np.random.default_rng(seed), np.ones(len(table), bool)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    pruner = strategy.pruner(folds)
    sampler = strategy.sampler(seed) if strategy.sampler else optuna.samplers.RandomSampler(seed)
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
    order = iter(rng.permutation(np.flatnonzero(table.drawn)).tolist())
    propose = _proposing(table, strategy, study, seed, warm)
    rows, spent, complete, seconds = [], [], [], 0.0
    while len(rows) < trials:
        if strategy.sampler is None:
            row = next(order, None)
        else:
            proposed = propose()
            row = None if proposed is None else nearest(table, proposed, unused)
        if row is None:
            break
        unused[row] = False
        cost, whole = _trained(table, strategy, study, pruner, row)
        seconds += cost
        rows.append(row)
        spent.append(seconds)
        complete.append(whole)
    return Run(np.array(rows), np.array(spent), np.array(complete))


Proposal = dict[str, tuple[Any, Range]]


def _proposing(
    table: Table, strategy: Strategy, study: optuna.Study, seed: int, warm: Sequence[int]
) -> Callable[[], Proposal | None]:
    """What proposes the next recipe, or None where there is nothing new.

    What is trained, and told, is the nearest recorded recipe instead, so that a proposal ends at once.
    """
    if not strategy.queue:

        def ask() -> Proposal:
            trial = study.ask()
            recipe = table.space.sample(suggester(trial))
            study.tell(trial, state=TrialState.FAIL)
            return parameters(table.space, recipe)

        return ask
    queued = np.flatnonzero(~table.drawn)[1:]
    advice, earlier = ({"recipes": [_free(table, row) for row in rows]} for rows in (queued, warm))
    StudyAttributes(advice=advice, warm_start=earlier).write(study)
    proposer = Proposer(study, table.space, "", None, seed, table.cost)

    def next_one() -> Proposal | None:
        proposal = proposer.next()
        if isinstance(proposal, str):
            return None
        study.tell(proposal.trial, state=TrialState.FAIL)
        return parameters(table.space, proposal.recipe)

    return next_one


def _free(table: Table, row: int) -> dict[str, Any]:
    return {name: value for name, (value, _) in table.parameters[row].items()}


def warm_rows(table: Table, others: Sequence[Table]) -> list[int]:
    """A portfolio of other tables' recipes, each as the nearest unused row that was drawn here."""
    earlier = []
    for other in others:
        order = np.argsort(-other.value, kind="stable")
        recipes = tuple(other.recipes[row] for row in order)
        earlier.append(warm_start.Earlier(other.name, recipes, other.value[order]))
    unused, rows = table.drawn.copy(), []
    for _, free in warm_start.portfolio(earlier, table.space):
        recipe = table.space.nearest({plain_name(name): value for name, value in free.items()})[0]
        rows.append(nearest(table, parameters(table.space, recipe), unused))
        unused[rows[-1]] = False
    return rows


def nearest(table: Table, proposed: dict[str, tuple[Any, Range]], unused: np.ndarray) -> int:
    """The unused row that is nearest to a proposal, the first of several."""
    return int(np.argmin(np.where(unused, table.places.distances(proposed), np.inf)))


def _trained(
    table: Table, strategy: Strategy, study: optuna.Study, pruner: BasePruner, row: int
) -> tuple[float, bool]:
    """Tell the study of a recipe, step by step; the seconds paid, and whether it came to its end."""
    fixed = FixedTrial(_free(table, row))
    for name, (_, range_) in table.parameters[row].items():
        suggester(fixed)(name, range_)
    study.add_trial(
        create_trial(
            state=TrialState.WAITING,
            params=fixed.params,
            distributions=fixed.distributions,
            user_attrs=TrialAttributes(hash=table.recipes[row].hash).stored(),
        )
    )
    storage, id_ = study._storage, study.get_trials(deepcopy=False)[-1]._trial_id
    storage.set_trial_state_values(id_, TrialState.RUNNING)
    seconds = 0.0
    if strategy.looks and not table.at_once[row] and table.epochs[row] > 1:
        others = study.get_trials(deepcopy=False)
        for paid in look(table, row):
            seconds += float(paid.seconds)
        storage.set_trial_intermediate_value(id_, LOOKED, float(paid.score))
        storage.set_trial_user_attr(id_, "look", float(paid.score))
        if not Race(1, int(table.epochs[row])).goes_on(float(paid.score), others):
            storage.set_trial_state_values(id_, TrialState.PRUNED)
            return seconds, False
    for paid in steps(table, row):
        seconds += float(paid.seconds)
        if paid.number is None:
            continue
        storage.set_trial_intermediate_value(id_, paid.number, float(paid.score))
        if not paid.final and pruner.prune(study, storage.get_trial(id_)):
            storage.set_trial_state_values(id_, TrialState.PRUNED)
            return seconds, False
    storage.set_trial_state_values(id_, TrialState.COMPLETE, [float(table.value[row])])
    return seconds, True
