"""What a task asks of a row: one class, one grade, several labels, or a number.

All four speak in two tables. Labels are the truth, `[N]` whole numbers (a class or grade each),
`[N, C]` of 0 and 1 (labels), or `[N]` floats (numbers). Predictions are `[N, C]` whatever is asked:
probabilities of the classes, grades or labels, or a single column of numbers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

#: Rows of a number are stratified by so many bands that hold as many rows each.
BANDS = 10
#: What a plugin that takes every target declares.
ANY = "any"


@dataclass(frozen=True)
class Target:
    """One class of several for each row: labels int `[N]`, probabilities `[N, C]` that sum to 1.

    The other targets are made from this one, and say where they differ.
    """

    name: ClassVar[str] = "single"
    phrase: ClassVar[str] = "one class a row"
    #: What plugins that work with it declare: one of these, or `ANY`.
    accepted: ClassVar[tuple[str, ...]] = ("single",)
    #: What may move a decision, in words (`automask.ensembles.decisions`).
    shift: ClassVar[str] = "class biases, added to log-probabilities"
    #: Is a prediction a distribution over classes, of which a row has exactly one?
    exclusive: ClassVar[bool] = True

    def suits(self, declared: str | Collection[str]) -> bool:
        """Whether a plugin that declares to take `declared` takes this target."""
        names = {declared} if isinstance(declared, str) else {*declared}
        return bool(names & {ANY, *self.accepted})

    def activate(self, logits: Tensor) -> Tensor:
        """Predictions `[..., C]` from a network's outputs `[..., C]`."""
        return logits.softmax(-1)

    def aims(self, labels: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
        """What training aims at: float32 `[T, C]` and, int64 `[N]`, which of them each row has."""
        import numpy as np

        return np.eye(classes, dtype=np.float32), labels.astype(np.int64)

    def aim(self, prediction: np.ndarray) -> np.ndarray:
        """float32 `[N, C]`: what a training aims at so that a network predicts this `[N, C]`."""
        import numpy as np

        return prediction.astype(np.float32)

    def counts(self, labels: np.ndarray, classes: int) -> np.ndarray:
        """`[C]` rows of each class."""
        import numpy as np

        return np.bincount(labels, minlength=classes)

    def renumber(self, labels: np.ndarray, places: np.ndarray, classes: int) -> np.ndarray:
        """The labels where the classes are others, of so many: class c is class `places[c]` there."""
        numbers: np.ndarray = places[labels]
        return numbers

    def strata(self, labels: np.ndarray) -> np.ndarray:
        """What folds have their share of: a class each `[N]`, or label sets `[N, C]`."""
        return labels

    def single_classes(self, labels: np.ndarray) -> np.ndarray:
        """A class for each row, int `[N]`, for what can only tell single classes apart.

        Of several labels it is the rarest of the row, of a number the band.
        """
        return labels

    def questions(
        self, labels: np.ndarray, prediction: np.ndarray
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """What is asked, as questions of which a class is the answer: labels int `[N]` and
        probabilities `[N, K]` of each. Whether a row has a label is a question; a number has none.
        """
        return [(labels, prediction)]

    def differ(self, answers: np.ndarray, others: np.ndarray) -> np.ndarray:
        """bool `[N]`: where two tables of answers differ; numbers do by a tenth of a deviation."""
        different: np.ndarray = answers != others
        return different

    def misfit(self, labels: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        """`[N]` how little each row's labels fit what is predicted: only their order has a meaning."""
        import numpy as np

        misfit: np.ndarray = -prediction[np.arange(len(labels)), labels]
        return misfit

    def decide(self, prediction: np.ndarray) -> np.ndarray:
        """The answers, as labels are, from predictions `[N, C]`."""
        answers: np.ndarray = prediction.argmax(1)
        return answers

    def harden(self, prediction: np.ndarray) -> np.ndarray:
        """Predictions `[N, C]` that hold nothing but the answers."""
        import numpy as np

        hard: np.ndarray = np.eye(prediction.shape[1])[self.decide(prediction)]
        return hard

    def soften(self, prediction: np.ndarray) -> np.ndarray:
        """Predictions `[N, C]` halfway to those that tell nothing; the answers stay."""
        soft: np.ndarray = (prediction + 1 / prediction.shape[1]) / 2
        return soft


@dataclass(frozen=True)
class Ordered(Target):
    """One grade of several, whose classes are in order. Whatever takes single classes takes it."""

    name: ClassVar[str] = "ordered"
    phrase: ClassVar[str] = "one grade a row, in order"
    accepted: ClassVar[tuple[str, ...]] = ("ordered", "single")
    shift: ClassVar[str] = "cut points on the expected grade, where a grade begins"


@dataclass(frozen=True)
class Multi(Target):
    """Any number of labels for each row: labels `[N, C]` of 0 and 1, a probability a label."""

    name: ClassVar[str] = "multi"
    phrase: ClassVar[str] = "any number of labels a row"
    accepted: ClassVar[tuple[str, ...]] = ("multi",)
    shift: ClassVar[str] = "label biases, added to log-odds"
    exclusive: ClassVar[bool] = False

    def activate(self, logits: Tensor) -> Tensor:
        return logits.sigmoid()

    def aims(self, labels: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
        import numpy as np

        sets, index = np.unique(labels, axis=0, return_inverse=True)
        return sets.astype(np.float32), index.reshape(-1).astype(np.int64)

    def counts(self, labels: np.ndarray, classes: int) -> np.ndarray:
        counts: np.ndarray = labels.sum(0)
        return counts

    def renumber(self, labels: np.ndarray, places: np.ndarray, classes: int) -> np.ndarray:
        import numpy as np

        out = np.zeros((len(labels), classes), labels.dtype)
        out[:, places] = labels
        return out

    def single_classes(self, labels: np.ndarray) -> np.ndarray:
        import numpy as np

        counts = np.append(labels.sum(0), len(labels) + 1)
        present = np.append(labels, np.ones((len(labels), 1), labels.dtype), 1) > 0
        rarest: np.ndarray = np.where(present, counts, np.inf).argmin(1)
        return rarest

    def questions(
        self, labels: np.ndarray, prediction: np.ndarray
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        import numpy as np

        tables = np.stack([1 - prediction, prediction], axis=2)
        return [(labels[:, label], tables[:, label]) for label in range(labels.shape[1])]

    def differ(self, answers: np.ndarray, others: np.ndarray) -> np.ndarray:
        different: np.ndarray = (answers != others).any(1)
        return different

    def misfit(self, labels: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        import numpy as np

        misfit: np.ndarray = -np.where(labels > 0, prediction, 1 - prediction).min(1)
        return misfit

    def decide(self, prediction: np.ndarray) -> np.ndarray:
        import numpy as np

        return (prediction > 0.5).astype(np.int64)

    def harden(self, prediction: np.ndarray) -> np.ndarray:
        return self.decide(prediction).astype(float)

    def soften(self, prediction: np.ndarray) -> np.ndarray:
        return (prediction + 0.5) / 2


@dataclass(frozen=True)
class Number(Target):
    """A number for each row: labels float `[N]`, predictions `[N, 1]` in the same unit.

    Networks learn it in deviations `scale` from the `center`.
    """

    name: ClassVar[str] = "number"
    phrase: ClassVar[str] = "a number a row"
    accepted: ClassVar[tuple[str, ...]] = ("number",)
    shift: ClassVar[str] = ""
    exclusive: ClassVar[bool] = False
    center: float = 0.0
    scale: float = 1.0

    def activate(self, logits: Tensor) -> Tensor:
        return logits * self.scale + self.center

    def aims(self, labels: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
        import numpy as np

        values, index = np.unique(labels, return_inverse=True)
        return self.aim(values[:, None]), index.astype(np.int64)

    def aim(self, prediction: np.ndarray) -> np.ndarray:
        import numpy as np

        return ((prediction - self.center) / self.scale).astype(np.float32)

    def counts(self, labels: np.ndarray, classes: int) -> np.ndarray:
        import numpy as np

        return np.array([len(labels)])

    def renumber(self, labels: np.ndarray, places: np.ndarray, classes: int) -> np.ndarray:
        return labels

    def strata(self, labels: np.ndarray) -> np.ndarray:
        import numpy as np

        order = np.argsort(np.argsort(labels, kind="stable"), kind="stable")
        return order * min(BANDS, len(labels)) // max(1, len(labels))

    def single_classes(self, labels: np.ndarray) -> np.ndarray:
        return self.strata(labels)

    def questions(
        self, labels: np.ndarray, prediction: np.ndarray
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        return []

    def differ(self, answers: np.ndarray, others: np.ndarray) -> np.ndarray:
        different: np.ndarray = abs(answers - others) > self.scale / 10
        return different

    def misfit(self, labels: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        return abs(labels - prediction[:, 0])

    def decide(self, prediction: np.ndarray) -> np.ndarray:
        return prediction[:, 0]

    def harden(self, prediction: np.ndarray) -> np.ndarray:
        return prediction

    def soften(self, prediction: np.ndarray) -> np.ndarray:
        return prediction


SINGLE, ORDERED, MULTI = Target(), Ordered(), Multi()
_KINDS = {kind.name: kind for kind in (Target, Ordered, Multi, Number)}
#: The names that a plugin can declare.
NAMES = tuple(_KINDS)


def to_json(target: Target) -> dict[str, Any]:
    """A target as what JSON can hold: its name, and numbers of its own."""
    return {"name": target.name, **vars(target)}


def from_json(state: Mapping[str, Any]) -> Target:
    """The target of which `to_json` made this; raises `KeyError` or `TypeError` where none did."""
    numbers = {key: value for key, value in state.items() if key != "name"}
    return _KINDS[state["name"]](**numbers)
