"""How the trials with a plugin did in a study, against those without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import optuna
from optuna.trial import FrozenTrial

from automask.hpo.attributes import StudyAttributes, recipe_of


@dataclass(frozen=True)
class PluginRecord:
    """The scores of the complete trials of a study, with a plugin and without it."""

    study: str
    metric: str
    scores: tuple[float, ...]
    rest: tuple[float, ...]

    def __str__(self) -> str:
        count, all_ = len(self.scores), len(self.scores) + len(self.rest)
        where = f"study '{self.study}': in {count} of {all_} complete trials"
        text = f"{where}, best {self.metric} {max(self.scores):.4f}"
        if not self.rest:
            return text
        return (
            f"{text} against {max(self.rest):.4f} of the rest, median {median(self.scores):.4f} "
            f"against {median(self.rest):.4f}"
        )


def plugin_record(
    study: optuna.Study, trials: Sequence[FrozenTrial], kind: str, name: str
) -> PluginRecord:
    """The record of a plugin among the complete `trials` of a study.

    What a search chose to try isn't dealt out by chance: trials differ in more than the plugin.
    """
    scores: dict[bool, list[float]] = {True: [], False: []}
    for trial in trials:
        choice = recipe_of(trial).choices.get(kind)
        scores[choice is not None and choice.name == name].append(trial.values[0])
    metric = StudyAttributes.read(study).metric
    return PluginRecord(study.study_name, metric, tuple(scores[True]), tuple(scores[False]))
