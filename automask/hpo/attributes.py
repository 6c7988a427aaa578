"""What automask notes of a study and of its trials: the only way to Optuna's user attributes.

A record is what stands in the storage at that moment. Each attribute is there under its name, with
blanks for a study's underscores; studies begun by earlier versions have them so.
"""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar, Self, TypeVar

import optuna
from optuna.trial import FrozenTrial
from pydantic import BaseModel, ConfigDict

from automask.space.recipe import Recipe

#: True where it is so, and else not there.
Flag = bool | None
#: Values of what a recipe leaves free, by Optuna's names.
Params = dict[str, Any]
A = TypeVar("A", bound="_Attributes")


class _Attributes(BaseModel):
    """Attributes by name; making one of an unknown name or of another type is a `ValueError`."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, validate_by_name=True, validate_by_alias=True
    )

    @classmethod
    def read(cls, owner: Any) -> Self:
        """What `owner` has; attributes of a newer version are passed over.

        Not validated, and by a copy, which is the quickest: every proposal reads every trial.
        """
        stored, (empty, names) = owner.user_attrs, _layout(cls)
        values = {name: stored[key] for key, name in names if key in stored}
        attributes: Self = empty.model_copy(update=values)
        return attributes

    def write(self, owner: Any) -> None:
        """Keep the attributes that this was made with, also those that are None, one after the other as
        the class lists them; others stay."""
        for name, value in self.stored().items():
            owner.set_user_attr(name, value)

    def stored(self) -> dict[str, Any]:
        """The attributes that this was made with, as Optuna keeps them."""
        return self.model_dump(by_alias=True, include=self.model_fields_set)


@cache
def _layout(cls: type[A]) -> tuple[A, list[tuple[str, str]]]:
    """A record of nothing, and the key and the name of each attribute."""
    return cls(), [(field.alias or name, name) for name, field in cls.model_fields.items()]


class TrialAttributes(_Attributes):
    """What is noted of a trial.

    How it came: the recipe that was `given` by name, which may lie `outside` the space; `drawn` at
    random before the sampler knew enough; to try what `joined` the space; the recipe of trial `again`,
    which was looked at before; one to begin with at a `smaller` image size, for the time that is left;
    begun `anyway`, though it may not end in time.

    Before it runs: its recipe with the hash, the hash that it has with the most epochs (`base`), the
    `worker` that has it, `cost` in GFLOP and what `kind` of, and the seconds `predicted` (None where
    nothing told).

    Of its run: the score of the `look` at it, noted last of all where it goes on; the fewest epochs of a
    fold where time made them less (`shortened`); the `seconds` spent, `pace` in seconds a GFLOP on
    `machine`, the `micro_batch` that fit where the recipe's didn't, whether it was `resumed`, and why it
    failed, in a word and in a sentence.
    """

    given: dict[str, Any] | None = None
    outside: Flag = None
    drawn: Flag = None
    joined: Flag = None
    again: int | None = None
    smaller: Flag = None
    anyway: Flag = None
    recipe: dict[str, Any] | None = None
    hash: str | None = None
    base: str | None = None
    worker: str | None = None
    cost: float | None = None
    kind: str | None = None
    predicted: float | None = None
    look: float | None = None
    shortened: int | None = None
    seconds: float | None = None
    pace: float | None = None
    machine: str | None = None
    micro_batch: int | None = None
    resumed: Flag = None
    reason: str | None = None
    message: str | None = None

    def enqueue(self, study: optuna.Study, params: Params) -> None:
        """Queue a trial with these parameters, noted like this."""
        study.enqueue_trial(params, user_attrs=self.stored())


class StudyAttributes(_Attributes):
    """What is noted of a study.

    The `fingerprint` of what it is about; recipes to begin with by where they come from: `start` before
    the default one, `advice`, `probe`, `warm_start` after it; `passes`, seconds a GFLOP of a pass
    through each network, until trials tell better; `joined`, which tries what joined the space and isn't
    queued yet; the folder of weights; the edge in pixels of its `largest` images; `disk`, the bytes that
    caches and weights may take; the (library, model) pairs that were to be had, of those that were
    asked for; whether `mirroring` keeps classes; the `depth` at which deep images are read; the sources
    of its `plugins` and the versions of its `packages`, each in the order in which it went on with them.
    """

    model_config = ConfigDict(alias_generator=lambda name: name.replace("_", " "))
    #: Where recipes to begin with come from, in this order; the default one follows the first.
    QUEUES: ClassVar = ("start", "advice", "probe", "warm_start")

    fingerprint: dict[str, str] | None = None
    start: dict[str, Any] | None = None
    probe: dict[str, Any] | None = None
    warm_start: dict[str, Any] | None = None
    passes: dict[str, float] | None = None
    joined: list[Params] | None = None
    weights_folder: str | None = None
    largest: int = 0
    disk: int | float | None = None
    models: list[tuple[str, str]] | None = None
    models_asked: list[tuple[str, str]] | None = None
    mirroring: dict[str, Any] | None = None
    depth: dict[str, Any] | None = None
    plugins: dict[str, list[str]] | None = None
    packages: dict[str, list[str]] | None = None
    #: Written last of all, so that a study which has it has what was measured with it.
    advice: dict[str, Any] | None = None

    @property
    def identity(self) -> dict[str, str]:
        """The fingerprint; empty where the study has none."""
        return self.fingerprint or {}

    @property
    def metric(self) -> str:
        """The metric's name, or a word for it."""
        return self.identity.get("metric", "score")

    def queue(self, source: str) -> list[Params]:
        """The recipes that come from one of `QUEUES`."""
        recipes: list[Params] = (getattr(self, source) or {}).get("recipes", [])
        return recipes


def recipe_of(trial: FrozenTrial | optuna.Trial) -> Recipe:
    """The recipe of a trial that somebody has taken up; raises `ValueError` for another."""
    facts = TrialAttributes.read(trial).recipe
    if facts is None:
        raise ValueError(f"trial {trial.number} has no recipe")
    return Recipe.from_dict(facts)
