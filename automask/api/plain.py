"""A search told in plain lines, as a notebook or a log file shows it."""

from __future__ import annotations

import time
from typing import Any

from automask.hpo.progress import Event, Step
from automask.listener import Listener, is_heard
from automask.study.run import SearchEnd as SearchEnd
from automask.study.run import SearchStart as SearchStart
from automask.study.summary import Ended, Overview
from automask.units import duration

HOUR = 3600.0


class PlainDisplay(Listener):
    """Prints a line a sentence, a line a trial that has ended, one an hour, and how a search ended."""

    trials = 0

    def __init__(self) -> None:
        self.begin, self.hours = time.time(), 0
        self.overview, self.folds = Overview("score"), 1
        self.steps: dict[int, Step] = {}
        self.notes: set[str] = set()

    def say(self, text: str) -> None:
        """Print a line."""
        print(text, flush=True)

    def note(self, text: str) -> None:
        """Each sentence is said once."""
        if text not in self.notes:
            self.say(f"note: {text}")
        self.notes.add(text)

    def publish(self, event: Any) -> None:
        if isinstance(event, SearchStart):
            self.start(event)
        elif isinstance(event, SearchEnd):
            self.end(event)
        elif event.what == "end":
            self.trial_ended(event)
        else:
            self.trial_goes_on(event)
        hours = int((time.time() - self.begin) / HOUR)
        if hours > self.hours and not isinstance(event, SearchEnd):
            self.hours = hours
            self.say(hour_line(self.overview, time.time() - self.begin, self.trials))

    def start(self, start: SearchStart) -> None:
        self.overview, self.folds = start.overview, start.folds
        self.trials = start.limits.trials
        if start.resumed:
            self.say(f"going on after {len(start.overview.counted)} finished trials")

    def trial_goes_on(self, event: Event) -> None:
        if event.step is not None:
            self.steps[event.number] = event.step

    def trial_ended(self, event: Event) -> None:
        share = 1.0 if event.state == "complete" else self._share(event.number)
        values = (event.state, event.recipe, event.value, event.seconds, share)
        trial = Ended(event.number, *values, message=event.message)
        self.overview.add(trial)
        self.show_trial(trial)

    def show_trial(self, trial: Ended) -> None:
        self.say(trial_line(trial, self.overview))

    def end(self, end: SearchEnd) -> None:
        self.say(ending_line(end))
        for trial in failed(end):
            self.say(f"trial {trial.number} failed: {trial.state}: {trial.message[:300]}")
        if end.best:
            self.say(best_line(end))
        if end.verdict:
            self.say(end.verdict)

    def _share(self, number: int) -> float:
        """The share of a trial's training that was done at its last step."""
        step = self.steps.get(number)
        return 0.0 if step is None else (step.fold + step.epoch / step.epochs) / self.folds


def listener_or_lines(listener: Listener | None) -> Listener | None:
    """Who hears of a search: plain lines tell of it where nobody else would."""
    return listener or (None if is_heard() else PlainDisplay())


def trial_line(trial: Ended, overview: Overview) -> str:
    """A trial that has ended in one plain line, with the best and the blend so far."""
    value = "" if trial.value is None else f" {trial.value:.4f}"
    why = f": {trial.message}" if trial.message else ""
    values = (("best", overview.best), ("ensemble so far", overview.blended))
    scores = ", ".join(f"{name} {reached.value:.4f}" for name, reached in values if reached)
    result = f"{trial.state}{value} in {trial.seconds:.0f} s{f' ({scores})' if scores else ''}"
    return f"trial {trial.number}: {result}, {trial.recipe.describe()}{why}"


def hour_line(overview: Overview, seconds: float, trials: int) -> str:
    """How far a search is that has gone on for so long."""
    states = ", ".join(f"{count} {state}" for state, count in sorted(overview.states.items()))
    best = f", best {overview.best.value:.4f}" if overview.best else ""
    so_far = f"{len(overview.counted)} of {trials} trials"
    return f"{duration(seconds)} so far: {so_far}{f' ({states})' if states else ''}{best}"


def ending_line(end: SearchEnd) -> str:
    """Why a search ended, and how its trials did."""
    states = [trial.state for trial in end.trials]
    complete, pruned = states.count("complete"), states.count("pruned")
    rest = len(states) - complete - pruned
    return f"{end.ending}: {complete} complete, {pruned} pruned, {rest} failed"


def failed(end: SearchEnd) -> list[Ended]:
    """The last ten trials that failed."""
    return [trial for trial in end.trials if trial.state not in ("complete", "pruned")][-10:]


def best_line(end: SearchEnd) -> str:
    best = end.best
    assert best is not None
    return f"best: trial {best.number}, {end.metric} {best.value:.4f}, {best.recipe.describe()}"
